// What a build without CUDA has in place of the kernels.
#include <stdexcept>

#include "impls/bcd/cuda_batch_launch.hpp"

namespace ashlar::bcd::kernel {
namespace {

[[noreturn]] void batch_kernels_missing() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

BatchShape batch_shape(BatchTeam /*team*/, int /*cluster_blocks*/, std::int64_t /*runs*/,
                       Index /*most_matrix*/) {
  batch_kernels_missing();
}
void launch_batch(const BatchLaunch& /*launch*/, const BatchShape& /*shape*/, void* /*stream*/) {
  batch_kernels_missing();
}

bool batch_kernels_built() { return false; }

}  // namespace ashlar::bcd::kernel
