#pragma once
// What every loop order over strips shares: which keys a strip sees, one strip against one block of
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

/// Why a loop order over strips that has `features` cannot serve the problem (a feature that it
/// lacks, or a storage type other than f32, bf16, f16); nothing if it can.
std::optional<std::string> strips_unsupported(const AttentionParams& params,
                                              const Features& features);

/// The query rows [first_row, first_row + kStripRows) of one head; rows past the end of the
/// sequence are padding.
struct Strip {
  Sequence sequence;
  Index head;
  Index first_row;
};

/// What a strip sees of a block of keys. All but `begin` count from `begin`.
struct View {
  Index begin = 0;                     // the first key that is scored, at the edge of a panel
  Index computed = 0;                  // keys that are scored: whole panels
  Range<Index> keys;                   // keys that some row sees: work ends with them
  Range<Index> visible[kStripRows]{};  // keys that each row sees; rows past the end as the last
  bool empty() const { return keys.empty(); }
};

/// A problem bound to kernels and packed operands. All three must outlive it.
class StripDriver {
 public:
  /// Without `skip_masked` every block is seen whole: scored, and then masked.
  StripDriver(const AttentionParams& params, const StripKernels& kernels,
              const PackedKeysValues& packed, bool skip_masked = true);

  void load_queries(const Strip& strip, std::uint32_t* queries) const;

  /// Of keys [begin, end); begin is a multiple of the panel and end - begin at most kMaxKeyBlock.
  View view(const Strip& strip, Index begin, Index end) const;

  /// The steps of a strip against what it sees. Scores are scaled and capped only on their way into
  /// row_max() and softmax().
  void score(const Strip& strip, const View& view, const std::uint32_t* queries,
             StripScratch& scratch) const;
  /// tops[r]: the largest visible score in the units of StripStatistics.
  void row_max(const View& view, const StripScratch& scratch, float* tops) const;
  /// Weights and statistics; whether scratch.rescale differs from 1 in any row.
  bool softmax(const View& view, StripScratch& scratch, StripStatistics& statistics) const;
  /// Zeroes the weights that dropout takes away. The statistics are those of all weights.
  void drop(const Strip& strip, const View& view, StripScratch& scratch) const;
  /// weights * values into acc, which is [kStripRows][row_values()].
  void accumulate(const Strip& strip, const View& view, const StripScratch& scratch, Join join,
                  float* acc) const;

  /// Scores, softmax and dropout in turn: how the weights' product has to join the accumulators.
  Join weigh(const Strip& strip, const View& view, const std::uint32_t* queries,
             StripScratch& scratch, StripStatistics& statistics) const;

  /// out[row] = factor * acc in the storage type; dropout's division is part of it.
  void store_row(const Strip& strip, Index row, float factor, const float* acc) const;
  /// Writes out and lse for the strip's rows: accumulators divided by the row sums unless they are
  /// `normalised` already.
  void finish(const Strip& strip, const float* acc, const StripStatistics& statistics,
              bool normalised = false) const;
  void store_lse(const Strip& strip, const StripStatistics& statistics) const;

  const PackedShape& shape() const { return packed_.shape(); }

 private:
  Index head_kv(const Strip& strip) const { return strip.head / group_; }
  Index rows(const Strip& strip) const;

  const AttentionParams& params_;
  const StripKernels& kernels_;
  const StripFeatures& features_;
  const PackedKeysValues& packed_;
  bool skip_masked_;
  Index group_;        // query heads per kv head
  float to_log2_;      // from what scratch.scores holds to log2 units
  float cap_factor_;   // from scores to the argument of tanh; 0: no softcap
  float keep_factor_;  // 1 / the probability of keeping a weight
};

/// Statistics of a row that has seen nothing.
StripStatistics empty_statistics();

}  // namespace ashlar::flashattention2
