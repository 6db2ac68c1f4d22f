#pragma once
// The micro-kernels of attention on a CPU. Internal: shared by the FlashAttention-2 loop order
// (optimized.cpp) and by the FlashAttention-1 loop order among the baselines, so that a comparison
// of the two sees the loop order and nothing else.
//
// Why a strip. The unit of work is a *strip*: kStripRows query rows against one block of keys. Its
// scores never leave the first-level cache, and one call does three things in turn:
//   scores      S = Q K^T         6 rows x 64 keys of accumulators, the head dimension inside
//   softmax     P = exp2(S - m)   a new running maximum, P over S in place, row sums
//   accumulate  O = a O + P V     6 rows x 64 values of accumulators, the keys inside
// Registers. 6 rows x 4 vectors are 24 accumulators; with 4 vectors of the packed operand and one
// broadcast they fill 29 of the 32 AVX-512 registers, and 24 multiply-adds share 10 loads. Fewer
// accumulators lose rate (4 x 4: about 3/4 of peak where two FMAs issue per cycle), more spill.
// AVX2 has 16 registers: 6 rows x 2 vectors.
// Cache. A strip of 512 scores per row is 12 KB of a 32 KB L1; keys and values of a block (128 KB
// each at head_dim 64) lie in L2 and are read once per strip, 4 vectors for every 24 multiply-adds,
// a third of what L2 delivers. Long key blocks pay: the accumulators are loaded, rescaled and
// stored once per block.
//
// Packed operands consist of 32-bit *words*: a float, or a pair of bfloat16 that are neighbours
// along the axis that is summed over (`step` = 1 or 2 elements per word).
//   queries  [strip][word of depth][kStripRows]
//   keys     [panel of key_panel keys][word of depth][key_panel]
//   values   [panel of at most max_vectors vectors][word of keys][width of the panel]
// Rows, keys and values that do not exist are zero, so that 0 * garbage never makes a NaN.
#include <cstdint>
#include <optional>
#include <vector>

#include "impls/core/dtype.hpp"
#include "impls/core/simd.hpp"
#include "impls/core/tensor.hpp"
#include "impls/flashattention2/dropout.hpp"
#include "impls/flashattention2/mask.hpp"

namespace ashlar::flashattention2 {

using core::Index;

inline constexpr int kStripRows = 6;
inline constexpr Index kMaxKeyBlock = 512;
/// Floats between two rows of scores. A power of two would put the six rows into one L1 set.
inline constexpr Index kScoreStride = kMaxKeyBlock + 16;

/// What the kernels of one strip hand to each other; every worker has one.
struct StripScratch {
  alignas(64) float scores[kStripRows * kScoreStride];         // S, then P
  alignas(64) std::uint32_t pairs[kStripRows * kScoreStride];  // P as pairs of bfloat16
  alignas(64) float lane_max[kStripRows * 16];                 // per-lane maxima of S
  float rescale[kStripRows];                                   // a: old weights in terms of new
};

/// Running statistics of a strip's rows. They are kept in log2 units: maximum of scale * log2(e) *
/// S, and the sum of exp2 relative to it. A row that has seen nothing: -infinity and 0.
struct StripStatistics {
  float max[kStripRows];
  float sum[kStripRows];
};

/// How a block's product joins the accumulators: instead of them, added to them, or added to
/// rescale[r] times them.
enum class Join : std::uint8_t { replace, add, rescale };

/// One instruction set's kernels and the panel shapes they expect.
struct StripKernels {
  core::Isa isa;
  int step;           // elements per packed word
  Index key_panel;    // keys per packed panel
  Index lanes;        // values per vector
  Index max_vectors;  // vectors per value panel

  /// scratch.scores[r][0, panels * key_panel) = Q K^T, unscaled, and scratch.lane_max.
  void (*scores)(const void* queries, const void* keys, Index depth_words, Index panels,
                 StripScratch& scratch);

  /// tops[r] = the largest visible score; -infinity for a row that sees none of them.
  void (*row_max)(const StripScratch& scratch, Index computed, const Range<Index>* visible,
                  float* tops);

  /// Turns scores into weights and updates the statistics and scratch.rescale. Row r sees the
  /// scores visible[r] of [0, computed); weights [0, keys) are defined (0 where not visible).
  /// Returns whether any row must be rescaled.
  bool (*softmax)(StripScratch& scratch, float scale_log2e, Index computed, Index keys,
                  const Range<Index>* visible, StripStatistics& statistics);

  /// Weights [keys.begin, keys.end), where begin is a multiple of `step`, times one panel of values
  /// that begins at key keys.begin and has `vectors` vectors, into acc[r][0, width), which has
  /// acc_stride floats per row.
  void (*accumulate)(const StripScratch& scratch, const void* values, Range<Index> keys,
                     Index vectors, Join join, float* acc, Index acc_stride);
};

/// What only some problems ask for, each a pass of its own over the strip, so that others pay
/// nothing.
struct StripFeatures {
  /// scores[r][0, computed) = tanh(factor * score), and lane_max of the results; relative error
  /// 3e-7. A positive `factor` keeps the order of scores, NaN stays NaN.
  void (*softcap)(StripScratch& scratch, float factor, Index computed);

  /// Sets the weights [keys.begin, keys.end) that `mask` drops to zero: those of `step` 1 and of
  /// `step` 2. Row r of the strip is row first_row + r of the mask, weight c is column
  /// first_column + c, and first_column is a multiple of 16.
  void (*drop_floats)(StripScratch& scratch, const DropoutMask& mask, Index first_row,
                      Index first_column, Range<Index> keys);
  void (*drop_pairs)(StripScratch& scratch, const DropoutMask& mask, Index first_row,
                     Index first_column, Range<Index> keys);
};

/// In the instruction set of `kernels`.
const StripFeatures& strip_features(const StripKernels& kernels);

/// Kernels for `dtype` that core::usable_isa() allows, fastest first; never empty. Storage types
/// without kernels of their own are widened to float when they are packed.
std::vector<const StripKernels*> usable_strip_kernels(core::DType dtype);

/// The fastest of them that need no more than `limit`.
const StripKernels& select_strip_kernels(core::DType dtype, std::optional<core::Isa> limit);

namespace detail {
/// What was compiled, whether or not this machine can run it, fastest first.
std::vector<const StripKernels*> float_strip_kernels();
/// Null where the compiler lacks vdpbf16ps.
const StripKernels* bfloat16_strip_kernels();
}  // namespace detail

}  // namespace ashlar::flashattention2
