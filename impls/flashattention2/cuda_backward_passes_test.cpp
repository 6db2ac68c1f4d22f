// The backward kernels on a GPU under the checks of test_backward_checks.hpp. Without a device the
// table is empty and says why.
#include "impls/flashattention2/cuda_backward.hpp"
#include "impls/flashattention2/test_backward_checks.hpp"
#include "impls/flashattention2/test_cuda_passes.hpp"

namespace ashlar::flashattention2::testing {
const std::vector<BackwardPass>& backward_passes() {
  static const std::vector<BackwardPass> passes = []() -> std::vector<BackwardPass> {
    if (skipped_without_device()) return {};
    // Its tiles are compiled in.
    return {{.name = "flash-mma",
             .dtypes = {core::DType::f16, core::DType::bf16},
             .run = run_on_device<CudaBackward>,
             .features = Features::all(),
             .head_dims = {64, 96, 128}}};
  }();
  return passes;
}

const std::vector<Index>& backward_head_dims() {
  static const std::vector<Index> dims{64, 128, 96};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
