// The library's forward passes on a CPU under the checks of test_forward_checks.hpp.
#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

constexpr core::DType kTypes[] = {core::DType::f32, core::DType::bf16, core::DType::f16};

ForwardPass flash(core::Isa isa) {
  ForwardPass pass;
  pass.name = "flash on " + std::string(name_of(isa));
  for (const core::DType dtype : kTypes) {
    for (const core::Isa one : optimized_isas(dtype)) {
      if (one == isa) pass.dtypes.push_back(dtype);
    }
  }
  pass.run_tiled = [isa](const AttentionParams& params, Index key_block) {
    ForwardWorkspace workspace(params, {.key_block = key_block, .isa = isa});
    optimized_forward(params, workspace);
  };
  pass.run = [isa](const AttentionParams& params) {
    ForwardWorkspace workspace(params, {.isa = isa});
    optimized_forward(params, workspace);
  };
  return pass;
}

}  // namespace

const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = [] {
    std::vector<ForwardPass> all{{.name = "reference",
                                  .dtypes = {std::begin(kTypes), std::end(kTypes)},
                                  .run = reference_forward,
                                  .features = Features::all()}};
    for (const core::Isa isa : {core::Isa::avx2, core::Isa::avx512, core::Isa::avx512_bf16}) {
      if (core::may_use(isa)) all.push_back(flash(isa));
    }
    return all;
  }();
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 40};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
