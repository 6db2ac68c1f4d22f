#pragma once
// Index maps, masks and ranges of the tensor-core forward pass: all that is not an intrinsic and
// not a loop over tiles. Compiled for the GPU and tested on a CPU.
//
// One thread block computes kRows rows of one head; a warp owns 32 of them (two m16 tiles of
// mma.m16n8k16; 16 at head size 256; others in tiles of choice), so warps never exchange data (Dao,
// arXiv 2307.08691, section 3.3).
#include <cmath>
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/cuda_features.hpp"
#include "impls/flashattention2/cuda_tiles.hpp"
#include "impls/flashattention2/mask.hpp"

namespace ashlar::flashattention2::kernel {

inline constexpr int kWarpSize = 32;
inline constexpr int kChunkBytes = 16;      // what one thread copies at a time
inline constexpr int kChunkElements = 8;    // of 16 bits
inline constexpr int kPanelChunks = 8;      // shared tiles are cut into panels 64 elements wide
inline constexpr int kPanelRowBytes = 128;  // so that a panel row covers all 32 banks once

// The accumulators of O and S together fill 192 registers of a thread in the tiles of head sizes 64
// and 128; where there is dropout, fewer.
template <int HeadDim, PassKind Kind,
          Tile Shape = forward_tile(HeadDim, Kind == PassKind::general, kSm80)>
struct ForwardConfig {
  static_assert(HeadDim == 64 || HeadDim == 96 || HeadDim == 128 || HeadDim == 256);
  static constexpr int kHeadDim = HeadDim;
  static constexpr PassKind kKind = Kind;
  static constexpr bool kCausal = Kind == PassKind::causal;
  static constexpr bool kGeneral = Kind == PassKind::general;
  static constexpr Tile kTile = Shape;
  static constexpr int kThreads = kTile.threads();
  static constexpr int kRows = kTile.rows;
  static constexpr int kRowsPerWarp = kRows / kTile.warps;
  static constexpr int kRowTiles = kRowsPerWarp / 16;
  static constexpr int kColumns = kTile.columns;
  static constexpr int kBlocksPerMultiprocessor = kTile.warps == 4 ? 2 : 1;
  static constexpr int kRowBytes = padded_head_dim(HeadDim) * 2;  // panels are whole
  static constexpr int kQueryOffset = 0;
  static constexpr int kKeyOffset = kRows * kRowBytes;
  static constexpr int kValueOffset = kKeyOffset + kColumns * kRowBytes;
  static constexpr int kSumsOffset = kValueOffset + kColumns * kRowBytes;
  static constexpr bool kSumsInShared = HeadDim == 128 && !kGeneral && kRowTiles == 2;
  static constexpr bool kMaximaInShared = false;
  static constexpr int kMaximaOffset = 0;
  static constexpr int kSharedBytes = kSumsOffset + (kSumsInShared ? kThreads * 4 * 4 : 0);
};

struct Strides {  // in elements; the head dimension is contiguous
  std::int64_t batch = 0;
  std::int64_t row = 0;
  std::int64_t head = 0;
};

/// What a launch takes. Elements are bit patterns of 16 bits; the arithmetic knows their type.
struct ForwardArguments {
  const std::uint16_t* q = nullptr;
  const std::uint16_t* k = nullptr;
  const std::uint16_t* v = nullptr;
  std::uint16_t* out = nullptr;
  float* lse = nullptr;
  Strides q_strides, k_strides, v_strides, out_strides, lse_strides;
  int group = 0;  // query heads per K/V head
  int heads_kv = 0;
  int seqlen_q = 0;  // of every sequence, unless packed
  int seqlen_k = 0;
  int row_blocks = 0;    // of the sequence with the most rows
  float scale_log2 = 0;  // scale * log2(e)

  FeatureArguments features;
};

ASHLAR_HOST_DEVICE constexpr int ceil_div(int value, int step) { return (value + step - 1) / step; }

/// Thread blocks lie in a grid of (row blocks times query heads per K/V head, K/V heads,
/// sequences), so that what a block reads of K and V follows without a division.
struct GridIndex {
  unsigned x = 0;
  unsigned y = 0;
  unsigned z = 0;
};

struct BlockPlace {
  SequencePlace sequence;
  int head = 0;
  int head_kv = 0;
  int row_begin = 0;
};

/// The same taken apart: `turn` of the row blocks of query head `member` of the group. What a
/// thread block without parallelism over the sequence counts itself.
struct TurnIndex {
  unsigned turn = 0;
  unsigned member = 0;
  unsigned y = 0;
  unsigned z = 0;
};

/// Thread block -> what it computes. Row blocks of one head are neighbours, so that its K and V
/// stay in L2; under a causal mask the longest come first, so that the last wave is made of short
/// ones.
template <class Config>
ASHLAR_HOST_DEVICE BlockPlace block_place(const ForwardArguments& arguments,
                                          const TurnIndex& block) {
  const auto row_blocks = static_cast<unsigned>(arguments.row_blocks);
  BlockPlace place;
  place.sequence = sequence_place<Config::kKind>(arguments.features, static_cast<int>(block.z),
                                                 arguments.seqlen_q, arguments.seqlen_k);
  place.head_kv = static_cast<int>(block.y);
  place.head = place.head_kv * arguments.group + static_cast<int>(block.member);
  place.row_begin =
      static_cast<int>(Config::kKind == PassKind::full ? block.turn : row_blocks - 1 - block.turn) *
      Config::kRows;
  return place;
}
template <class Config>
ASHLAR_HOST_DEVICE BlockPlace block_place(const ForwardArguments& arguments,
                                          const GridIndex& block) {
  const auto row_blocks = static_cast<unsigned>(arguments.row_blocks);
  return block_place<Config>(
      arguments, TurnIndex{block.x % row_blocks, block.x / row_blocks, block.y, block.z});
}

/// Columns that a row sees are [0, visible_columns); the mask is aligned to the bottom right.
template <bool Causal>
ASHLAR_HOST_DEVICE constexpr int visible_columns(int row, int seqlen_q, int seqlen_k) {
  if constexpr (!Causal) return seqlen_k;
  // Lengths reach 2^30, so a sum of two leaves int, though the result does not: modulo 2^32. (The
  // difference of the lengths first would be one more value to keep, and spilled at head size 128.)
  const auto limit =
      static_cast<int>(static_cast<unsigned>(row) + 1U + static_cast<unsigned>(seqlen_k) -
                       static_cast<unsigned>(seqlen_q));
  return limit < 0 ? 0 : (limit < seqlen_k ? limit : seqlen_k);
}

/// Column blocks of one row block: [begin, end) has something visible, [whole_begin, whole_end) is
/// visible as a whole to every row, so only what is outside of it needs mask code.
struct ColumnBlocks {
  int begin = 0;
  int end = 0;
  int whole_begin = 0;
  int whole_end = 0;
};

/// Without windows.
template <class Config>
ASHLAR_HOST_DEVICE ColumnBlocks block_range(int row_begin, int seqlen_q, int seqlen_k) {
  const int row_end = row_begin + Config::kRows;
  const int last_row = (row_end < seqlen_q ? row_end : seqlen_q) - 1;
  ColumnBlocks range;
  range.end =
      ceil_div(visible_columns<Config::kCausal>(last_row, seqlen_q, seqlen_k), Config::kColumns);
  range.whole_end =
      visible_columns<Config::kCausal>(row_begin, seqlen_q, seqlen_k) / Config::kColumns;
  return range;
}

template <class Config>
ASHLAR_HOST_DEVICE ColumnBlocks columns_of(const ForwardArguments& arguments,
                                           const BlockPlace& place) {
  if constexpr (Config::kGeneral) {
    const auto blocks = flashattention2::column_blocks<int>(
        mask_of<Config::kKind>(arguments.features, place.sequence),
        {place.row_begin, place.row_begin + Config::kRows}, Config::kColumns);
    return {blocks.visit.begin, blocks.visit.end, blocks.whole.begin, blocks.whole.end};
  }
  return block_range<Config>(place.row_begin, arguments.seqlen_q, arguments.seqlen_k);
}

/// Byte offset of 16-byte chunk `chunk` of row `row` in a shared tile of `Rows` rows. Panels of 64
/// elements lie one after the other; inside one the chunk number is XORed with the row, so that
/// eight rows of one chunk column, which is what ldmatrix reads at a time, lie in eight different
/// groups of four banks.
template <int Rows>
ASHLAR_HOST_DEVICE constexpr int swizzled_offset(int row, int chunk) {
  return (chunk / kPanelChunks) * (Rows * kPanelRowBytes) + row * kPanelRowBytes +
         (((chunk % kPanelChunks) ^ (row % 8)) * kChunkBytes);
}

/// The row address that a lane hands to ldmatrix.x4, for tile (0, 0): computed once per thread.
struct LaneRow {
  int row = 0;
  int chunk = 0;
};

/// 16x16 tiles read as A fragments, and (transposed) 16x16 tiles of V read as two B fragments.
ASHLAR_HOST_DEVICE LaneRow lane_row_major(int lane) { return {lane % 16, lane / 16}; }

/// 16x16 tiles of K, stored one column of S per row, read as two B fragments.
ASHLAR_HOST_DEVICE LaneRow lane_row_minor(int lane) {
  return {lane % 8 + 8 * (lane / 16), (lane / 8) % 2};
}

/// Byte offset for ldmatrix of the 16x16 tile at row `tile_row` (a multiple of 8) and element
/// column 16 * tile_column, from the offset of the lane's own row in tile (0, 0). Equal to
/// swizzled_offset, but all except one XOR is known at compile time.
template <int Rows>
ASHLAR_HOST_DEVICE constexpr int fragment_offset(int lane_offset, int tile_row, int tile_column) {
  return (lane_offset ^ ((tile_column % 4) * 2 * kChunkBytes)) +
         (tile_column / 4) * (Rows * kPanelRowBytes) + tile_row * kPanelRowBytes;
}

/// Where element i (0..3) of a lane's m16n8 accumulator lies in the tile.
ASHLAR_HOST_DEVICE constexpr int accumulator_row(int lane, int i) { return lane / 4 + 8 * (i / 2); }
ASHLAR_HOST_DEVICE constexpr int accumulator_column(int lane, int i) {
  return 2 * (lane % 4) + i % 2;
}

/// Softmax over blocks: the running maximum m, or 0 while nothing was visible, so that -inf - -inf
/// never happens (section 2.1, with the guard of any implementation that masks).
ASHLAR_HOST_DEVICE float guarded_maximum(float maximum) {
  return maximum == -INFINITY ? 0.0F : maximum;
}

/// The factor that ends a row: 1 / l; rows that saw nothing keep their zeros.
ASHLAR_HOST_DEVICE float final_factor(float sum) { return sum == 0.0F ? 1.0F : 1.0F / sum; }

/// ln sum exp of a row from its scaled maximum, in log2 units, and log2 l; +infinity where nothing
/// was visible.
ASHLAR_HOST_DEVICE float final_lse(float maximum, float sum, float log2_sum) {
  constexpr float kLn2 = 0.693147181F;
  return sum == 0.0F ? INFINITY : (maximum + log2_sum) * kLn2;
}

}  // namespace ashlar::flashattention2::kernel
