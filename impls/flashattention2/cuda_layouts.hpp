#pragma once
// Where elements lie in fragments and in shared memory, beyond what the forward pass needs
// (cuda_forward_math.hpp): dropout in accumulators, and the products of the backward pass.
//
// The backward pass multiplies by five tiles of shared memory, all in panels 64 elements wide under
// swizzled_offset(). With rows of Q, dO and columns of K, V along the tiles' rows:
//   S  = Q K^T      A: Q  as it lies (lane_row_major)        B: K as it lies (lane_row_minor)
//   dP = dO V^T     A: dO as it lies                         B: V as it lies
//   dV = P^T dO     A: P  transposed (lane_row_transposed)   B: dO transposed (lane_row_major)
//   dK = dS^T Q     A: dS transposed                         B: Q transposed
//   dQ = dS K       A: dS as it lies                         B: K transposed
// "Transposed" is ldmatrix.trans on addresses of the stored rows. P and dS come from accumulators
// and are written as pairs of 16 bits, a row of 8 columns by four lanes.
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"
#include "impls/flashattention2/dropout.hpp"

namespace ashlar::flashattention2::kernel {

/// The bytes that decide about a lane's accumulators in four neighbouring n8 tiles: those at rows
/// [row, row + 16) and columns [column, column + 32), multiples of 16 and 32.
ASHLAR_HOST_DEVICE constexpr core::PhiloxWords lane_patch(const DropoutMask& mask, int row,
                                                          int column, int lane) {
  return mask.patch(static_cast<std::uint32_t>(row + accumulator_row(lane, 0)),
                    static_cast<std::uint32_t>(column + accumulator_column(lane, 0)));
}

/// Which of them is that of element i (0..3) in tile n (0..3).
ASHLAR_HOST_DEVICE constexpr int patch_byte(int n, int i) { return i / 2 * 8 + n * 2 + i % 2; }

/// Counters of the patches of a warp's tile: rows / 16 times columns / 32 calls of Philox for every
/// lane.
ASHLAR_HOST_DEVICE constexpr int patches_per_lane(int rows, int columns) {
  return rows / 16 * ((columns + 31) / 32);
}

/// The row address that a lane hands to ldmatrix.x4.trans for a 16x16 tile that is stored
/// transposed and read as an A fragment: stored rows are the depth of the product.
ASHLAR_HOST_DEVICE constexpr LaneRow lane_row_transposed(int lane) {
  return {lane % 8 + 8 * (lane / 16), lane / 8 % 2};
}

/// Warps share a product's width, `Width` elements each, and a share is not always a power of two.
/// Where it is, a lane addresses the first tile of the share, and all others follow from it at
/// compile time; else the first tile of the row.
template <int Width>
inline constexpr bool kEvenShares = (Width & (Width - 1)) == 0;

/// Byte offset of a lane's own row in that tile.
template <int Rows, int Width>
ASHLAR_HOST_DEVICE constexpr int share_lane_offset(const LaneRow& lane_row, int share) {
  const int first = kEvenShares<Width> ? share * (Width / kChunkElements) : 0;
  return swizzled_offset<Rows>(lane_row.row, first + lane_row.chunk);
}

/// fragment_offset() of the share's 16x16 tile number `tile`, from share_lane_offset().
template <int Rows, int Width>
ASHLAR_HOST_DEVICE constexpr int share_fragment_offset(int lane_offset, int tile_row, int share,
                                                       int tile) {
  const int first = kEvenShares<Width> ? 0 : share * (Width / 16);
  return fragment_offset<Rows>(lane_offset, tile_row, first + tile);
}

/// Byte offset at which a lane stores elements i and i + 1 (i = 0, 2) of the n-th n8 tile of its
/// m16 tile, as a pair of 16 bits, in a tile of `Rows` rows.
template <int Rows>
ASHLAR_HOST_DEVICE constexpr int pair_offset(int lane, int tile_row, int n, int i) {
  return swizzled_offset<Rows>(tile_row + accumulator_row(lane, i), n) +
         2 * accumulator_column(lane, 0);
}

}  // namespace ashlar::flashattention2::kernel
