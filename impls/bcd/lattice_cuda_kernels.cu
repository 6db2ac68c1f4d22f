#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include <algorithm>

#include "impls/bcd/lattice_cuda_launch.hpp"
#include "impls/core/cuda/cooperative.cuh"

namespace ashlar::bcd::kernel {
namespace {

namespace cg = cooperative_groups;

constexpr int kThreads = 256;
constexpr int kCombBlocks = 2;  // on a multiprocessor, by their shared memory in double precision
// A block of the stencil: places of a row by rows, so that neighbours above and below come from L1.
constexpr int kColourPlaces = 64;
constexpr int kColourRows = 16;

template <class Real>
__device__ void spine_item(const CombArguments<Real>& arguments, int comb, Index item,
                           SpineWorkspace<Real>& workspace) {
  const auto thread = static_cast<int>(threadIdx.x);
  const SpinePart part = spine_part<Real>(arguments.shape, item);
  load_spine(arguments, comb, part, workspace, thread, kThreads);
  __syncthreads();
  if (thread == 0) solve_spine(part, workspace);
  __syncthreads();
  store_spine(arguments, comb, part, workspace, thread, kThreads);
  __syncthreads();
}

template <class Real>
__device__ void tile_item(const CombArguments<Real>& arguments, int comb, const CombTile& tile,
                          CombWorkspace<Real>& workspace) {
  const auto thread = static_cast<int>(threadIdx.x);
  load_tile(arguments, comb, tile, workspace, thread, kThreads);
  __syncthreads();
  if (thread < kTileTeeth) solve_tile_lane(arguments, comb, tile, workspace, thread);
  __syncthreads();
  store_tile(arguments, comb, tile, workspace, thread, kThreads);
  __syncthreads();
}

template <class Real>
__global__ void __launch_bounds__(kThreads, kCombBlocks)
    comb_kernel(const __grid_constant__ CombArguments<Real> arguments, int half,
                std::int64_t half_sweeps) {
  extern __shared__ __align__(16) unsigned char memory[];
  auto& comb_workspace = *reinterpret_cast<CombWorkspace<Real>*>(memory);
  // In the place of messages, as the factors by class must outlive a part of the spine.
  static_assert(sizeof(SpineWorkspace<Real>) <= sizeof(comb_workspace.message));
  auto& spine_workspace = *reinterpret_cast<SpineWorkspace<Real>*>(comb_workspace.message);
  const cg::grid_group grid = cg::this_grid();
  const auto block = static_cast<Index>(blockIdx.x);
  const auto blocks = static_cast<Index>(gridDim.x);
  if (threadIdx.x < kFactorClasses)
    comb_workspace.factor[threadIdx.x] = arguments.factors[threadIdx.x];
  __syncthreads();
  for (std::int64_t i = 0; i < half_sweeps; ++i) {
    const auto comb = static_cast<int>((half + i) % 2);
    const CombTiling<Real> tiling(arguments.shape, comb);
    for (Index item = block; item < tiling.first_items(); item += blocks) {
      if (item < tiling.spine_parts) {
        spine_item(arguments, comb, item, spine_workspace);
      } else {
        tile_item(arguments, comb, tiling.tile(item, false), comb_workspace);
      }
    }
    grid.sync();
    for (Index item = block; item < tiling.second_items(); item += blocks)
      tile_item(arguments, comb, tiling.tile(item, true), comb_workspace);
    grid.sync();
  }
}

template <class Real>
__global__ void __launch_bounds__(kThreads)
    colour_kernel(const __grid_constant__ ColourArguments<Real> arguments, int half,
                  std::int64_t half_sweeps) {
  const cg::grid_group grid = cg::this_grid();
  const PlaneShape& shape = arguments.shape;
  const Index across = (shape.width + kColourPlaces - 1) / kColourPlaces;
  const Index tiles = across * ((shape.rows + kColourRows - 1) / kColourRows);
  const auto lane = static_cast<Index>(threadIdx.x) % kColourPlaces;
  const auto group = static_cast<Index>(threadIdx.x) / kColourPlaces;
  for (std::int64_t i = 0; i < half_sweeps; ++i) {
    const auto colour = static_cast<int>((half + i) % 2);
    for (auto tile = static_cast<Index>(blockIdx.x); tile < tiles;
         tile += static_cast<Index>(gridDim.x)) {
      const Index place = tile % across * kColourPlaces + lane;
      const Index first = tile / across * kColourRows;
      if (place >= shape.width) continue;
#pragma unroll
      for (Index r = 0; r < kColourRows; r += kThreads / kColourPlaces) {
        if (first + r + group < shape.rows)
          update_colour(arguments, colour, first + r + group, place);
      }
    }
    grid.sync();
  }
}

template <class Arguments>
void launch_half_sweeps(const char* name, void (*kernel)(Arguments, int, std::int64_t),
                        std::size_t shared, std::int64_t useful, const Arguments& arguments,
                        int half, std::int64_t half_sweeps, void* stream) {
  if (half_sweeps <= 0) return;
  core::cuda::allow_shared_bytes(kernel, shared);
  const unsigned blocks =
      core::cuda::cooperative_blocks(core::cuda::resident_blocks(kernel, kThreads, shared), useful);
  core::cuda::launch_cooperative(name, kernel, {blocks, kThreads, shared}, stream, arguments, half,
                                 half_sweeps);
}

}  // namespace

template <class Real>
void launch_combs(const CombArguments<Real>& arguments, int half, std::int64_t half_sweeps,
                  void* stream) {
  std::int64_t items = 1;
  for (const int comb : {0, 1}) {
    const CombTiling<Real> tiling(arguments.shape, comb);
    items = std::max<std::int64_t>({items, tiling.first_items(), tiling.second_items()});
  }
  launch_half_sweeps("comb_kernel", comb_kernel<Real>, sizeof(CombWorkspace<Real>), items,
                     arguments, half, half_sweeps, stream);
}

template <class Real>
void launch_colours(const ColourArguments<Real>& arguments, int half, std::int64_t half_sweeps,
                    void* stream) {
  const PlaneShape& shape = arguments.shape;
  const std::int64_t tiles = std::int64_t{(shape.width + kColourPlaces - 1) / kColourPlaces} *
                             ((shape.rows + kColourRows - 1) / kColourRows);
  launch_half_sweeps("colour_kernel", colour_kernel<Real>, 0, tiles, arguments, half, half_sweeps,
                     stream);
}

bool lattice_kernels_built() { return true; }

template void launch_combs(const CombArguments<double>&, int, std::int64_t, void*);
template void launch_combs(const CombArguments<float>&, int, std::int64_t, void*);
template void launch_colours(const ColourArguments<double>&, int, std::int64_t, void*);
template void launch_colours(const ColourArguments<float>&, int, std::int64_t, void*);

}  // namespace ashlar::bcd::kernel
