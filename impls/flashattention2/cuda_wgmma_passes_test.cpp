// The wgmma kernels of every rung on a GPU under the checks of test_forward_checks.hpp. Without a
// device of compute capability 9.0 the table is empty and says why.
#include <string>

#include "impls/flashattention2/cuda_wgmma.hpp"
#include "impls/flashattention2/test_cuda_passes.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

/// Its tiles are compiled in. ex2.approx is within 2^-22 of each weight.
ForwardPass rung_pass(const std::string& name, WgmmaRung rung) {
  ForwardPass pass{
      .name = name,
      .dtypes = {core::DType::f16},
      .run = [rung](const AttentionParams& params) { run_on_device<WgmmaForward>(params, rung); },
      .bounds = {.lse = 1e-4}};
  if (rung == WgmmaRung::overlapped) pass.dtypes.push_back(core::DType::bf16);
  return pass;
}

/// Why no problem at all can be computed here.
std::optional<std::string> missing_device() {
  Problem problem({1, 1, 64, false, core::DType::f16});
  return wgmma_unsupported(problem.params());
}

}  // namespace

const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = []() -> std::vector<ForwardPass> {
    if (skipped(missing_device())) return {};
    return {rung_pass("flash-wgmma", WgmmaRung::overlapped),
            rung_pass("flash-wgmma-plain", WgmmaRung::plain),
            rung_pass("flash-wgmma-specialised", WgmmaRung::specialised),
            rung_pass("flash-wgmma-pingpong", WgmmaRung::ping_pong),
            rung_pass("flash-wgmma-no-specialisation", WgmmaRung::unspecialised)};
  }();
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 128};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
