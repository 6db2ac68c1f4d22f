#pragma once
// Shapes, places and index maps of the tensor-core backward pass: all that is not an intrinsic and
// not a loop over tiles. Compiled for the GPU and tested on a CPU.
//
// One thread block of 8 warps takes a column block of one K/V head and walks along the row blocks
// that see it (Dao, arXiv 2307.08691, Algorithm 2 and section 3.2), for every query head of the
// group in turn, so that dK and dV are summed over the group where they accumulate. Warps share the
// five products as follows (head size 64 / 96 / 128):
//   S, dP    rows x columns       a warp has 32 rows and 64 / 32 / 32 columns
//   dV, dK   columns x head size  32 columns and half of the head size
//   dQ       rows x head size     32 / 16 / 32 rows and 32 / 48 / 32 elements
// 192 registers of a thread are accumulators, 160 at head size 96, whose tiles take the shared
// memory of 128.
//
// What a pass keeps beside its tensors is padded to whole row blocks, so that the kernel reads and
// adds without looking at bounds: of every row lse in log2 units (+infinity where there is no row)
// and D, and sums of dQ in single precision. The latter lie in the order of the accumulators, so
// that the 32 additions of a warp's instruction touch 128 bytes in a row; query_gradient_place()
// undoes that.
#include <cmath>
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/cuda_features.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"
#include "impls/flashattention2/cuda_tiles.hpp"

namespace ashlar::flashattention2::kernel {

template <int HeadDim, PassKind Kind>
struct BackwardConfig {
  static_assert(HeadDim == 64 || HeadDim == 96 || HeadDim == 128);
  static constexpr int kHeadDim = HeadDim;
  static constexpr PassKind kKind = Kind;
  static constexpr bool kGeneral = Kind == PassKind::general;
  static constexpr Tile kTile = backward_tile(HeadDim, kSm80);
  static constexpr int kRows = kTile.rows;
  static constexpr int kColumns = kTile.columns;
  static constexpr int kThreads = kTile.threads();

  // S and dP: warp w has rows w % kRowWarps, and columns w / kRowWarps.
  static constexpr int kWarpRows = 32;
  static constexpr int kRowWarps = kRows / kWarpRows;
  static constexpr int kColumnWarps = kTile.warps / kRowWarps;
  static constexpr int kWarpColumns = kColumns / kColumnWarps;
  // dQ: rows w % kQueryWarps, elements w / kQueryWarps. A share of 24 elements would not be whole
  // tiles, so at head size 96 twice as many warps share the rows.
  static constexpr int kWarpQueries = HeadDim == 96 ? 16 : 32;
  static constexpr int kQueryWarps = kRows / kWarpQueries;
  static constexpr int kQueryWidth = HeadDim / (kTile.warps / kQueryWarps);
  // dK and dV: columns w % kKeyWarps, elements w / kKeyWarps.
  static constexpr int kWarpKeys = 32;
  static constexpr int kKeyWarps = kColumns / kWarpKeys;
  static constexpr int kKeyWidth = HeadDim / (kTile.warps / kKeyWarps);

  static constexpr int kPaddedDim = padded_head_dim(HeadDim);
  static constexpr int kColumnBytes = kColumns * kPaddedDim * 2;  // a tile of K or V
  static constexpr int kRowBytes = kRows * kPaddedDim * 2;        // a tile of Q or dO
  static constexpr int kKeyOffset = 0;
  static constexpr int kValueOffset = kKeyOffset + kColumnBytes;
  static constexpr int kQueryOffset = kValueOffset + kColumnBytes;  // two of them
  static constexpr int kGradientOffset = kQueryOffset + 2 * kRowBytes;
  static constexpr int kWeightOffset = kGradientOffset + kRowBytes;
  static constexpr int kScoreGradientOffset = kWeightOffset + kRows * kColumns * 2;
  static constexpr int kSharedBytes = kScoreGradientOffset + kRows * kColumns * 2;
  static_assert(kSharedBytes == backward_shared(kTile, HeadDim));
};

/// What a launch takes. Elements are bit patterns of 16 bits; the arithmetic knows their type.
struct BackwardArguments {
  const std::uint16_t* q = nullptr;
  const std::uint16_t* k = nullptr;
  const std::uint16_t* v = nullptr;
  const std::uint16_t* out = nullptr;
  const std::uint16_t* dout = nullptr;
  const float* lse = nullptr;
  std::uint16_t* dq = nullptr;
  std::uint16_t* dk = nullptr;
  std::uint16_t* dv = nullptr;
  Strides q_strides, k_strides, v_strides, out_strides, dout_strides, lse_strides;
  Strides dq_strides, dk_strides, dv_strides;

  // Beside the tensors: [heads_q][padded rows] each, and [copies][heads_q][padded rows][head size].
  float* lse_log2 = nullptr;
  float* delta = nullptr;
  float* dq_sums = nullptr;

  int heads_q = 0;
  int group = 0;     // query heads per K/V head
  int seqlen_q = 0;  // of every sequence, unless packed
  int seqlen_k = 0;
  int row_blocks = 0;     // of all sequences together, with their padding
  int column_stride = 0;  // a block takes column blocks x, x + column_stride, ...
  int copies = 1;         // of dq_sums; with more than one, block x adds to copy x
  float scale = 0;
  float scale_log2 = 0;  // scale * log2(e)

  FeatureArguments features;
};

/// Row blocks before packed sequence `id`, which begins at row `first_q` of its tensor: each has at
/// most one that is not full.
ASHLAR_HOST_DEVICE constexpr int packed_row_block(int first_q, int id, int rows) {
  return first_q / rows + id;
}

/// Row blocks of one head over all sequences, `total_q` rows in all where they are packed.
ASHLAR_HOST_DEVICE constexpr int padded_row_blocks(bool packed, int total_q, int sequences,
                                                   int rows) {
  return packed ? packed_row_block(total_q, sequences, rows) : sequences * ceil_div(total_q, rows);
}

template <class Config>
ASHLAR_HOST_DEVICE SequencePlace sequence_place(const BackwardArguments& arguments, int id) {
  return sequence_place<Config::kKind>(arguments.features, id, arguments.seqlen_q,
                                       arguments.seqlen_k);
}

template <class Config>
ASHLAR_HOST_DEVICE int first_row_block(const BackwardArguments& arguments,
                                       const SequencePlace& sequence) {
  if (Config::kGeneral && arguments.features.packed()) {
    return packed_row_block(sequence.first_q, sequence.id, Config::kRows);
  }
  return sequence.id * ceil_div(arguments.seqlen_q, Config::kRows);
}

/// The place of a row block of a query head in what is padded, in rows.
template <class Config>
ASHLAR_HOST_DEVICE std::int64_t padded_row(const BackwardArguments& arguments,
                                           const SequencePlace& sequence, int head, int block) {
  return (std::int64_t{head} * arguments.row_blocks + first_row_block<Config>(arguments, sequence) +
          block) *
         Config::kRows;
}

/// Floats of one copy of dq_sums.
template <class Config>
ASHLAR_HOST_DEVICE std::int64_t copy_floats(const BackwardArguments& arguments) {
  return std::int64_t{arguments.heads_q} * arguments.row_blocks * Config::kRows * Config::kHeadDim;
}

/// Where an accumulator of dQ lies among the floats of its row block: tiles m and n, element i, and
/// the thread.
template <class Config>
ASHLAR_HOST_DEVICE constexpr int query_gradient_offset(int m, int n, int i) {
  return ((m * (Config::kQueryWidth / 8) + n) * 4 + i) * Config::kThreads;
}

/// The same by row of the block and element of the head.
template <class Config>
ASHLAR_HOST_DEVICE constexpr int query_gradient_place(int row, int element) {
  const int warp =
      row / Config::kWarpQueries + Config::kQueryWarps * (element / Config::kQueryWidth);
  const int lane = row % 8 * 4 + element % 8 / 2;
  return query_gradient_offset<Config>(row % Config::kWarpQueries / 16,
                                       element % Config::kQueryWidth / 8,
                                       row % 16 / 8 * 2 + element % 2) +
         warp * kWarpSize + lane;
}

}  // namespace ashlar::flashattention2::kernel
