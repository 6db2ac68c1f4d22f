#pragma once
// Packs queries, keys and values into the word panels that strip_kernels.hpp describes. Internal.
//
// Keys and values are packed once per (sequence, kv head) and then read by every row block and by
// every query head of the group. Beside making vector loads contiguous this protects the L1 cache:
// in (batch, seqlen, heads, head_dim) order neighbouring rows are heads * head_dim elements apart,
// usually a power of two, and would fall into a few cache sets.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/strip_kernels.hpp"

namespace ashlar::flashattention2 {

/// Sizes of packed operands in 32-bit words: what does not hang on the length of a sequence.
struct PackedShape {
  PackedShape(const StripKernels& kernels, Index head_dim);

  Index step;          // elements per word
  Index key_panel;     // keys per key panel
  Index lanes;         // values per vector
  Index head_dim;      // elements
  Index depth_words;   // words of one query or key
  Index value_panels;  // panels that share `vectors` as evenly as possible
  Index vectors;       // vectors of one row of values

  Index query_strip_words() const { return depth_words * kStripRows; }
  Index key_words(Index padded_keys) const { return padded_keys * depth_words; }
  Index value_words(Index padded_keys) const { return padded_keys / step * row_values(); }
  /// Values of one row including padding: the row stride of accumulators, in floats.
  Index row_values() const { return vectors * lanes; }
  /// First vector of a value panel; value_panels gives the end of the last one.
  Index panel_begin(Index panel) const { return panel * vectors / value_panels; }
};

/// Packs kStripRows query rows of a sequence's head from `first_row` on; rows past the end of the
/// sequence become zero.
void pack_query_strip(const core::ConstAnyView<4>& q, const Sequence& sequence, Index head,
                      Index first_row, const PackedShape& shape, std::uint32_t* out);

/// Asks for rows of a head before they are read or written one after the other.
void prefetch_query_rows(const core::ConstAnyView<4>& tensor, const Sequence& sequence, Index head,
                         Index first_row, Index count);

/// The packed keys and values of a whole problem; memory is taken once, pack_item() allocates
/// nothing.
class PackedKeysValues {
 public:
  PackedKeysValues(const StripKernels& kernels, const AttentionParams& params);
  static std::size_t predict_bytes(const StripKernels& kernels, const AttentionParams& params);

  /// Packing is a loop over items, which may run at the same time: pack_item() for each of
  /// [0, pack_items()), of params.k and params.v, whose shapes and sequences must be those of
  /// construction.
  Index pack_items() const;
  void pack_item(const AttentionParams& params, Index item);

  const PackedShape& shape() const { return shape_; }
  std::size_t bytes() const;
  /// Panels of keys from key `first` (a multiple of key_panel) on.
  const std::uint32_t* keys(const Sequence& sequence, Index head_kv, Index first) const;
  /// One panel of values from key `first` (a multiple of step) on.
  const std::uint32_t* values(const Sequence& sequence, Index head_kv, Index panel,
                              Index first) const;

 private:
  /// Keys of a sequence rounded up to whole chunks of packing.
  Index padded_keys(Index sequence) const;
  /// Packed keys, over heads, before those of (sequence, head_kv).
  Index keys_before(Index sequence, Index head_kv) const;

  PackedShape shape_;
  Index heads_kv_;
  std::vector<Index> first_chunk_;  // of every sequence, counted over sequences; and the end
  core::AlignedBuffer keys_;
  core::AlignedBuffer values_;
};

}  // namespace ashlar::flashattention2
