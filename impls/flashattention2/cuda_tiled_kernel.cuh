#pragma once
// The launch of the forward kernel with a tile of choice.
#include "impls/flashattention2/cuda_forward_kernel.cuh"
#include "impls/flashattention2/cuda_tiled_launch.hpp"

namespace ashlar::flashattention2::kernel {

template <int HeadDim, int Rows, int Columns, int Warps>
void launch_tiled(const ForwardArguments& arguments, const GridIndex& grid, void* stream) {
  constexpr Tile kTile{Rows, Columns, Warps};
  start_forward<core::Float16, ForwardConfig<HeadDim, PassKind::full, kTile>>(arguments, grid,
                                                                              stream);
}

}  // namespace ashlar::flashattention2::kernel
