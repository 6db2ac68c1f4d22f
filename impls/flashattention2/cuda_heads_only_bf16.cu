#include "impls/flashattention2/cuda_heads_only_kernel.cuh"

namespace ashlar::flashattention2::kernel {

using Element = core::BFloat16;
using Arguments = const ForwardArguments&;
using Grid = const GridIndex&;
template void launch_heads_only<Element, 64, PassKind::full>(Arguments, Grid, void*);
template void launch_heads_only<Element, 64, PassKind::causal>(Arguments, Grid, void*);
template void launch_heads_only<Element, 128, PassKind::full>(Arguments, Grid, void*);
template void launch_heads_only<Element, 128, PassKind::causal>(Arguments, Grid, void*);

}  // namespace ashlar::flashattention2::kernel
