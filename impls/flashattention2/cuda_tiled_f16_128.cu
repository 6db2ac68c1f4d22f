#include "impls/flashattention2/cuda_tiled_kernel.cuh"

namespace ashlar::flashattention2::kernel {

using Arguments = const ForwardArguments&;
using Grid = const GridIndex&;
template void launch_tiled<128, 64, 64, 4>(Arguments, Grid, void*);
template void launch_tiled<128, 128, 128, 8>(Arguments, Grid, void*);
template void launch_tiled<128, 256, 64, 8>(Arguments, Grid, void*);

}  // namespace ashlar::flashattention2::kernel
