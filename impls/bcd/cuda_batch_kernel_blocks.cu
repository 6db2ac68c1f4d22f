#include "impls/bcd/cuda_batch_kernel.cuh"

namespace ashlar::bcd::kernel {

BatchKernel batch_kernel_of_many_blocks() { return batch_kernel<TeamScope::blocks>; }

}  // namespace ashlar::bcd::kernel
