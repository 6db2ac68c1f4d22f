#include "impls/flashattention2/cuda_wgmma_kernel.cuh"

namespace ashlar::flashattention2::kernel {

ASHLAR_WGMMA_KERNELS(Float16, 64, overlapped)
ASHLAR_WGMMA_KERNELS(Float16, 128, overlapped)

}  // namespace ashlar::flashattention2::kernel
