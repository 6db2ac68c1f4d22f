#pragma once
// The work of one thread block of the forward pass: Algorithm 1 of Dao, "FlashAttention-2", arXiv
// 2307.08691, for one row block, column blocks from the last to the first.
//
// `Machine` supplies the instructions: on a GPU DeviceMachine (cuda_forward_kernel.cuh), in the
// tests a model that runs all 128 threads of this very code on a CPU. Every thread calls run().
// Shared addresses are byte offsets from the start of the block's shared memory.
//
//   int thread(), GridIndex block()         0 .. 127, and the block's place in the grid
//   T* opaque(T*)                           the same pointer, its origin forgotten
//   copy_async(int to, const void*, bool)   16 bytes global -> shared; zeros when false
//   commit_copies()                         ends a group of copies
//   wait_for_copies()                       for all copies of this thread
//   wait_for_copies_but<N>()                for all groups but the last N
//   barrier(), warp_barrier()
//   Fragment load_matrices(int from)        ldmatrix.x4; also load_matrices_transposed
//   multiply_add(float (&c)[4], a, b0, b1)  mma.m16n8k16 on words of two 16-bit elements
//   float shuffle_xor(float, int), exp2(float), log2(float), tanh(float)
//   uint32 pack(float low, float high)      rounded to 16 bits each; low(uint32), high(uint32) back
//   load_sums, store_sums, store_pair       plain shared accesses of 16, 16 and 4 bytes; also
//                                           load_float, store_float
//   load_chunk, store_chunk                 16 bytes shared -> register -> global
//   fetch_chunk(const void*)                16 bytes global -> register; store_word 4 bytes back
//   add(float*, float)                      to a number in global memory that others add to as well
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "impls/flashattention2/cuda_block_copy.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"
#include "impls/flashattention2/cuda_forward_scores.hpp"

namespace ashlar::flashattention2::kernel {

struct alignas(16) Fragment {
  std::uint32_t word[4];
};

struct alignas(16) ThreadSums {
  float row[4];
};

template <class Config, class Machine>
class ForwardBlock : public ForwardScores<Config, Machine> {
 protected:
  using Base = ForwardScores<Config, Machine>;
  using Base::arguments_;
  using Base::kRowTiles;
  using Base::kScoreTiles;
  using Base::kThreadRows;
  using Base::machine_;
  using Base::row_of;
  using typename Base::Scores;

 public:
  using Base::Base;

  ASHLAR_KERNEL_CODE void run() {
    const BlockPlace place = Base::place();
    // The grid is that of the longest sequence.
    if (Config::kGeneral && place.row_begin >= place.sequence.seqlen_q) return;
    clear();
    const ColumnBlocks columns = columns_of<Config>(arguments_, place);
    if (columns.end > columns.begin) {
      load_queries(place);
      load_keys<true>(columns.end - 1);
      for (int block = columns.end - 1; block >= columns.begin; --block) visit(block, columns);
    }
    finish();
  }

 protected:
  static constexpr int kOutTiles = Config::kHeadDim / 8;  // n8 tiles of O
  static constexpr int kSumsBytes = static_cast<int>(sizeof(ThreadSums));
  /// A number for each row of a thread; up to four of them can wait in shared memory.
  struct MoreSums {
    float row[kThreadRows];
  };
  using Sums = std::conditional_t<(kThreadRows <= 4), ThreadSums, MoreSums>;
  static_assert(kThreadRows <= 4 || !(Config::kSumsInShared || Config::kMaximaInShared));
  using Weights = Fragment[kRowTiles][kScoreTiles / 2];  // P in 16 bits, as A fragments

  static constexpr int kRowChunks = Config::kHeadDim / kChunkElements;

  /// Nothing seen yet.
  ASHLAR_KERNEL_CODE void clear() {
    Sums maxima;
    ASHLAR_UNROLL
    for (int r = 0; r < kThreadRows; ++r) maxima.row[r] = -INFINITY;
    keep_maxima(maxima);
    keep_sums(Sums{});
    ASHLAR_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 4; ++i) out_[m][n][i] = 0;
      }
    }
  }

  ASHLAR_KERNEL_CODE void load_queries(const BlockPlace& place) {
    const Strides& q = arguments_.q_strides;
    load_tile<Config::kRows, Config::kHeadDim, Config::kThreads, true>(
        machine_, Config::kQueryOffset,
        arguments_.q + place.sequence.batch * q.batch + place.head * q.head +
            (place.sequence.first_q + place.row_begin) * q.row,
        q.row, place.sequence.seqlen_q - place.row_begin);
  }

  /// A block of K or V. Rows of V beyond the end must be zeros: their weights are 0, but 0 * NaN is
  /// NaN.
  template <bool Bounded>
  ASHLAR_KERNEL_CODE void load_columns(int to, const std::uint16_t* tensor, const Strides& s,
                                       int block) {
    const auto index = machine_.block();
    const SequencePlace sequence = sequence_place<Config::kKind>(
        arguments_.features, static_cast<int>(index.z), arguments_.seqlen_q, arguments_.seqlen_k);
    const int column = block * Config::kColumns;
    load_tile<Config::kColumns, Config::kHeadDim, Config::kThreads, Bounded>(
        machine_, to,
        tensor + sequence.batch * s.batch + index.y * s.head + (sequence.first_k + column) * s.row,
        s.row, sequence.seqlen_k - column);
  }

  template <bool Bounded>
  ASHLAR_KERNEL_CODE void load_keys(int block) {
    load_columns<Bounded>(Config::kKeyOffset, arguments_.k, arguments_.k_strides, block);
  }

  template <bool Bounded>
  ASHLAR_KERNEL_CODE void load_values(int block) {
    load_columns<Bounded>(Config::kValueOffset, arguments_.v, arguments_.v_strides, block);
  }

  /// One column block. K of this block is on its way when it begins. V arrives behind Q K^T, and K
  /// of the next block behind the softmax and P V, so one buffer of each is enough. Blocks without
  /// hidden columns branch around the mask: with two copies of this code, one without mask, the
  /// compiler ran out of registers.
  ASHLAR_KERNEL_CODE void visit(int block, const ColumnBlocks& columns) {
    const bool whole =
        block < columns.whole_end && (!Config::kGeneral || block >= columns.whole_begin);
    machine_.wait_for_copies();
    machine_.barrier();  // K is there for all, and all have finished with V
    if (whole) {
      load_values<false>(block);
    } else {
      load_values<true>(block);
    }
    Scores scores;
    multiply_keys(scores);
    machine_.wait_for_copies();
    machine_.barrier();  // V is there for all, and all have finished with K
    if (block > columns.begin) load_keys<false>(block - 1);
    if constexpr (Config::kGeneral) Base::cap(scores);
    if (!whole) Base::mask(scores, block);
    Weights weights;
    soften(scores, weights, block);
    multiply_values(weights);
  }

  /// S = Q K^T, unscaled.
  ASHLAR_KERNEL_CODE void multiply_keys(Scores& scores) {
    const int thread = machine_.thread();
    multiply_tiles(scores, thread % kWarpSize, thread / kWarpSize * Config::kRowsPerWarp, 0);
  }

  /// The same for RowTiles m16 tiles of rows and ScoreTiles n8 tiles of columns, from a row of Q
  /// and a row of K on.
  template <int RowTiles, int ScoreTiles>
  ASHLAR_KERNEL_CODE void multiply_tiles(float (&scores)[RowTiles][ScoreTiles][4], int lane,
                                         int first_query, int first_key) {
    ASHLAR_UNROLL
    for (int m = 0; m < RowTiles; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < ScoreTiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 4; ++i) scores[m][n][i] = 0;
      }
    }
    const LaneRow query_row = lane_row_major(lane);
    const LaneRow key_row = lane_row_minor(lane);
    const int query_lane = Config::kQueryOffset + swizzled_offset<Config::kRows>(
                                                      first_query + query_row.row, query_row.chunk);
    const int key_lane = Config::kKeyOffset +
                         swizzled_offset<Config::kColumns>(first_key + key_row.row, key_row.chunk);
    ASHLAR_UNROLL
    for (int k = 0; k < Config::kHeadDim / 16; ++k) {
      Fragment a[RowTiles];
      ASHLAR_UNROLL
      for (int m = 0; m < RowTiles; ++m) {
        a[m] = machine_.load_matrices(fragment_offset<Config::kRows>(query_lane, 16 * m, k));
      }
      ASHLAR_UNROLL
      for (int n = 0; n < ScoreTiles; n += 2) {
        const Fragment b =
            machine_.load_matrices(fragment_offset<Config::kColumns>(key_lane, 8 * n, k));
        ASHLAR_UNROLL
        for (int m = 0; m < RowTiles; ++m) {
          machine_.multiply_add(scores[m][n], a[m], b.word[0], b.word[1]);
          machine_.multiply_add(scores[m][n + 1], a[m], b.word[2], b.word[3]);
        }
      }
    }
  }

  /// This thread's share of the row sums l. While the products of head size 128 run, every register
  /// is taken, so there they wait in shared memory.
  ASHLAR_KERNEL_CODE Sums sums() {
    if constexpr (Config::kSumsInShared) {
      return machine_.load_sums(Config::kSumsOffset + machine_.thread() * kSumsBytes);
    } else {
      return sums_;
    }
  }
  ASHLAR_KERNEL_CODE void keep_sums(const Sums& sums) {
    if constexpr (Config::kSumsInShared) {
      machine_.store_sums(Config::kSumsOffset + machine_.thread() * kSumsBytes, sums);
    } else {
      sums_ = sums;
    }
  }

  /// The running maxima of this thread's rows, times scale_log2. Loops around ForwardBlock take
  /// registers of their own, so there these are in shared memory too.
  ASHLAR_KERNEL_CODE Sums maxima() {
    if constexpr (Config::kMaximaInShared) {
      return machine_.load_sums(Config::kMaximaOffset + machine_.thread() * kSumsBytes);
    } else {
      return maxima_;
    }
  }
  ASHLAR_KERNEL_CODE void keep_maxima(const Sums& maxima) {
    if constexpr (Config::kMaximaInShared) {
      machine_.store_sums(Config::kMaximaOffset + machine_.thread() * kSumsBytes, maxima);
    } else {
      maxima_ = maxima;
    }
  }

  /// Takes the scores of one row into its running maximum, and scales what was summed under the old
  /// one. Returns what to subtract from scaled scores. The maximum is kept scaled and rounded,
  /// since weights, shrinking and lse must all mean the same number: at scores of 10^5 the rounding
  /// of m * scale is a factor of some percent.
  ASHLAR_KERNEL_CODE float raise_maximum(const Scores& scores, int r, float& old_maximum,
                                         float& sum) {
    const int i = 2 * (r % 2);
    float top = fmaxf(scores[r / 2][0][i], scores[r / 2][0][i + 1]);
    ASHLAR_UNROLL
    for (int n = 1; n < kScoreTiles; ++n) {
      top = fmaxf(top, fmaxf(scores[r / 2][n][i], scores[r / 2][n][i + 1]));
    }
    top = fmaxf(top, machine_.shuffle_xor(top, 1));
    top = fmaxf(top, machine_.shuffle_xor(top, 2));
    const float maximum = fmaxf(old_maximum, top * Base::score_factor());
    const float shift = guarded_maximum(maximum);
    const float shrink = machine_.exp2(old_maximum - shift);  // of -infinity: 0
    old_maximum = maximum;
    sum *= shrink;
    ASHLAR_UNROLL
    for (int n = 0; n < kOutTiles; ++n) {
      out_[r / 2][n][i] *= shrink;
      out_[r / 2][n][i + 1] *= shrink;
    }
    return shift;
  }

  /// Two weights in 16 bits; `drop` are those that dropout takes away after they were summed.
  ASHLAR_KERNEL_CODE std::uint32_t soften_pair(const float* scores, float shift, float& sum,
                                               unsigned drop) {
    const float low = machine_.exp2(fmaf(scores[0], Base::score_factor(), -shift));
    const float high = machine_.exp2(fmaf(scores[1], Base::score_factor(), -shift));
    sum += low;
    sum += high;
    if constexpr (!Config::kGeneral) return machine_.pack(low, high);
    return machine_.pack((drop & 1U) != 0 ? 0.0F : low, (drop & 2U) != 0 ? 0.0F : high);
  }

  /// The online softmax: P = exp(s - m). Two neighbouring n8 accumulators of S, packed, are the A
  /// fragment of one k16 step. Sums stay partial per thread until finish(); only maxima are shared
  /// by the four lanes of a row.
  ASHLAR_KERNEL_CODE void soften(const Scores& scores, Weights& weights, int block) {
    Sums sums = this->sums();
    Sums maxima = this->maxima();
    ASHLAR_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      const float shift[2] = {
          raise_maximum(scores, 2 * m, maxima.row[2 * m], sums.row[2 * m]),
          raise_maximum(scores, 2 * m + 1, maxima.row[2 * m + 1], sums.row[2 * m + 1])};
      unsigned drop = 0;
      ASHLAR_UNROLL
      for (int n = 0; n < kScoreTiles; ++n) {
        if (Config::kGeneral && n % 4 == 0) drop = Base::dropped_tiles(m, n, block);
        ASHLAR_UNROLL
        for (int half = 0; half < 2; ++half) {
          weights[m][n / 2].word[2 * (n % 2) + half] =
              soften_pair(&scores[m][n][2 * half], shift[half], sums.row[2 * m + half],
                          drop >> (4 * (n % 4) + 2 * half));
        }
      }
    }
    keep_sums(sums);
    keep_maxima(maxima);
  }

  /// O += P V, with P as it came out of the softmax: it never leaves the registers.
  ASHLAR_KERNEL_CODE void multiply_values(const Weights& weights) {
    const int lane = machine_.thread() % kWarpSize;
    const LaneRow value_row = lane_row_major(lane);
    const int value_lane =
        Config::kValueOffset + swizzled_offset<Config::kColumns>(value_row.row, value_row.chunk);
    ASHLAR_UNROLL
    for (int k = 0; k < Config::kColumns / 16; ++k) {
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; n += 2) {
        const Fragment b = machine_.load_matrices_transposed(
            fragment_offset<Config::kColumns>(value_lane, 16 * k, n / 2));
        ASHLAR_UNROLL
        for (int m = 0; m < kRowTiles; ++m) {
          machine_.multiply_add(out_[m][n], weights[m][k], b.word[0], b.word[1]);
          machine_.multiply_add(out_[m][n + 1], weights[m][k], b.word[2], b.word[3]);
        }
      }
    }
  }

  ASHLAR_KERNEL_CODE void finish() {
    const BlockPlace place = Base::place();
    normalise(place);
    store_output(place);
  }

  /// The division that ends a row, and its lse.
  ASHLAR_KERNEL_CODE void normalise(const BlockPlace& place) {
    const SequencePlace& sequence = place.sequence;
    const int thread = machine_.thread();
    const int lane = thread % kWarpSize;
    const Sums sums = this->sums();
    const Sums maxima = this->maxima();
    ASHLAR_UNROLL
    for (int r = 0; r < kThreadRows; ++r) {
      float sum = sums.row[r] + machine_.shuffle_xor(sums.row[r], 1);
      sum += machine_.shuffle_xor(sum, 2);
      const float factor = final_factor(sum) * Base::keep_factor();
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; ++n) {
        out_[r / 2][n][2 * (r % 2)] *= factor;
        out_[r / 2][n][2 * (r % 2) + 1] *= factor;
      }
      const int row = place.row_begin + row_of(thread, r);
      if (lane % 4 == 0 && row < sequence.seqlen_q) {
        const Strides& s = arguments_.lse_strides;
        arguments_.lse[sequence.batch * s.batch + place.head * s.head +
                       (sequence.first_q + row) * s.row] =
            final_lse(maxima.row[r], sum, machine_.log2(sum));
      }
    }
  }

  /// O goes through the shared rows of Q that this warp alone has read, so that global stores are
  /// 16 bytes wide and no other warp need be waited for.
  ASHLAR_KERNEL_CODE void store_output(const BlockPlace& place) {
    const int thread = machine_.thread();
    const int lane = thread % kWarpSize;
    const int first = thread / kWarpSize * Config::kRowsPerWarp;
    machine_.warp_barrier();
    ASHLAR_UNROLL
    for (int r = 0; r < kThreadRows; ++r) {
      const int row = first + 8 * r + lane / 4;
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; ++n) {
        const float* const pair = &out_[r / 2][n][2 * (r % 2)];
        machine_.store_pair(Config::kQueryOffset + swizzled_offset<Config::kRows>(row, n) +
                                2 * accumulator_column(lane, 0),
                            machine_.pack(pair[0], pair[1]));
      }
    }
    machine_.warp_barrier();
    const Strides& s = arguments_.out_strides;
    const SequencePlace& sequence = place.sequence;
    std::uint16_t* const out = arguments_.out + sequence.batch * s.batch + place.head * s.head +
                               (sequence.first_q + place.row_begin) * s.row;
    ASHLAR_UNROLL
    for (int pass = 0; pass < Config::kRowsPerWarp * kRowChunks / kWarpSize; ++pass) {
      const int index = lane + pass * kWarpSize;
      const int row = first + index / kRowChunks;
      const int chunk = index % kRowChunks;
      const Fragment value =
          machine_.load_chunk(Config::kQueryOffset + swizzled_offset<Config::kRows>(row, chunk));
      if (place.row_begin + row < sequence.seqlen_q) {
        machine_.store_chunk(out + row * s.row + chunk * kChunkElements, value);
      }
    }
  }

  float out_[kRowTiles][kOutTiles][4];  // O, unnormalised
  Sums sums_;
  Sums maxima_;
};

}  // namespace ashlar::flashattention2::kernel
