#include "impls/flashattention2/cuda_decode_kernel.cuh"

namespace ashlar::flashattention2::kernel {

template void launch_decode<core::Float16, 64>(const DecodePlan&, void*);
template void launch_decode<core::Float16, 128>(const DecodePlan&, void*);

}  // namespace ashlar::flashattention2::kernel
