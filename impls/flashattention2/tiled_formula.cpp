#include <algorithm>

#include "impls/flashattention2/tiled.hpp"

namespace ashlar::flashattention2 {
namespace {

/// One row block: how many keys it visits, in how many blocks.
struct Visit {
  Index blocks = 0;
  Index keys = 0;
};

Visit visit_of(const AttentionParams& params, const TiledOptions& options, const Sequence& sequence,
               Index first_row, Index end_row) {
  const Index keys = sequence.seqlen_k;
  const Index block = options.key_block;
  Index begin = 0;
  Index end = keys;
  if (options.skip_masked_blocks) {
    const Index offset = keys - sequence.seqlen_q;
    const Index right = params.causal ? 0 : params.window.right;
    if (right >= 0) end = std::clamp<Index>(end_row + offset + right, 0, keys);
    if (params.window.left >= 0) {
      begin = std::max<Index>(0, first_row + offset - params.window.left);
    }
    if (begin >= end) return {};
  }
  const Index first = begin / block;
  const Index last = divide_up(end, block);
  return {last - first, std::min(last * block, keys) - first * block};
}

/// Rows that visit `keys` keys in `blocks` blocks.
TiledCounts of_rows(Index rows, const Visit& visit, Index width, const TiledOptions& options) {
  const bool delayed = options.rescale == Rescale::delayed;
  const bool exchanging = options.split == Split::keys;
  const Index warps = exchanging ? options.warps : 1;
  const Index scores = rows * visit.keys;
  const Index row_visits = rows * visit.blocks;
  TiledCounts counts;
  counts.visited_blocks = visit.blocks;
  counts.matmul_flops = 4 * scores * width;
  counts.max_ops = counts.scale_ops = counts.exp_ops = counts.sum_ops = scores;
  counts.output_ops = row_visits * (delayed ? 1 : 4) * width;
  counts.final_ops = delayed ? rows * width : 0;
  counts.scalar_ops = row_visits * (delayed ? 4 : 7) + rows * (delayed ? 3 : 2);
  counts.saved_statistics = rows * (delayed ? 1 : 2);
  counts.combine_ops = row_visits * (warps - 1) * (2 + width);
  if (exchanging) {
    if (delayed) counts.combine_ops += row_visits * width;
    counts.written_bytes = counts.read_bytes = row_visits * warps * (2 + width) * 4;
  }
  if (options.order == LoopOrder::columns_outside) {
    counts.state_bytes = row_visits * 2 * (width + 2) * 4;
  }
  return counts;
}

}  // namespace

TiledCounts tiled_formula(const AttentionParams& params, const TiledOptions& options) {
  TiledCounts all;
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    for (Index first = 0; first < sequence.seqlen_q; first += options.row_block) {
      const Index end = std::min(first + options.row_block, sequence.seqlen_q);
      TiledCounts one = of_rows(end - first, visit_of(params, options, sequence, first, end),
                                params.head_dim(), options);
      one.work_items = options.order == LoopOrder::rows_outside || first == 0 ? 1 : 0;
      for (Index head = 0; head < params.heads_q(); ++head) all += one;
    }
  }
  return all;
}

}  // namespace ashlar::flashattention2
