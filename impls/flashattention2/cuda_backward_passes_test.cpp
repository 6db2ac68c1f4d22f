// The backward kernels on a GPU under the checks of test_backward_checks.hpp. Without a device the
// table is empty and says why.
#include <iostream>

#include "impls/flashattention2/cuda_backward.hpp"
#include "impls/flashattention2/test_backward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

void run(const AttentionParams& params) {
  CudaBackward backward(params);
  backward.poison();
  backward.execute(nullptr);
  backward.fetch();
  CHECK(backward.problem().intact());
}

}  // namespace

const std::vector<BackwardPass>& backward_passes() {
  static const std::vector<BackwardPass> passes = []() -> std::vector<BackwardPass> {
    if (!cuda_device().available) {
      std::cout << "skipped: " << cuda_device().reason << "\n";
      return {};
    }
    // Its tiles are compiled in.
    return {{.name = "flash-mma",
             .dtypes = {core::DType::f16, core::DType::bf16},
             .run = run,
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
