#pragma once
// Shapes, places and arguments of split-KV decoding on tensor cores: all that is not an intrinsic
// and not a loop over tiles. Compiled for the GPU and tested on a CPU.
//
// With one query row per sequence, or a few, the time is that of reading K and V once, and row
// blocks alone do not fill a device. So the keys of a K/V head are split over thread blocks (Dao et
// al., "Flash-Decoding"; version 2.2 of the authors' code), all query rows and heads that share
// them are the rows of one tile, and a second kernel combines the parts by their lse (combine.hpp).
//
// A tile has 16 rows, the least that mma takes. Row r of a K/V head is query r / group of head
// r % group. The 4 warps of a block take keys in turns, 16 at a time, each through buffers of its
// own, so that they wait for nobody until the end, where maxima, sums and outputs of the four are
// put together in shared memory: what split-K costs the forward pass at every block costs here
// once.
//   bytes in flight = (stages - 1) * 4 warps * 16 keys * 2 tensors * head size * 2 bytes
// are 32 KiB for head size 64 and 64 KiB for 128, of a block; 4 and 2 blocks share a multiprocessor
// of sm_90. What 3.3 TB/s and some 700 ns of latency ask for is 18 KiB on each of 132.
#include <cmath>
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/cuda_features.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"
#include "impls/flashattention2/mask.hpp"
#include "impls/flashattention2/split.hpp"

namespace ashlar::flashattention2::kernel {

template <int HeadDim>
struct DecodeConfig {
  static_assert(HeadDim == 64 || HeadDim == 128);
  static constexpr int kHeadDim = HeadDim;
  static constexpr int kRows = 16;
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarpSize;
  static constexpr int kWarpKeys = 16;
  static constexpr int kKeys = kWarps * kWarpKeys;  // of a block at a time
  static constexpr int kStages = 3;
  static constexpr int kTileBytes = kWarpKeys * HeadDim * 2;
  static constexpr int kStageBytes = 2 * kTileBytes;  // K and V of one warp
  static constexpr int kQueryOffset = 0;
  static constexpr int kStageOffset = kRows * HeadDim * 2;
  static constexpr int kSharedBytes = kStageOffset + kWarps * kStages * kStageBytes;
  // At the end, in the place of the buffers: outputs of each warp, then maxima and sums.
  static constexpr int kOutOffset = kStageOffset;
  static constexpr int kOutBytes = kRows * HeadDim * 4;
  static constexpr int kMaximumOffset = kOutOffset + kWarps * kOutBytes;
  static constexpr int kSumOffset = kMaximumOffset + kWarps * kRows * 4;
  static_assert(kSumOffset + kWarps * kRows * 4 <= kSharedBytes);
};

/// What a launch takes. Elements are bit patterns of 16 bits; the arithmetic knows their type.
struct DecodeArguments {
  const std::uint16_t* q = nullptr;
  const std::uint16_t* k = nullptr;
  const std::uint16_t* v = nullptr;
  std::uint16_t* out = nullptr;
  float* lse = nullptr;
  Strides q_strides, k_strides, v_strides, out_strides, lse_strides;

  PartialLayout layout;  // of part_lse and part_out
  float* part_lse = nullptr;
  float* part_out = nullptr;

  int group = 0;     // query heads per K/V head
  int seqlen_q = 0;  // of every sequence, unless packed
  int seqlen_k = 0;
  int row_tiles = 0;  // of the sequence with the most query rows
  float scale_log2 = 0;
  FeatureArguments features;
};

/// Thread blocks lie in a grid of (splits, K/V heads times row tiles, sequences).
struct DecodePlace {
  int split = 0;
  int head_kv = 0;
  int first_row = 0;  // of the tile, among the rows of the K/V head
  int rows = 0;       // of the K/V head: queries times group
  SequencePlace sequence;
};

ASHLAR_HOST_DEVICE DecodePlace decode_place(const DecodeArguments& arguments,
                                            const GridIndex& block, int tile_rows) {
  const auto row_tiles = static_cast<unsigned>(arguments.row_tiles);
  DecodePlace place;
  place.split = static_cast<int>(block.x);
  place.head_kv = static_cast<int>(block.y / row_tiles);
  place.first_row = static_cast<int>(block.y % row_tiles) * tile_rows;
  place.sequence = sequence_place<PassKind::general>(arguments.features, static_cast<int>(block.z),
                                                     arguments.seqlen_q, arguments.seqlen_k);
  place.rows = place.sequence.seqlen_q * arguments.group;
  return place;
}

/// The row of a sequence's first query, in the partial answers.
ASHLAR_HOST_DEVICE int first_part_row(const DecodePlace& place) {
  // Of the two one is 0: packed sequences share a batch entry.
  return place.sequence.batch * place.sequence.seqlen_q + place.sequence.first_q;
}

ASHLAR_HOST_DEVICE Mask<int> mask_of(const DecodeArguments& arguments, const DecodePlace& place) {
  return mask_of<PassKind::general>(arguments.features, place.sequence);
}

/// The keys of a tile's split, in blocks of `keys`: its share of those that any row of the tile
/// sees. Empty for a tile without rows.
ASHLAR_HOST_DEVICE Range<int> decode_blocks(const DecodeArguments& arguments,
                                            const DecodePlace& place, int tile_rows, int keys) {
  if (place.first_row >= place.rows) return {};
  const int end = place.first_row + tile_rows;
  const Range<int> queries{place.first_row / arguments.group,
                           divide_up(end < place.rows ? end : place.rows, arguments.group)};
  const auto blocks = column_blocks<int>(mask_of(arguments, place), queries, keys);
  return split_blocks<int>(blocks.visit, static_cast<int>(arguments.layout.splits), place.split);
}

}  // namespace ashlar::flashattention2::kernel
