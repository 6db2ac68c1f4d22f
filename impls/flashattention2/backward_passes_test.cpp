// The library's backward passes on a CPU under the checks of test_backward_checks.hpp.
#include "impls/flashattention2/backward.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_backward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

void run_optimized(const AttentionParams& params, const BackwardOptions& options) {
  BackwardWorkspace workspace(params, options);
  optimized_backward(params, workspace);
}

/// The optimized pass on one instruction set, with the storage types that have kernels for it.
BackwardPass optimized_pass(core::Isa isa) {
  BackwardPass pass{
      .name = "optimized on " + std::string(name_of(isa)),
      .run = [isa](const AttentionParams& params) { run_optimized(params, {.isa = isa}); },
      .run_tiled =
          [isa](const AttentionParams& params, Index row_block, Index key_block) {
            run_optimized(params, {.row_block = row_block, .key_block = key_block, .isa = isa});
          },
      .features = Features::all()};
  for (const core::DType dtype : {core::DType::f32, core::DType::bf16, core::DType::f16}) {
    const std::vector<core::Isa> isas = optimized_backward_isas(dtype);
    if (std::find(isas.begin(), isas.end(), isa) != isas.end()) pass.dtypes.push_back(dtype);
  }
  return pass;
}

}  // namespace

const std::vector<BackwardPass>& backward_passes() {
  static const std::vector<BackwardPass> passes = [] {
    std::vector<BackwardPass> all{
        {.name = "reference",
         .dtypes = {core::DType::f32, core::DType::bf16, core::DType::f16},
         .run = reference_backward,
         .features = Features::all(),
         .same_dq = DqBits::always}};
    for (const core::Isa isa : optimized_backward_isas(core::DType::bf16)) {
      all.push_back(optimized_pass(isa));
    }
    return all;
  }();
  return passes;
}

const std::vector<Index>& backward_head_dims() {
  static const std::vector<Index> dims{64, 40};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
