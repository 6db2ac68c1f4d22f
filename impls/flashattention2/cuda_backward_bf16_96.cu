#include "impls/flashattention2/cuda_backward_kernel.cuh"

namespace ashlar::flashattention2::kernel {

using Element = core::BFloat16;
template void launch_backward<Element, 96, PassKind::full>(const BackwardPlan&, void*);
template void launch_backward<Element, 96, PassKind::causal>(const BackwardPlan&, void*);
template void launch_backward<Element, 96, PassKind::general>(const BackwardPlan&, void*);

}  // namespace ashlar::flashattention2::kernel
