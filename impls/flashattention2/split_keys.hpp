#pragma once
// Section 3.3's other way to divide a thread block, as an ablation: warps split the keys of a block
// instead of the query rows ("split-K", FlashAttention-1's way). Internal.
//
// What this models. The keys of a column block are shared out to kKeyWarps warps. Each computes its
// scores with the kernels of split-Q and the largest of each row; these maxima pass through a
// buffer that all warps read; each exponentiates, sums its rows, and multiplies its weights with
// its own values. What it gets is part of every row's output, so that all of it goes through a
// buffer, too: rows x head_dim floats per warp and block, written, read back and summed into the
// accumulators after all warps are done. On a GPU this traffic goes through shared memory; split-Q
// has none of it. The buffer holds a whole row block, as shared memory would, and so lies in L2.
//
// What it does not model. One thread plays all warps in turn, so barriers cost nothing here, nor do
// bank conflicts. Scores wait for the exchange of maxima in the cache, as they would in registers;
// the warps therefore meet per strip, not per row block, which changes the order of work but none
// of the traffic. A warp that sees none of its keys takes no part and exchanges nothing.
#include <array>
#include <cstddef>
#include <vector>

#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/strip_driver.hpp"

namespace ashlar::flashattention2 {

inline constexpr int kKeyWarps = 4;

class KeySplit {
 public:
  /// For row blocks of up to `strips` strips.
  KeySplit(const PackedShape& shape, Index strips);
  static std::size_t bytes(const PackedShape& shape, Index strips);

  /// The keys of `block` that belong to a warp: equal numbers of panels, as far as they go.
  static Range<Index> share(int warp, Range<Index> block, Index key_panel);
  /// Bytes that one warp exchanges for one strip and block: a maximum and a sum per row and the
  /// part of the output, each written and read.
  static Index bytes_exchanged(const PackedShape& shape);

  /// Everything of strip number `index` of the row block against `block` but the sum over warps.
  /// Whether there is anything to be summed.
  bool weigh(const StripDriver& driver, const Strip& strip, Index index, Range<Index> block,
             const std::uint32_t* queries, StripStatistics& statistics, ForwardCounts& counts);
  /// Sums the warps' parts, if any, into the strip's accumulators. Where these are `normalised`,
  /// they are divided by the row sums before and after.
  void reduce(Index index, const StripStatistics& statistics, bool normalised, float* acc) const;

 private:
  /// What a strip leaves between the two.
  struct Pending {
    int parts = 0;              // warps that took part; theirs are the first parts of the strip
    float factor[kStripRows];   // of the old weights
    float old_sum[kStripRows];  // before the block
  };
  float* part(int number, Index index) {
    return parts_.as<float>() + (number * strips_ + index) * part_floats_;
  }
  const float* part(int number, Index index) const {
    return parts_.as<float>() + (number * strips_ + index) * part_floats_;
  }

  Index strips_;
  Index part_floats_;
  core::AlignedBuffer parts_;                           // [warp][strip][kStripRows][row_values()]
  std::array<float, kKeyWarps * kStripRows> maxima_{};  // exchanged; each warp's row maxima
  std::array<float, kKeyWarps * kStripRows> sums_{};    // exchanged; and row sums
  std::vector<Pending> pending_;
  std::vector<StripScratch> scratch_;  // one per warp
};

}  // namespace ashlar::flashattention2
