// Standard attention's backward pass on a GPU under the checks of test_backward_checks.hpp. Without
// a device or cuBLAS the table is empty and says why.
#include "baselines/flashattention2/naive_cuda_backward.hpp"
#include "impls/flashattention2/test_backward_checks.hpp"
#include "impls/flashattention2/test_cuda_passes.hpp"

namespace ashlar::flashattention2::testing {
namespace {

/// Twice, since addresses, weights and the stream are kept.
void run(const AttentionParams& params) {
  baselines::NaiveCudaBackward backward(params);
  for (int repeat = 0; repeat < 2; ++repeat) {
    backward.poison();
    backward.execute(nullptr);
  }
  backward.fetch();
  CHECK(backward.problem().intact());
}

}  // namespace

const std::vector<BackwardPass>& backward_passes() {
  static const std::vector<BackwardPass> passes = []() -> std::vector<BackwardPass> {
    Problem any({.seqlen_q = 2, .seqlen_k = 2, .head_dim = 64, .dtype = core::DType::f16});
    if (skipped(baselines::naive_cuda_backward_unsupported(any.params()))) return {};
    // Scores are stored in the tensors' type, so that in 16 bits all is judged by the yardstick.
    // cuBLAS gives the same bits from every call, as long as nothing of the problem changes.
    const BackwardPass pass{.name = "naive-cuda",
                            .dtypes = {core::DType::f32, core::DType::f16, core::DType::bf16},
                            .run = run,
                            .bounds = {.stored_scores = true},
                            .same_dq = DqBits::always};
    BackwardPass both = pass;
    both.name = "naive-cuda, both passes";
    // The backward pass must not hang on the forward pass that the checks hand out.
    both.run = run_on_device<baselines::NaiveCudaBothPasses>;
    return {pass, both};
  }();
  return passes;
}

const std::vector<Index>& backward_head_dims() {
  static const std::vector<Index> dims{64, 128};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
