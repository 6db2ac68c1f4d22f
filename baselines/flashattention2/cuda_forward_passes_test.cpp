// Standard attention on a GPU under the checks of test_forward_checks.hpp. Without a device or
// cuBLAS the table is empty and says why.
#include "baselines/flashattention2/naive_cuda.hpp"
#include "impls/flashattention2/test_cuda_passes.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = []() -> std::vector<ForwardPass> {
    Problem any({.seqlen_q = 2, .seqlen_k = 2, .head_dim = 64, .dtype = core::DType::f16});
    if (skipped(baselines::naive_cuda_unsupported(any.params()))) return {};
    // Scores are stored in the tensors' type, so that in 16 bits all is judged by the yardstick.
    return {{.name = "naive-cuda",
             .dtypes = {core::DType::f32, core::DType::f16, core::DType::bf16},
             .run = run_on_device<baselines::NaiveCudaForward>,
             .bounds = {.lse = 2e-5, .stored_scores = true},
             .bits_depend_on_strides = "cuBLAS chooses kernels by strides and lists of addresses"}};
  }();
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 128};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
