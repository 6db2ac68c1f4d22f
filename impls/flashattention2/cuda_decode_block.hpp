#pragma once
// The work of one thread block of split-KV decoding, and of one that combines the parts; the design
// is in cuda_decode_math.hpp. `Machine` is that of cuda_forward_block.hpp.
#include <cmath>
#include <cstdint>

#include "impls/flashattention2/combine.hpp"
#include "impls/flashattention2/cuda_decode_math.hpp"
#include "impls/flashattention2/cuda_forward_block.hpp"

namespace ashlar::flashattention2::kernel {

template <class Config, class Machine>
class DecodeBlock {
 public:
  ASHLAR_KERNEL_CODE DecodeBlock(Machine& machine, const DecodeArguments& arguments)
      : machine_(machine),
        arguments_(arguments),
        place_(decode_place(arguments, machine.block(), Config::kRows)) {}

  ASHLAR_KERNEL_CODE void run() {
    if (place_.first_row >= place_.rows) return;
    clear();
    const Range<int> blocks = decode_blocks(arguments_, place_, Config::kRows, Config::kKeys);
    load_queries();
    ASHLAR_UNROLL
    for (int stage = 0; stage < Config::kStages - 1; ++stage) {
      load_stage(stage, blocks.begin + stage, blocks.end);
    }
    machine_.template wait_for_copies_but<Config::kStages - 1>();  // Q is there for this thread
    machine_.barrier();                                            // and for all
    int stage = 0;
    for (int block = blocks.begin; block < blocks.end; ++block) {
      machine_.template wait_for_copies_but<Config::kStages - 2>();
      machine_
          .warp_barrier();  // the stage is there for the warp, which has finished the one before
      load_stage(stage == 0 ? Config::kStages - 1 : stage - 1, block + Config::kStages - 1,
                 blocks.end);
      visit(block, stage);
      stage = stage + 1 == Config::kStages ? 0 : stage + 1;
    }
    machine_.wait_for_copies();
    machine_.barrier();  // nobody uses the buffers any more
    leave_share();
    machine_.barrier();
    store_part();
  }

 private:
  static constexpr int kOutTiles = Config::kHeadDim / 8;
  static constexpr int kRowChunks = Config::kHeadDim / kChunkElements;
  using Scores = float[2][4];  // two n8 tiles: 16 keys

  ASHLAR_KERNEL_CODE int warp() const { return machine_.thread() / kWarpSize; }
  ASHLAR_KERNEL_CODE int lane() const { return machine_.thread() % kWarpSize; }

  ASHLAR_KERNEL_CODE void clear() {
    ASHLAR_UNROLL
    for (int r = 0; r < 2; ++r) {
      maximum_[r] = -INFINITY;
      sum_[r] = 0;
    }
    ASHLAR_UNROLL
    for (int n = 0; n < kOutTiles; ++n) {
      ASHLAR_UNROLL
      for (int i = 0; i < 4; ++i) out_[n][i] = 0;
    }
  }

  /// Query and head of row `row` of the tile.
  ASHLAR_KERNEL_CODE int query_of(int row) const {
    return (place_.first_row + row) / arguments_.group;
  }
  ASHLAR_KERNEL_CODE int head_of(int row) const {
    return place_.head_kv * arguments_.group + (place_.first_row + row) % arguments_.group;
  }
  ASHLAR_KERNEL_CODE bool exists(int row) const { return place_.first_row + row < place_.rows; }

  ASHLAR_KERNEL_CODE void load_queries() {
    const Strides& s = arguments_.q_strides;
    ASHLAR_UNROLL
    for (int pass = 0; pass < Config::kRows * kRowChunks / Config::kThreads; ++pass) {
      const int index = machine_.thread() + pass * Config::kThreads;
      const int row = index / kRowChunks;
      const int chunk = index % kRowChunks;
      // A row that does not exist reads nothing, but its address must be one.
      const int real = exists(row) ? row : 0;
      machine_.copy_async(Config::kQueryOffset + swizzled_offset<Config::kRows>(row, chunk),
                          arguments_.q + place_.sequence.batch * s.batch + head_of(real) * s.head +
                              (place_.sequence.first_q + query_of(real)) * s.row +
                              chunk * kChunkElements,
                          exists(row));
    }
    machine_.commit_copies();
  }

  ASHLAR_KERNEL_CODE int stage_offset(int stage) const {
    return Config::kStageOffset + (warp() * Config::kStages + stage) * Config::kStageBytes;
  }

  /// This warp's keys of a block, K and V; nothing from `end` on, but a group of copies always.
  ASHLAR_KERNEL_CODE void load_stage(int stage, int block, int end) {
    if (block < end) {
      load_keys(stage_offset(stage), arguments_.k, arguments_.k_strides, block);
      load_keys(stage_offset(stage) + Config::kTileBytes, arguments_.v, arguments_.v_strides,
                block);
    }
    machine_.commit_copies();
  }

  /// Keys beyond the end must be zeros: their weights are 0, but 0 * NaN is NaN.
  ASHLAR_KERNEL_CODE void load_keys(int to, const std::uint16_t* tensor, const Strides& s,
                                    int block) {
    constexpr int kRowsPerPass = kWarpSize / kRowChunks;
    const int first = block * Config::kKeys + warp() * Config::kWarpKeys;
    const std::uint16_t* const from = tensor + place_.sequence.batch * s.batch +
                                      place_.head_kv * s.head + place_.sequence.first_k * s.row;
    ASHLAR_UNROLL
    for (int pass = 0; pass < Config::kWarpKeys / kRowsPerPass; ++pass) {
      const int row = lane() / kRowChunks + pass * kRowsPerPass;
      const int chunk = lane() % kRowChunks;
      const bool inside = first + row < place_.sequence.seqlen_k;
      machine_.copy_async(to + swizzled_offset<Config::kWarpKeys>(row, chunk),
                          from + (inside ? first + row : 0) * s.row + chunk * kChunkElements,
                          inside);
    }
  }

  ASHLAR_KERNEL_CODE void visit(int block, int stage) {
    Scores scores;
    multiply_keys(scores, stage_offset(stage));
    mask(scores, block * Config::kKeys + warp() * Config::kWarpKeys);
    const Fragment weights = soften(scores);
    multiply_values(weights, stage_offset(stage) + Config::kTileBytes);
  }

  /// S = Q K^T, scaled to log2 units, softcap applied.
  ASHLAR_KERNEL_CODE void multiply_keys(Scores& scores, int keys) {
    ASHLAR_UNROLL
    for (int n = 0; n < 2; ++n) {
      ASHLAR_UNROLL
      for (int i = 0; i < 4; ++i) scores[n][i] = 0;
    }
    const LaneRow query_row = lane_row_major(lane());
    const LaneRow key_row = lane_row_minor(lane());
    const int query_lane =
        Config::kQueryOffset + swizzled_offset<Config::kRows>(query_row.row, query_row.chunk);
    const int key_lane = keys + swizzled_offset<Config::kWarpKeys>(key_row.row, key_row.chunk);
    ASHLAR_UNROLL
    for (int k = 0; k < Config::kHeadDim / 16; ++k) {
      const Fragment a = machine_.load_matrices(fragment_offset<Config::kRows>(query_lane, 0, k));
      const Fragment b = machine_.load_matrices(fragment_offset<Config::kWarpKeys>(key_lane, 0, k));
      machine_.multiply_add(scores[0], a, b.word[0], b.word[1]);
      machine_.multiply_add(scores[1], a, b.word[2], b.word[3]);
    }
    ASHLAR_UNROLL
    for (int n = 0; n < 2; ++n) {
      ASHLAR_UNROLL
      for (int i = 0; i < 4; ++i) {
        scores[n][i] = arguments_.features.cap_factor > 0
                           ? arguments_.features.cap_log2 *
                                 machine_.tanh(scores[n][i] * arguments_.features.cap_factor)
                           : scores[n][i] * arguments_.scale_log2;
      }
    }
  }

  /// Hides what a row does not see of the keys from `first` on.
  ASHLAR_KERNEL_CODE void mask(Scores& scores, int first) const {
    const Mask<int> mask = mask_of(arguments_, place_);
    ASHLAR_UNROLL
    for (int i = 0; i < 4; i += 2) {
      const int row = accumulator_row(lane(), i);
      const Range<int> seen = exists(row) ? mask.columns(query_of(row)) : Range<int>{};
      ASHLAR_UNROLL
      for (int n = 0; n < 2; ++n) {
        ASHLAR_UNROLL
        for (int j = 0; j < 2; ++j) {
          const int key = first + 8 * n + accumulator_column(lane(), j);
          if (!seen.contains(key)) scores[n][i + j] = -INFINITY;
        }
      }
    }
  }

  /// The online softmax of the forward pass, over the keys of this warp.
  ASHLAR_KERNEL_CODE Fragment soften(const Scores& scores) {
    Fragment weights;
    ASHLAR_UNROLL
    for (int r = 0; r < 2; ++r) {
      const int i = 2 * r;
      float top =
          fmaxf(fmaxf(scores[0][i], scores[0][i + 1]), fmaxf(scores[1][i], scores[1][i + 1]));
      top = fmaxf(top, machine_.shuffle_xor(top, 1));
      top = fmaxf(top, machine_.shuffle_xor(top, 2));
      const float maximum = fmaxf(maximum_[r], top);
      const float shift = guarded_maximum(maximum);
      const float shrink = machine_.exp2(maximum_[r] - shift);  // of -infinity: 0
      maximum_[r] = maximum;
      sum_[r] *= shrink;
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; ++n) {
        out_[n][i] *= shrink;
        out_[n][i + 1] *= shrink;
      }
      ASHLAR_UNROLL
      for (int n = 0; n < 2; ++n) {
        const float low = machine_.exp2(scores[n][i] - shift);
        const float high = machine_.exp2(scores[n][i + 1] - shift);
        sum_[r] += low;
        sum_[r] += high;
        weights.word[2 * n + r] = machine_.pack(low, high);
      }
    }
    return weights;
  }

  /// O += P V.
  ASHLAR_KERNEL_CODE void multiply_values(const Fragment& weights, int values) {
    const LaneRow row = lane_row_major(lane());
    const int value_lane = values + swizzled_offset<Config::kWarpKeys>(row.row, row.chunk);
    ASHLAR_UNROLL
    for (int n = 0; n < kOutTiles; n += 2) {
      const Fragment b = machine_.load_matrices_transposed(
          fragment_offset<Config::kWarpKeys>(value_lane, 0, n / 2));
      machine_.multiply_add(out_[n], weights, b.word[0], b.word[1]);
      machine_.multiply_add(out_[n + 1], weights, b.word[2], b.word[3]);
    }
  }

  /// Where a warp leaves element (row, element) of its output, its maxima and its sums.
  static ASHLAR_KERNEL_CODE int out_offset(int warp, int row, int element) {
    return Config::kOutOffset + warp * Config::kOutBytes + (row * Config::kHeadDim + element) * 4;
  }
  static ASHLAR_KERNEL_CODE int statistic_offset(int first, int warp, int row) {
    return first + (warp * Config::kRows + row) * 4;
  }

  ASHLAR_KERNEL_CODE void leave_share() {
    ASHLAR_UNROLL
    for (int r = 0; r < 2; ++r) {
      const int row = accumulator_row(lane(), 2 * r);
      float sum = sum_[r] + machine_.shuffle_xor(sum_[r], 1);
      sum += machine_.shuffle_xor(sum, 2);
      if (lane() % 4 == 0) {
        machine_.store_float(statistic_offset(Config::kMaximumOffset, warp(), row), maximum_[r]);
        machine_.store_float(statistic_offset(Config::kSumOffset, warp(), row), sum);
      }
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; ++n) {
        ASHLAR_UNROLL
        for (int j = 0; j < 2; ++j) {
          machine_.store_float(out_offset(warp(), row, 8 * n + accumulator_column(lane(), j)),
                               out_[n][2 * r + j]);
        }
      }
    }
  }

  /// The four shares of each row together, normalised, as the part of this block's keys.
  ASHLAR_KERNEL_CODE void store_part() {
    constexpr int kThreadsPerRow = Config::kThreads / Config::kRows;
    const int row = machine_.thread() / kThreadsPerRow;
    if (!exists(row)) return;
    float maximum = -INFINITY;
    ASHLAR_UNROLL
    for (int w = 0; w < Config::kWarps; ++w) {
      maximum =
          fmaxf(maximum, machine_.load_float(statistic_offset(Config::kMaximumOffset, w, row)));
    }
    float factor[Config::kWarps];
    float sum = 0;
    ASHLAR_UNROLL
    for (int w = 0; w < Config::kWarps; ++w) {
      const float own = machine_.load_float(statistic_offset(Config::kMaximumOffset, w, row));
      factor[w] = machine_.exp2(own - guarded_maximum(maximum));  // of -infinity: 0
      sum += factor[w] * machine_.load_float(statistic_offset(Config::kSumOffset, w, row));
    }
    const std::int64_t at =
        arguments_.layout.at(place_.split, head_of(row), first_part_row(place_) + query_of(row));
    const int first = machine_.thread() % kThreadsPerRow;
    if (first == 0) {
      arguments_.part_lse[at] = part_lse(final_lse(maximum, sum, machine_.log2(sum)));
    }
    const float scale = final_factor(sum);
    float* const to = arguments_.part_out + at * arguments_.layout.width;
    ASHLAR_UNROLL
    for (int e = 0; e < Config::kHeadDim; e += kThreadsPerRow) {
      float value = 0;
      ASHLAR_UNROLL
      for (int w = 0; w < Config::kWarps; ++w) {
        value += factor[w] * machine_.load_float(out_offset(w, row, e + first));
      }
      to[e + first] = value * scale;
    }
  }

  Machine& machine_;
  const DecodeArguments& arguments_;
  DecodePlace place_;
  float out_[kOutTiles][4];  // unnormalised, of the keys of this warp
  float maximum_[2];         // of the scores in log2 units
  float sum_[2];             // this thread's share
};

/// One row of one query head from its parts: a grid of (rows of all sequences, query heads), half
/// as many threads as the head has elements.
template <class Config, class Machine>
class CombineBlock {
 public:
  static constexpr int kThreads = Config::kHeadDim / 2;

  ASHLAR_KERNEL_CODE CombineBlock(Machine& machine, const DecodeArguments& arguments)
      : machine_(machine), arguments_(arguments) {}

  ASHLAR_KERNEL_CODE void run() {
    const PartialLayout& layout = arguments_.layout;
    const int row = static_cast<int>(machine_.block().x);
    const int head = static_cast<int>(machine_.block().y);
    const bool packed = arguments_.features.packed();
    const int batch = packed ? 0 : row / arguments_.seqlen_q;
    const int query = packed ? row : row % arguments_.seqlen_q;
    const std::int64_t at = layout.at(0, head, row);
    const auto parts = static_cast<int>(layout.splits);
    const float* const lse = arguments_.part_lse + at;
    const float whole = combined_lse(lse, layout.split_stride(), parts);
    if (machine_.thread() == 0) {
      const Strides& s = arguments_.lse_strides;
      arguments_.lse[batch * s.batch + head * s.head + query * s.row] = whole;
    }
    const int element = 2 * machine_.thread();
    const float* const values = arguments_.part_out + at * layout.width + element;
    const std::int64_t step = layout.split_stride() * layout.width;
    const float low = combined_value(lse, layout.split_stride(), whole, values, step, parts);
    const float high = combined_value(lse, layout.split_stride(), whole, values + 1, step, parts);
    const Strides& s = arguments_.out_strides;
    machine_.store_word(arguments_.out + batch * s.batch + head * s.head + query * s.row + element,
                        machine_.pack(low, high));
  }

 private:
  Machine& machine_;
  const DecodeArguments& arguments_;
};

}  // namespace ashlar::flashattention2::kernel
