#include "baselines/flashattention2/fa1_cuda_kernel.cuh"

namespace ashlar::flashattention2::baselines {

using Element = core::BFloat16;
using enum kernel::PassKind;
template void launch_fa1_cuda<Element, 64, full>(const Fa1CudaPlan&, void*);
template void launch_fa1_cuda<Element, 64, causal>(const Fa1CudaPlan&, void*);
template void launch_fa1_cuda<Element, 128, full>(const Fa1CudaPlan&, void*);
template void launch_fa1_cuda<Element, 128, causal>(const Fa1CudaPlan&, void*);

}  // namespace ashlar::flashattention2::baselines
