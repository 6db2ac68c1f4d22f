#include "impls/flashattention2/cuda_wgmma_kernel.cuh"

namespace ashlar::flashattention2::kernel {

ASHLAR_WGMMA_KERNELS(Float16, 64, plain)
ASHLAR_WGMMA_KERNELS(Float16, 64, specialised)
ASHLAR_WGMMA_KERNELS(Float16, 64, ping_pong)
ASHLAR_WGMMA_KERNELS(Float16, 64, unspecialised)

}  // namespace ashlar::flashattention2::kernel
