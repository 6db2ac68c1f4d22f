#include "impls/flashattention2/cuda_forward_kernel.cuh"

namespace ashlar::flashattention2::kernel {

template void launch_forward<core::BFloat16, 64, false>(const ForwardArguments&, const GridIndex&,
                                                        void*);
template void launch_forward<core::BFloat16, 64, true>(const ForwardArguments&, const GridIndex&,
                                                       void*);

}  // namespace ashlar::flashattention2::kernel
