// Split-KV decoding on a GPU under the checks of test_forward_checks.hpp, whose shapes reach from
// one row to a thousand. Without a device the table is empty and says why.
#include "impls/flashattention2/cuda_decode.hpp"
#include "impls/flashattention2/test_cuda_passes.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

/// In as many splits as the device wants, or in a number that leaves some of them without keys.
ForwardPass decoding(int splits) {
  return {
      .name = splits == 0 ? "flash-decode-mma" : "flash-decode-mma in 5",
      .dtypes = {core::DType::f16, core::DType::bf16},
      .run = [splits](const AttentionParams& params) { run_on_device<CudaDecode>(params, splits); },
      .bounds = {.lse = 1e-4},
      .features = {.window = true, .softcap = true, .packed = true}};
}

}  // namespace

const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = []() -> std::vector<ForwardPass> {
    if (skipped_without_device()) return {};
    return {decoding(0), decoding(5)};
  }();
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 128};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
