#pragma once
// The forward pass with "split-K" between the warps of a thread block (what the third of the
// paper's ideas replaces: Dao, arXiv 2307.08691, section 3.3): all warps share the rows of Q, each
// takes a share of the columns of a block, as in FlashAttention-1. Grid, column blocks, copies,
// fragments, softmax and the late division are those of ForwardBlock, of which this is one, so that
// a comparison of the two sees the division of work between warps and what follows from it.
//
// Of one row block of 64 rows and one column block, warp w of four:
//   S_w = Q K_w^T         64 rows, a quarter of the columns
//   its row maxima        to shared memory; all meet; everyone reads those of all four
//   P_w = exp(S_w - m)    in registers, as A fragments
//   P_w V_w               64 rows, the whole head: a part of every row of O
// The parts have to be added up. At every column block, as FlashAttention-1 did, all of them go
// through shared memory: written, the warps meet, and each reads all four parts of the 16 rows of O
// that it keeps, in single precision. That is 4 * 64 * head size * 4 bytes to write and as many to
// read, 64 elements of the head at a time, with a meeting of the warps after each and between any
// two. Accumulators are exchanged as they lie in registers, 16 bytes of each thread side by side,
// so there are no bank conflicts. The meeting for the maxima is the one that waits for V anyway.
//
// Kinder than FlashAttention-1 in two points that are other ideas: row sums are exchanged once, at
// the end, and O is divided once. And one thing differs that has to: ForwardBlock's 128 rows times
// a whole head are more than a thread's registers hold, so here there are 64 rows, twice as many
// thread blocks, and K and V come from the L2 cache twice as often.
//
// Hazards: maxima are read between the second barrier of visit() and its third, and written after
// the first of the next; parts are read after the barrier behind them, and overwritten after the
// next one, be it that of the next 64 elements or the first of the next visit.
#include <cmath>
#include <cstdint>

#include "impls/flashattention2/cuda_forward_block.hpp"

namespace ashlar::flashattention2::kernel {

/// What ForwardBlock takes O, its statistics and its copies from; and shares of warps.
template <int HeadDim, PassKind Kind>
struct SplitKeysConfig {
  static_assert(HeadDim == 64 || HeadDim == 128);
  static_assert(Kind != PassKind::general);
  static constexpr int kHeadDim = HeadDim;
  static constexpr PassKind kKind = Kind;
  static constexpr bool kCausal = Kind == PassKind::causal;
  static constexpr bool kGeneral = false;
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarpSize;
  static constexpr int kRows = 64;
  static constexpr int kRowsPerWarp = kRows / kWarps;  // of O
  static constexpr int kRowTiles = kRowsPerWarp / 16;
  static constexpr int kColumns = forward_tile(HeadDim, false, kSm80).columns;
  static constexpr int kWarpColumns = kColumns / kWarps;
  static constexpr int kBlocksPerMultiprocessor = 2;
  static constexpr int kQueryOffset = 0;
  static constexpr int kKeyOffset = kRows * HeadDim * 2;
  static constexpr int kValueOffset = kKeyOffset + kColumns * HeadDim * 2;
  static constexpr int kPartElements = 64;  // of the head, exchanged at a time
  static constexpr int kPartsOffset = kValueOffset + kColumns * HeadDim * 2;
  static constexpr int kStatisticsOffset = kPartsOffset + kWarps * kRows * kPartElements * 4;
  static constexpr int kSharedBytes = kStatisticsOffset + kWarps * kRows * 4;
  static constexpr int kSumsOffset = 0;
  static constexpr bool kSumsInShared = false;
  static constexpr int kMaximaOffset = 0;
  static constexpr bool kMaximaInShared = false;
  static_assert(kSharedBytes <= kSm80.shared_limit);
  static_assert(2 * (kSharedBytes + 1024) <= 228 * 1024);  // two blocks on sm_90
};

template <class Config, class Machine>
class SplitKeysBlock : public ForwardBlock<Config, Machine> {
  using Base = ForwardBlock<Config, Machine>;
  using Base::arguments_;
  using Base::machine_;
  using Base::out_;

 public:
  using Base::Base;

  ASHLAR_KERNEL_CODE void run() {
    const BlockPlace place = Base::place();
    Base::clear();
    ASHLAR_UNROLL
    for (int r = 0; r < kSharedRows; ++r) {
      maximum_[r] = -INFINITY;
      sum_[r] = 0;
    }
    const ColumnBlocks columns = columns_of<Config>(arguments_, place);
    if (columns.end > columns.begin) {
      Base::load_queries(place);
      Base::template load_keys<true>(columns.end - 1);
      for (int block = columns.end - 1; block >= columns.begin; --block) visit(block, columns);
    }
    add_up_statistics();
    Base::finish();
  }

 private:
  static constexpr int kSharedRowTiles = Config::kRows / 16;  // m16 tiles, which all warps have
  static constexpr int kSharedRows = 2 * kSharedRowTiles;     // rows lane/4 + {0, 8, ...}
  static constexpr int kScoreTiles = Config::kWarpColumns / 8;
  static constexpr int kPartTiles = Config::kPartElements / 8;
  using Scores = float[kSharedRowTiles][kScoreTiles][4];
  using Weights = Fragment[kSharedRowTiles][kScoreTiles / 2];
  static_assert(kSharedRowTiles == Config::kWarps && Config::kRowTiles == 1);

  ASHLAR_KERNEL_CODE int warp() const { return machine_.thread() / kWarpSize; }
  ASHLAR_KERNEL_CODE int lane() const { return machine_.thread() % kWarpSize; }

  /// One column block. K of this block is on its way when it begins.
  ASHLAR_KERNEL_CODE void visit(int block, const ColumnBlocks& columns) {
    const bool whole = block < columns.whole_end;
    machine_.wait_for_copies();
    machine_.barrier();  // K is there for all, and all have finished with V and the parts
    Base::template load_values<true>(block);
    Scores scores;
    Base::multiply_tiles(scores, lane(), 0, warp() * Config::kWarpColumns);  // S_w = Q K_w^T
    if (!whole) mask(scores, block);
    show_maxima(scores);
    machine_.wait_for_copies();
    machine_.barrier();  // V and maxima are there for all, and all have finished with K
    if (block > columns.begin) Base::template load_keys<false>(block - 1);
    Weights weights;
    float shrink[2] = {1, 1};  // of this warp's rows of O
    soften(scores, weights, shrink);
    ASHLAR_UNROLL
    for (int first = 0; first < Config::kHeadDim / 8; first += kPartTiles) {
      if (first > 0) machine_.barrier();  // all have read the parts before
      multiply_values(weights, first);
      machine_.barrier();  // parts are there for all
      add_up_parts(first, shrink);
    }
  }

  /// Hides columns that a row does not see.
  ASHLAR_KERNEL_CODE void mask(Scores& scores, int block) const {
    const int row_begin = Base::place().row_begin;
    const int first =
        block * Config::kColumns + warp() * Config::kWarpColumns + accumulator_column(lane(), 0);
    ASHLAR_UNROLL
    for (int r = 0; r < kSharedRows; ++r) {
      const int visible = visible_columns<Config::kCausal>(
          row_begin + 8 * r + lane() / 4, arguments_.seqlen_q, arguments_.seqlen_k);
      ASHLAR_UNROLL
      for (int n = 0; n < kScoreTiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 2; ++i) {
          if (8 * n + i >= visible - first) scores[r / 2][n][2 * (r % 2) + i] = -INFINITY;
        }
      }
    }
  }

  /// A number of row r, from a warp to all.
  ASHLAR_KERNEL_CODE int statistics_offset(int from_warp, int row) const {
    return Config::kStatisticsOffset + 4 * (from_warp * Config::kRows + row);
  }
  ASHLAR_KERNEL_CODE void show(int r, float value) {
    if (lane() % 4 == 0) {
      machine_.store_float(statistics_offset(warp(), 8 * r + lane() / 4), value);
    }
  }

  ASHLAR_KERNEL_CODE void show_maxima(const Scores& scores) {
    ASHLAR_UNROLL
    for (int r = 0; r < kSharedRows; ++r) {
      const int i = 2 * (r % 2);
      float top = -INFINITY;
      ASHLAR_UNROLL
      for (int n = 0; n < kScoreTiles; ++n) {
        top = fmaxf(top, fmaxf(scores[r / 2][n][i], scores[r / 2][n][i + 1]));
      }
      top = fmaxf(top, machine_.shuffle_xor(top, 1));
      show(r, fmaxf(top, machine_.shuffle_xor(top, 2)));
    }
  }

  /// Takes the maxima of all warps into a row's running maximum, as ForwardBlock does its own.
  /// Returns what to subtract from scaled scores.
  ASHLAR_KERNEL_CODE float raise_maximum(int r, float& shrink) {
    float top = -INFINITY;
    ASHLAR_UNROLL
    for (int w = 0; w < Config::kWarps; ++w) {
      top = fmaxf(top, machine_.load_float(statistics_offset(w, 8 * r + lane() / 4)));
    }
    const float maximum = fmaxf(maximum_[r], top * arguments_.scale_log2);
    const float shift = guarded_maximum(maximum);
    shrink = machine_.exp2(maximum_[r] - shift);  // of -infinity: 0
    maximum_[r] = maximum;
    sum_[r] *= shrink;
    return shift;
  }

  /// P_w = exp(S_w - m), and by how much the rows of O that this warp keeps shrink.
  ASHLAR_KERNEL_CODE void soften(const Scores& scores, Weights& weights, float (&own_shrink)[2]) {
    const int own = warp();
    ASHLAR_UNROLL
    for (int m = 0; m < kSharedRowTiles; ++m) {
      ASHLAR_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int r = 2 * m + half;
        float shrink = 1;
        const float shift = raise_maximum(r, shrink);
        if (m == own) own_shrink[half] = shrink;
        ASHLAR_UNROLL
        for (int n = 0; n < kScoreTiles; ++n) {
          weights[m][n / 2].word[2 * (n % 2) + half] =
              Base::soften_pair(&scores[m][n][2 * half], shift, sum_[r], 0);
        }
      }
    }
  }

  ASHLAR_KERNEL_CODE int part_offset(int from_warp, int m, int n) const {
    const int tile = (from_warp * kSharedRowTiles + m) * kPartTiles + n;
    return Config::kPartsOffset +
           (tile * kWarpSize + lane()) * static_cast<int>(sizeof(ThreadSums));
  }

  /// The part of O that follows from this warp's columns, n8 tiles from `first` on.
  ASHLAR_KERNEL_CODE void multiply_values(const Weights& weights, int first) {
    const LaneRow value_row = lane_row_major(lane());
    const int value_lane =
        Config::kValueOffset + swizzled_offset<Config::kColumns>(
                                   warp() * Config::kWarpColumns + value_row.row, value_row.chunk);
    ASHLAR_NO_UNROLL  // iterations that overlap would spill registers
        for (int n = 0; n < kPartTiles; n += 2) {
      float part[kSharedRowTiles][2][4] = {};
      ASHLAR_UNROLL
      for (int k = 0; k < Config::kWarpColumns / 16; ++k) {
        const Fragment b = machine_.load_matrices_transposed(
            fragment_offset<Config::kColumns>(value_lane, 16 * k, (first + n) / 2));
        ASHLAR_UNROLL
        for (int m = 0; m < kSharedRowTiles; ++m) {
          machine_.multiply_add(part[m][0], weights[m][k], b.word[0], b.word[1]);
          machine_.multiply_add(part[m][1], weights[m][k], b.word[2], b.word[3]);
        }
      }
      ASHLAR_UNROLL
      for (int m = 0; m < kSharedRowTiles; ++m) {
        ASHLAR_UNROLL
        for (int half = 0; half < 2; ++half) {
          const float* const c = part[m][half];
          machine_.store_sums(part_offset(warp(), m, n + half), {{c[0], c[1], c[2], c[3]}});
        }
      }
    }
  }

  /// O of this warp's 16 rows: the old one, smaller, and the parts of all warps.
  ASHLAR_KERNEL_CODE void add_up_parts(int first, const float (&shrink)[2]) {
    ASHLAR_UNROLL
    for (int n = 0; n < kPartTiles; ++n) {
      float(&out)[4] = out_[0][first + n];
      ASHLAR_UNROLL
      for (int i = 0; i < 4; ++i) out[i] *= shrink[i / 2];
      ASHLAR_UNROLL
      for (int w = 0; w < Config::kWarps; ++w) {
        const ThreadSums part = machine_.load_sums(part_offset(w, warp(), n));
        ASHLAR_UNROLL
        for (int i = 0; i < 4; ++i) out[i] += part.row[i];
      }
    }
  }

  /// Row sums and maxima to where ForwardBlock keeps those of this warp's rows.
  ASHLAR_KERNEL_CODE void add_up_statistics() {
    ThreadSums maxima{};
    ASHLAR_UNROLL
    for (int r = 0; r < kSharedRows; ++r) {
      const float sum = sum_[r] + machine_.shuffle_xor(sum_[r], 1);
      show(r, sum + machine_.shuffle_xor(sum, 2));
      if (r / 2 == warp()) maxima.row[r % 2] = maximum_[r];
    }
    machine_.barrier();  // sums are there for all, and all have finished with Q
    ThreadSums sums{};
    ASHLAR_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = 16 * warp() + 8 * half + lane() / 4;
      // normalise() adds up the four lanes of a row; one brings all.
      if (lane() % 4 == 0) {
        ASHLAR_UNROLL
        for (int w = 0; w < Config::kWarps; ++w) {
          sums.row[half] += machine_.load_float(statistics_offset(w, row));
        }
      }
    }
    Base::keep_maxima(maxima);
    Base::keep_sums(sums);
  }

  float maximum_[kSharedRows];  // of all rows, times scale_log2; every warp has them all
  float sum_[kSharedRows];      // this thread's share of this warp's share
};

}  // namespace ashlar::flashattention2::kernel
