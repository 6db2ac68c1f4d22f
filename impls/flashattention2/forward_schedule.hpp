#pragma once
// How the optimized forward pass divides its work: blocks, threads, and the order of row blocks.
// Internal.
#include <vector>

#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/strip_driver.hpp"

namespace ashlar::flashattention2 {

/// Options with the defaults filled in.
struct Tiling {
  Tiling(const AttentionParams& params, const StripKernels& kernels, const ForwardOptions& options);
  Index row_block() const { return strips * kStripRows; }

  int threads;
  Index key_block;
  Index strips = 0;  // per row block
  Ablation ablation;
};

/// The work items of a problem: row blocks, or whole heads where the grid is FlashAttention-1's.
/// Sequences come with the most work first, so that short items at the end even out the threads.
class RowSchedule {
 public:
  RowSchedule(const AttentionParams& params, const Tiling& tiling);

  struct Item {
    Sequence sequence;
    Index head;
    Range<Index> row_blocks;  // to be done from the last to the first
  };
  Index items() const { return first_item_.back(); }
  Item item(const AttentionParams& params, Index index) const;
  std::size_t bytes() const { return (order_.size() + first_item_.size()) * sizeof(Index); }
  static std::size_t predict_bytes(const AttentionParams& params) {
    return static_cast<std::size_t>(2 * params.sequences() + 1) * sizeof(Index);
  }

 private:
  Index row_block_;
  bool parallel_over_rows_;
  std::vector<Index> order_;       // ids of sequences
  std::vector<Index> first_item_;  // of each of `order_`; and the end
};

/// The key blocks that rows [rows.begin, rows.end) have to visit.
Range<Index> visited_key_blocks(const AttentionParams& params, const Sequence& sequence,
                                Range<Index> rows, const Tiling& tiling);

/// What optimized_forward() does on the problem, by formula.
ForwardCounts count_schedule(const AttentionParams& params, const PackedShape& shape,
                             const Tiling& tiling);

/// Adds one strip's products with what it sees.
void count_products(const View& view, const PackedShape& shape, ForwardCounts& counts);

}  // namespace ashlar::flashattention2
