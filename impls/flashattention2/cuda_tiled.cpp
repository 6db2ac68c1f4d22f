#include "impls/flashattention2/cuda_tiled.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <fmt/format.h>

#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"
#include "impls/flashattention2/cuda_strides.hpp"
#include "impls/flashattention2/cuda_tiled_launch.hpp"

namespace ashlar::flashattention2 {
namespace kernel {
namespace {

template <int HeadDim, int Rows, int Columns, int Warps>
constexpr SweptTile swept() {
  return {HeadDim, {Rows, Columns, Warps}, launch_tiled<HeadDim, Rows, Columns, Warps>};
}

/// The kernel's own tile, as it is compiled anyway.
template <int HeadDim>
constexpr SweptTile own() {
  return {HeadDim, ForwardConfig<HeadDim, PassKind::full>::kTile,
          launch_forward<core::Float16, HeadDim, PassKind::full>};
}

constexpr std::array kSweptTiles = {
    own<64>(),
    swept<64, 128, 128, 8>(),
    swept<64, 64, 256, 4>(),
    swept<64, 256, 64, 4>(),
    own<128>(),
    swept<128, 128, 128, 8>(),
    swept<128, 256, 64, 8>(),
    swept<64, 64, 64, 4>(),
    swept<128, 64, 64, 4>(),
};

}  // namespace

std::span<const SweptTile> swept_tiles() { return kSweptTiles; }

}  // namespace kernel

namespace {

/// Throws std::invalid_argument where there is none.
const kernel::SweptTile& swept_tile(const AttentionParams& params, const kernel::Tile& tile) {
  if (const auto reason = cuda_tiled_unsupported(params)) {
    throw std::invalid_argument("CUDA attention: " + *reason);
  }
  const auto tiles = kernel::swept_tiles();
  const auto found = std::find_if(tiles.begin(), tiles.end(), [&](const kernel::SweptTile& one) {
    return one.head_dim == params.head_dim() && one.tile.rows == tile.rows &&
           one.tile.columns == tile.columns && one.tile.warps == tile.warps;
  });
  if (found != tiles.end()) return *found;
  throw std::invalid_argument(
      fmt::format("CUDA attention: no tile of {} rows and {} columns for {} warps at head size {}",
                  tile.rows, tile.columns, tile.warps, params.head_dim()));
}

}  // namespace

std::optional<std::string> cuda_tiled_unsupported(const AttentionParams& params) {
  if (auto reason = cuda_unsupported(params)) return reason;
  if (params.q.dtype != core::DType::f16) return "tiles can be chosen in f16 only";
  if (params.head_dim() != 64 && params.head_dim() != 128) {
    return "tiles can be chosen at head sizes 64 and 128 only";
  }
  if (kernel::kind_of(params) != kernel::PassKind::full) {
    return "tiles can be chosen without mask and other features only";
  }
  return std::nullopt;
}

const AttentionParams& CudaTiledLaunch::supported(const AttentionParams& params,
                                                  const kernel::Tile& tile) {
  validate_forward(params);
  swept_tile(params, tile);
  return params;
}

CudaTiledLaunch::CudaTiledLaunch(const AttentionParams& device, const kernel::Tile& tile)
    : launch_(swept_tile(supported(device, tile), tile).launch),
      arguments_(kernel::forward_arguments(device, tile.rows)),
      grid_(kernel::forward_grid(device, tile.rows)) {
  kernel::require_aligned_tensors(device);
}

void CudaTiledLaunch::operator()(void* stream) const {
  if (grid_.x != 0) launch_(arguments_, grid_, stream);
}

}  // namespace ashlar::flashattention2
