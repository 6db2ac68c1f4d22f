#pragma once
// How split-KV decoding is cut into items of work. Internal to decode.cpp.
#include <vector>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/decode_kernels.hpp"

namespace ashlar::flashattention2 {

/// Rows of one kv head that walk along the keys together: 16 query rows of a group of 8.
inline constexpr Index kDecodeRows = 128;

/// One item: what a thread takes at a time.
struct DecodeItem {
  Sequence sequence;
  Index split = 0;
  Range<Index> heads;  // kv heads
  Range<Index> rows;   // of each kv head: query row * group + head of the group
  Range<Index> keys;
};

/// A problem as items: (sequence, split, rows, kv heads).
class DecodePlan {
 public:
  /// `splits` of the longest sequence; update() must follow.
  DecodePlan(const AttentionParams& params, const DecodeLayout& layout, Index splits);

  /// Counts the items of the sequences as they are now.
  void update(const AttentionParams& params);

  Index items() const { return first_item_.back(); }
  DecodeItem item(const AttentionParams& params, Index number) const;
  std::size_t sequences() const { return first_item_.size() - 1; }
  Index splits() const { return splits_; }
  /// kv heads of one item.
  Index heads() const { return heads_; }
  /// Splits of a sequence; 0 if none of its rows sees a key.
  Index splits_of(const AttentionParams& params, const Sequence& sequence) const;

 private:
  Index splits_;
  Index heads_;
  Index longest_ = 0;  // keys that the rows of a sequence see
  std::vector<Index> first_item_;
};

/// The smallest number of splits that keeps the threads busy (split.hpp), of 256 keys or more.
Index choose_decode_splits(const AttentionParams& params, const DecodeLayout& layout, int threads);

/// No more threads than there is work for.
int choose_decode_threads(const AttentionParams& params);

}  // namespace ashlar::flashattention2
