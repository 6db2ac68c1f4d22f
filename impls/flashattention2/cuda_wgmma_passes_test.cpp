// The wgmma kernels of every rung on a GPU under the checks of test_forward_checks.hpp. Without a
// device of compute capability 9.0 the table is empty and says why.
#include <iostream>
#include <string>

#include "impls/flashattention2/cuda_wgmma.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

std::function<void(const AttentionParams&)> run_of(WgmmaRung rung) {
  return [rung](const AttentionParams& params) {
    WgmmaForward forward(params, rung);
    forward.poison();
    forward.execute(nullptr);
    forward.fetch();
    CHECK(forward.problem().intact());
  };
}

/// Its tiles are compiled in. ex2.approx is within 2^-22 of each weight.
ForwardPass rung_pass(const std::string& name, WgmmaRung rung) {
  ForwardPass pass{
      .name = name, .dtypes = {core::DType::f16}, .run = run_of(rung), .bounds = {.lse = 1e-4}};
  if (rung == WgmmaRung::overlapped) pass.dtypes.push_back(core::DType::bf16);
  return pass;
}

/// Why no problem at all can be computed here.
std::string missing_device() {
  Problem problem({1, 1, 64, false, core::DType::f16});
  return wgmma_unsupported(problem.params()).value_or("");
}

}  // namespace

const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = []() -> std::vector<ForwardPass> {
    const std::string reason = missing_device();
    if (!reason.empty()) {
      std::cout << "skipped: " << reason << "\n";
      return {};
    }
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
