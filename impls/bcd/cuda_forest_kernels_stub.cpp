// What a build without CUDA has in place of the kernel.
#include <stdexcept>

#include "impls/bcd/cuda_forest_launch.hpp"

namespace ashlar::bcd::kernel {

void launch_forests(const ForestLaunch& /*launch*/, const ForestCall& /*call*/, void* /*stream*/) {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

bool forest_kernels_built() { return false; }

}  // namespace ashlar::bcd::kernel
