#include "impls/flashattention2/cuda_wgmma_kernel.cuh"

namespace ashlar::flashattention2::kernel {

ASHLAR_WGMMA_KERNELS(Float16, 128, plain)
ASHLAR_WGMMA_KERNELS(Float16, 128, specialised)
ASHLAR_WGMMA_KERNELS(Float16, 128, ping_pong)
ASHLAR_WGMMA_KERNELS(Float16, 128, unspecialised)

}  // namespace ashlar::flashattention2::kernel
