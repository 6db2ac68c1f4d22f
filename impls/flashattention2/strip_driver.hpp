#pragma once
// What every loop order over strips shares: which keys a row sees, one strip against one block of
// keys, and the way from accumulators to the output. Internal; see strip_kernels.hpp.
#include <optional>
#include <string>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/packing.hpp"
#include "impls/flashattention2/strip_kernels.hpp"

namespace ashlar::flashattention2 {

/// Column blocks: keys per block must be a multiple of this.
inline constexpr Index kKeyBlockUnit = 64;

/// The block that suits the shape where `asked` is 0; else `asked`. Throws std::invalid_argument
/// when it is no multiple of kKeyBlockUnit up to kMaxKeyBlock.
Index choose_key_block(Index asked, const StripKernels& kernels, Index head_dim);

/// Why strips cannot serve the problem (a storage type other than f32, bf16, f16); nothing if they
/// can.
std::optional<std::string> strips_unsupported(const AttentionParams& params);

/// A problem bound to kernels and packed operands. All three must outlive it.
class StripDriver {
 public:
  StripDriver(const AttentionParams& params, const StripKernels& kernels,
              const PackedKeysValues& packed);

  /// The query rows [first_row, first_row + kStripRows) of one head; rows past the end are padding.
  struct Strip {
    Index batch;
    Index head;
    Index first_row;
  };

  /// Row r sees keys [0, visible_end(r)); rows past the end count as the last row.
  Index visible_end(Index row) const;
  void load_queries(const Strip& strip, std::uint32_t* queries) const;

  struct Weights {
    Index keys;    // keys whose weights are in scratch; 0: the strip sees none of the block
    bool rescale;  // whether scratch.rescale differs from 1 in any row
  };
  /// Scores and softmax of one strip against keys [begin, end); begin is a multiple of the panel
  /// and end - begin at most kMaxKeyBlock. Work stops at the last key that the strip sees.
  Weights weigh(const Strip& strip, Index begin, Index end, const std::uint32_t* queries,
                StripScratch& scratch, StripStatistics& statistics) const;
  /// acc = rescale * acc + weights * values; acc is [kStripRows][row_values()].
  void accumulate(const Strip& strip, Index begin, const Weights& weights,
                  const StripScratch& scratch, float* acc) const;

  /// out[row] = factor * acc in the storage type.
  void store_row(const Strip& strip, Index row, float factor, const float* acc) const;
  /// Divides by the row sums and writes out and lse for the strip's rows.
  void finish(const Strip& strip, const float* acc, const StripStatistics& statistics) const;
  void store_lse(const Strip& strip, const StripStatistics& statistics) const;

  const PackedShape& shape() const { return packed_.shape(); }

 private:
  Index head_kv(const Strip& strip) const { return strip.head / group_; }
  Index rows(const Strip& strip) const;

  const AttentionParams& params_;
  const StripKernels& kernels_;
  const PackedKeysValues& packed_;
  Index group_;  // query heads per kv head
  float scale_log2e_;
};

/// Statistics of a row that has seen nothing.
StripStatistics empty_statistics();

}  // namespace ashlar::flashattention2
