#include "impls/flashattention2/forward_schedule.hpp"

#include <algorithm>
#include <numeric>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/split_keys.hpp"

namespace ashlar::flashattention2 {
namespace {

/// Eight strips re-read keys and values from L3 rarely enough (48 rows: 24 FLOP per byte in single
/// precision); fewer where some threads would get less than four blocks.
Index default_row_block(const AttentionParams& params, int threads) {
  constexpr Index kLongest = 8 * kStripRows;
  constexpr Index kItemsPerThread = 4;
  const Index rows = params.batch() * params.heads_q() * params.seqlen_q();
  return std::clamp<Index>(rows / (kItemsPerThread * threads), kStripRows, kLongest);
}

/// No more threads than there is work for: waking a sleeping one takes some 30 us, in which another
/// computes 8 MFLOP in single precision or 16 in bfloat16. Below twice that per thread one thread
/// alone was measured faster (256 keys, head_dim 64: 84 against 112 us).
int default_threads(const AttentionParams& params, const StripKernels& kernels) {
  const double work_per_thread = 16e6 * kernels.step;
  const double work =
      4.0 * static_cast<double>(visible_pairs(params)) * static_cast<double>(params.head_dim());
  const double most = core::thread_count();
  return static_cast<int>(std::clamp(work / work_per_thread, 1.0, most));
}

Index longest_sequence(const AttentionParams& params) {
  Index longest = 1;
  for (Index id = 0; id < params.sequences(); ++id) {
    longest = std::max(longest, params.sequence(id).seqlen_q);
  }
  return longest;
}

/// What one strip does against keys [begin, end), of which its rows see `hull`.
void count_strip(Range<Index> hull, Index begin, Index end, const PackedShape& shape,
                 ForwardCounts& counts) {
  const Range<Index> seen{std::max(hull.begin, begin), std::min(hull.end, end)};
  if (seen.begin >= seen.end) return;
  const Index first_panel = (seen.begin - begin) / shape.key_panel;
  const Index panels = divide_up(seen.end - begin, shape.key_panel) - first_panel;
  const Index keys = divide_up(seen.end, shape.step) - seen.begin / shape.step;
  counts.matmul_flops += 2 * kStripRows * shape.step *
                         (panels * shape.key_panel * shape.depth_words + keys * shape.row_values());
}

}  // namespace

Tiling::Tiling(const AttentionParams& params, const StripKernels& kernels,
               const ForwardOptions& options)
    : threads(options.threads > 0 ? options.threads : default_threads(params, kernels)),
      key_block(choose_key_block(options.key_block, kernels, params.head_dim())),
      ablation(options.ablation) {
  const Index rows = options.row_block > 0 ? options.row_block : default_row_block(params, threads);
  strips = divide_up<Index>(std::min(rows, longest_sequence(params)), kStripRows);
}

RowSchedule::RowSchedule(const AttentionParams& params, const Tiling& tiling)
    : row_block_(tiling.row_block()),
      parallel_over_rows_(tiling.ablation.parallel_over_rows),
      order_(static_cast<std::size_t>(params.sequences())),
      first_item_{0} {
  std::iota(order_.begin(), order_.end(), Index{0});
  const auto work = [&](Index id) {
    const Sequence sequence = params.sequence(id);
    return sequence.seqlen_q * sequence.seqlen_k;
  };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](Index a, Index b) { return work(a) > work(b); });
  first_item_.reserve(order_.size() + 1);
  for (const Index id : order_) {
    const Index blocks = divide_up(params.sequence(id).seqlen_q, row_block_);
    const Index per_head = parallel_over_rows_ ? blocks : std::min<Index>(blocks, 1);
    first_item_.push_back(first_item_.back() + params.heads_q() * per_head);
  }
}

RowSchedule::Item RowSchedule::item(const AttentionParams& params, Index index) const {
  // Sequences without rows begin where the next one does, so the last one that begins here has it.
  const auto after = std::upper_bound(first_item_.begin(), first_item_.end(), index);
  const auto at = static_cast<std::size_t>(after - first_item_.begin() - 1);
  const Sequence sequence = params.sequence(order_[at]);
  const Index in_sequence = index - first_item_[at];
  const Index blocks = divide_up(sequence.seqlen_q, row_block_);
  if (!parallel_over_rows_) return {sequence, in_sequence, {0, blocks}};
  // Within a head from the last rows on: under a causal mask these see the most keys.
  const Index block = blocks - 1 - in_sequence % blocks;
  return {sequence, in_sequence / blocks, {block, block + 1}};
}

Range<Index> visited_key_blocks(const AttentionParams& params, const Sequence& sequence,
                                Range<Index> rows, const Tiling& tiling) {
  if (!tiling.ablation.skip_masked_blocks) {
    return {0, divide_up(sequence.seqlen_k, tiling.key_block)};
  }
  return column_blocks(params.mask(sequence), rows, tiling.key_block).visit;
}

void count_products(const View& view, const PackedShape& shape, ForwardCounts& counts) {
  const Index words = divide_up(view.keys.size(), shape.step);
  counts.matmul_flops += 2 * kStripRows * shape.step *
                         (view.computed * shape.depth_words + words * shape.row_values());
}

ForwardCounts count_schedule(const AttentionParams& params, const PackedShape& shape,
                             const Tiling& tiling) {
  ForwardCounts counts;
  const Ablation& ablation = tiling.ablation;
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    const Mask<Index> mask = params.mask(sequence);
    for (Index row = 0; row < sequence.seqlen_q; row += kStripRows) {
      const Index last = std::min(row + kStripRows, sequence.seqlen_q) - 1;
      const Range<Index> hull = ablation.skip_masked_blocks
                                    ? Range<Index>{mask.columns(row).begin, mask.columns(last).end}
                                    : Range<Index>{0, sequence.seqlen_k};
      for (Index begin = 0; begin < sequence.seqlen_k; begin += tiling.key_block) {
        const Index end = std::min(begin + tiling.key_block, sequence.seqlen_k);
        if (std::max(hull.begin, begin) >= std::min(hull.end, end)) continue;
        ++counts.visited_blocks;
        if (ablation.split_queries) {
          count_strip(hull, begin, end, shape, counts);
          continue;
        }
        for (int warp = 0; warp < kKeyWarps; ++warp) {
          const Range<Index> share = KeySplit::share(warp, {begin, end}, shape.key_panel);
          const bool sees = std::max(hull.begin, share.begin) < std::min(hull.end, share.end);
          if (!sees) continue;
          count_strip(hull, share.begin, share.end, shape, counts);
          counts.exchanged_bytes += KeySplit::bytes_exchanged(shape);
        }
      }
    }
    counts.output_scalings += ablation.late_normalisation ? sequence.seqlen_q : 0;
  }
  counts.output_scalings +=
      counts.visited_blocks * kStripRows * (ablation.late_normalisation ? 1 : 2);
  counts.matmul_flops *= params.heads_q();
  counts.visited_blocks *= params.heads_q();
  counts.output_scalings *= params.heads_q();
  counts.exchanged_bytes *= params.heads_q();
  return counts;
}

}  // namespace ashlar::flashattention2
