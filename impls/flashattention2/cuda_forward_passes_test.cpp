// The tensor-core kernel on a GPU under the checks of test_forward_checks.hpp. Without a device the
// table is empty and says why.
#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/test_cuda_passes.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = []() -> std::vector<ForwardPass> {
    if (skipped_without_device()) return {};
    // Its tiles are compiled in. ex2.approx is within 2^-22 of each weight.
    return {{.name = "flash-mma",
             .dtypes = {core::DType::f16, core::DType::bf16},
             .run = run_on_device<CudaForward>,
             .bounds = {.lse = 1e-4},
             .features = Features::all()}};
  }();
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 128, 96, 256};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
