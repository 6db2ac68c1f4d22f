#pragma once
// Entry points of the forward kernel with tiles other than its own, f16 without mask, for a sweep
// over tile sizes. Compiled in cuda_tiled_f16_<head size>.cu; without CUDA cuda_stub.cpp has them.
#include <span>

#include "impls/flashattention2/cuda_launch.hpp"
#include "impls/flashattention2/cuda_tiles.hpp"

namespace ashlar::flashattention2::kernel {

template <int HeadDim, int Rows, int Columns, int Warps>
void launch_tiled(const ForwardArguments& arguments, const GridIndex& grid, void* stream);

struct SweptTile {
  int head_dim;
  Tile tile;
  LaunchForward launch;
};

/// Those of which the authors' code says how they fare at 2048 tokens, the kernel's own among them,
/// and smaller ones.
std::span<const SweptTile> swept_tiles();

}  // namespace ashlar::flashattention2::kernel
