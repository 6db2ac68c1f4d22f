// The library's forward passes on a CPU under the checks of test_forward_checks.hpp.
#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

constexpr core::DType kTypes[] = {core::DType::f32, core::DType::bf16, core::DType::f16};

ForwardPass flash(core::Isa isa, const std::string& what = "flash", const Ablation& ablation = {}) {
  ForwardPass pass;
  pass.name = what + " on " + std::string(name_of(isa));
  for (const core::DType dtype : kTypes) {
    for (const core::Isa one : optimized_isas(dtype)) {
      if (one == isa) pass.dtypes.push_back(dtype);
    }
  }
  pass.run_tiled = [isa, ablation](const AttentionParams& params, Index key_block) {
    ForwardWorkspace workspace(params, {.key_block = key_block, .isa = isa, .ablation = ablation});
    optimized_forward(params, workspace);
  };
  pass.run = [isa, ablation](const AttentionParams& params) {
    ForwardWorkspace workspace(params, {.isa = isa, .ablation = ablation});
    optimized_forward(params, workspace);
  };
  pass.features = Features::all();
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
    // What ablations change is the same code on every instruction set: one is enough, but it must
    // serve all types.
    const core::Isa isa = optimized_isas(core::DType::f16).front();
    all.push_back(flash(isa, "all ablations", {false, false, false, false}));
#ifndef __SANITIZE_ADDRESS__  // ten times slower, and they read and write what the others do
    all.push_back(flash(isa, "early normalisation", {.late_normalisation = false}));
    all.push_back(flash(isa, "no skipping", {.skip_masked_blocks = false}));
    all.push_back(flash(isa, "a grid over heads", {.parallel_over_rows = false}));
    all.push_back(flash(isa, "split keys", {.split_queries = false}));
#endif
    return all;
  }();
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 40};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
