#include "impls/flashattention2/cuda_forward_kernel.cuh"

namespace ashlar::flashattention2::kernel {

using Element = core::BFloat16;
using Arguments = const ForwardArguments&;
using Grid = const GridIndex&;
template void launch_forward<Element, 128, PassKind::full>(Arguments, Grid, void*);
template void launch_forward<Element, 128, PassKind::causal>(Arguments, Grid, void*);
template void launch_forward<Element, 128, PassKind::general>(Arguments, Grid, void*);

}  // namespace ashlar::flashattention2::kernel
