#include "impls/flashattention2/decode_plan.hpp"

#include <algorithm>
#include <cstdlib>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/split.hpp"

namespace ashlar::flashattention2 {
namespace {

/// What rows [rows.begin, rows.end) of a sequence see, all together.
Range<Index> seen_by(const Mask<Index>& mask, const Range<Index>& rows) {
  if (rows.empty()) return {};
  const Range<Index> seen{mask.columns(rows.begin).begin, mask.columns(rows.end - 1).end};
  return seen.end > seen.begin ? seen : Range<Index>{};
}

Range<Index> seen_by_all(const AttentionParams& params, const Sequence& sequence) {
  return seen_by(params.mask(sequence), {0, sequence.seqlen_q});
}

Index chunks_of(const AttentionParams& params, const Sequence& sequence) {
  return divide_up(params.group() * sequence.seqlen_q, kDecodeRows);
}

/// Heads that one item takes. All that fit while queries and accumulators leave most of an L2 to
/// keys and values; a single one if its rows lie closer together than the heads do.
Index heads_of_item(const AttentionParams& params, const DecodeLayout& layout) {
  constexpr Index kStateBytes = 128 * 1024;
  if (std::abs(params.k.strides[2]) > std::abs(params.k.strides[1])) return 1;
  const Index rows = std::min(kDecodeRows, params.group() * params.seqlen_q());
  const Index head_bytes = 2 * rows * layout.width() * static_cast<Index>(sizeof(float));
  return std::clamp<Index>(kStateBytes / std::max<Index>(head_bytes, 1), 1, params.heads_kv());
}

}  // namespace

DecodePlan::DecodePlan(const AttentionParams& params, const DecodeLayout& layout, Index splits)
    : splits_(splits),
      heads_(heads_of_item(params, layout)),
      first_item_(static_cast<std::size_t>(params.sequences()) + 1) {}

Index DecodePlan::splits_of(const AttentionParams& params, const Sequence& sequence) const {
  const Index length = seen_by_all(params, sequence).size();
  return length == 0 ? 0 : divide_up(length * splits_, longest_);
}

void DecodePlan::update(const AttentionParams& params) {
  longest_ = 0;
  for (Index id = 0; id < params.sequences(); ++id) {
    longest_ = std::max(longest_, seen_by_all(params, params.sequence(id)).size());
  }
  for (Index id = 0; id < params.sequences(); ++id) {
    const auto at = static_cast<std::size_t>(id);
    const Sequence sequence = params.sequence(id);
    first_item_[at + 1] = first_item_[at] + splits_of(params, sequence) *
                                                chunks_of(params, sequence) *
                                                divide_up(params.heads_kv(), heads_);
  }
}

DecodeItem DecodePlan::item(const AttentionParams& params, Index number) const {
  const auto after = std::upper_bound(first_item_.begin(), first_item_.end(), number);
  const Index id = after - first_item_.begin() - 1;
  DecodeItem item;
  item.sequence = params.sequence(id);
  Index rest = number - first_item_[static_cast<std::size_t>(id)];
  const Index head_items = divide_up(params.heads_kv(), heads_);
  const Index first_head = rest % head_items * heads_;
  item.heads = {first_head, std::min(first_head + heads_, params.heads_kv())};
  rest /= head_items;
  const Index group = params.group();
  const Index chunks = chunks_of(params, item.sequence);
  const Index first_row = rest % chunks * kDecodeRows;
  item.rows = {first_row, std::min(first_row + kDecodeRows, group * item.sequence.seqlen_q)};
  item.split = rest / chunks;
  const Range<Index> seen = seen_by(params.mask(item.sequence),
                                    {item.rows.begin / group, divide_up(item.rows.end, group)});
  const Range<Index> part =
      split_keys<Index>(seen.size(), splits_of(params, item.sequence), item.split);
  item.keys = {seen.begin + part.begin, seen.begin + part.end};
  return item;
}

/// The smallest number of splits that keeps the threads busy (cuda_split.hpp), of 256 keys or more.
Index choose_decode_splits(const AttentionParams& params, const DecodeLayout& layout, int threads) {
  constexpr Index kFewestKeys = 256;
  Index longest = 0;
  Index blocks = 0;
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    longest = std::max(longest, seen_by_all(params, sequence).size());
    blocks +=
        chunks_of(params, sequence) * divide_up(params.heads_kv(), heads_of_item(params, layout));
  }
  return even_splits<Index>(std::max<Index>(blocks, 1), threads, longest / kFewestKeys,
                            kMostSplits);
}

/// No more threads than there is work for: waking a sleeping one takes some 30 us, in which another
/// reads half a megabyte.
int choose_decode_threads(const AttentionParams& params) {
  constexpr Index kBytesPerThread = 512 * 1024;
  Index keys = 0;
  for (Index id = 0; id < params.sequences(); ++id) {
    keys += seen_by_all(params, params.sequence(id)).size();
  }
  const Index bytes = 2 * keys * params.heads_kv() * params.head_dim() *
                      static_cast<Index>(core::size_of(params.q.dtype));
  return static_cast<int>(std::clamp<Index>(bytes / kBytesPerThread, 1, core::thread_count()));
}

}  // namespace ashlar::flashattention2
