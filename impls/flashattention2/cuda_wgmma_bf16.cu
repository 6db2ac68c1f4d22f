#include "impls/flashattention2/cuda_wgmma_kernel.cuh"

namespace ashlar::flashattention2::kernel {

ASHLAR_WGMMA_KERNELS(BFloat16, 64, overlapped)
ASHLAR_WGMMA_KERNELS(BFloat16, 128, overlapped)

}  // namespace ashlar::flashattention2::kernel
