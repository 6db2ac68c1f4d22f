#include "impls/bcd/cuda_batch_kernel.cuh"

namespace ashlar::bcd::kernel {

BatchKernel batch_kernel_of_one_block() { return batch_kernel<TeamScope::block>; }

}  // namespace ashlar::bcd::kernel
