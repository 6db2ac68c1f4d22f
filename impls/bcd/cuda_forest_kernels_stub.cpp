// What a build without CUDA has in place of the kernel.
#include <stdexcept>

#include "impls/bcd/cuda_forest_launch.hpp"

namespace ashlar::bcd::kernel {
namespace {

[[noreturn]] void forest_kernels_missing() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

void launch_forests(const ForestLaunch& /*launch*/, const ForestCall& /*call*/, void* /*stream*/) {
  forest_kernels_missing();
}
void launch_forest_batch(const ForestBatch& /*batch*/, const double* /*right*/, double* /*x*/,
                         void* /*stream*/) {
  forest_kernels_missing();
}

bool forest_kernels_built() { return false; }

}  // namespace ashlar::bcd::kernel
