#pragma once
// What happens to scores and their gradients between the products of the backward pass: softmax,
// softcap, masks, dropout, and the way through shared memory. `Machine` is that of
// cuda_forward_block.hpp; cuda_backward_block.hpp builds on this.
#include <cmath>
#include <cstdint>

#include "impls/flashattention2/cuda_backward_math.hpp"
#include "impls/flashattention2/cuda_layouts.hpp"

namespace ashlar::flashattention2::kernel {

template <class Config, class Machine>
class BackwardScores {
 public:
  ASHLAR_KERNEL_CODE BackwardScores(Machine& machine, const BackwardArguments& arguments)
      : machine_(machine), arguments_(arguments) {}

 protected:
  static constexpr int kScoreTiles = Config::kWarpColumns / 8;  // n8 tiles of S and dP
  using Scores = float[2][kScoreTiles][4];
  // dP is computed in parts of so many: beside P and the gradients of keys there are no registers
  // for all of it at head size 64, nor, with features, for half of it.
  static constexpr int kPartTiles = Config::kGeneral ? 2 : 4;
  using Part = float[2][kPartTiles][4];

  /// A number of each row that a thread has scores of: lane / 4 + {0, 8} of two tiles.
  struct RowValues {
    float of[2][2];
  };

  /// A row block of one query head of the group.
  struct Step {
    int member;
    int block;
  };

  ASHLAR_KERNEL_CODE SequencePlace sequence() const {
    return sequence_place<Config>(arguments_, static_cast<int>(machine_.block().z));
  }
  ASHLAR_KERNEL_CODE int head_kv() const { return static_cast<int>(machine_.block().y); }
  ASHLAR_KERNEL_CODE int head_of(const Step& step) const {
    return head_kv() * arguments_.group + step.member;
  }
  ASHLAR_KERNEL_CODE int warp() const { return machine_.thread() / kWarpSize; }
  ASHLAR_KERNEL_CODE int lane() const { return machine_.thread() % kWarpSize; }
  /// What a warp has of S and dP, of dQ, and of dK and dV.
  ASHLAR_KERNEL_CODE int first_row() const {
    return warp() % Config::kRowWarps * Config::kWarpRows;
  }
  ASHLAR_KERNEL_CODE int column_warp() const { return warp() / Config::kRowWarps; }
  ASHLAR_KERNEL_CODE int first_query() const {
    return warp() % Config::kQueryWarps * Config::kWarpQueries;
  }
  ASHLAR_KERNEL_CODE int query_warp() const { return warp() / Config::kQueryWarps; }
  ASHLAR_KERNEL_CODE int first_key() const {
    return warp() % Config::kKeyWarps * Config::kWarpKeys;
  }
  ASHLAR_KERNEL_CODE int key_warp() const { return warp() / Config::kKeyWarps; }

  /// Of lse_log2 or delta.
  ASHLAR_KERNEL_CODE RowValues load_rows(const float* statistics, const Step& step) const {
    statistics += padded_row<Config>(arguments_, sequence(), head_of(step), step.block);
    RowValues values;
    ASHLAR_UNROLL
    for (int m = 0; m < 2; ++m) {
      ASHLAR_UNROLL
      for (int r = 0; r < 2; ++r) values.of[m][r] = statistics[row_of(m, 2 * r)];
    }
    return values;
  }

  /// Writes two neighbours of a score's tile, in 16 bits.
  ASHLAR_KERNEL_CODE void store_scores(int to, int m, int n, int i, float low, float high) {
    const int chunk = column_warp() * (Config::kWarpColumns / 8) + n;
    machine_.store_pair(to + pair_offset<Config::kRows>(lane(), first_row() + 16 * m, chunk, i),
                        machine_.pack(low, high));
  }

  /// The row of element i of tile m, from the start of the row block, and the first column of tile
  /// n of this lane, from the start of the column block.
  ASHLAR_KERNEL_CODE int row_of(int m, int i) const {
    return first_row() + 16 * m + accumulator_row(lane(), i);
  }
  ASHLAR_KERNEL_CODE int column_of(int n) const {
    return column_warp() * Config::kWarpColumns + 8 * n + accumulator_column(lane(), 0);
  }

  /// S to P, kept in single precision, and stored in 16 bits with what dropout makes of it. What is
  /// dropped gets a minus sign, so that the mask is not computed twice; under a softcap, which has
  /// no dropout beside it, the tanh is kept in the place of the weight, which follows from it.
  ASHLAR_KERNEL_CODE void weigh(Scores& scores, const RowValues& lse, int block, const Step& step,
                                bool masked) {
    const SequencePlace place = sequence();
    const bool ragged = (block + 1) * Config::kColumns > place.seqlen_k;
    ASHLAR_UNROLL
    for (int m = 0; m < 2; ++m) {
      ASHLAR_UNROLL
      for (int i = 0; i < 4; i += 2) {
        ASHLAR_UNROLL
        for (int n = 0; n < kScoreTiles; ++n) {
          scores[m][n][i] = keep_of(scores[m][n][i], lse.of[m][i / 2]);
          scores[m][n][i + 1] = keep_of(scores[m][n][i + 1], lse.of[m][i / 2]);
        }
      }
    }
    if (masked || ragged) hide(scores, place, block, step);
    if constexpr (Config::kGeneral) {
      if (arguments_.features.dropout.active()) drop(scores, block, step);
    }
    const float keep = keep_factor();
    ASHLAR_UNROLL
    for (int m = 0; m < 2; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kScoreTiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 4; i += 2) {
          store_scores(Config::kWeightOffset, m, n, i,
                       weight_of(scores[m][n][i], lse.of[m][i / 2]) * keep,
                       weight_of(scores[m][n][i + 1], lse.of[m][i / 2]) * keep);
        }
      }
    }
  }

  ASHLAR_KERNEL_CODE bool capped() const {
    return Config::kGeneral && arguments_.features.cap_factor > 0;
  }

  /// What is kept of a score, and the weight in the product dV, before its factor, from that.
  ASHLAR_KERNEL_CODE float keep_of(float score, float lse) {
    if (capped()) return machine_.tanh(score * arguments_.features.cap_factor);
    return machine_.exp2(fmaf(score, arguments_.scale_log2, -lse));
  }
  ASHLAR_KERNEL_CODE float weight_of(float kept, float lse) {
    if (capped()) return machine_.exp2(fmaf(kept, arguments_.features.cap_log2, -lse));
    return Config::kGeneral && kept < 0.0F ? 0.0F : kept;
  }

  /// Takes the weights of columns that a row does not see.
  ASHLAR_KERNEL_CODE void hide(Scores& scores, const SequencePlace& place, int block,
                               const Step& step) const {
    const Mask<int> mask = mask_of<Config::kKind>(arguments_.features, place);
    const float hidden = capped() ? -INFINITY : 0.0F;
    ASHLAR_UNROLL
    for (int m = 0; m < 2; ++m) {
      ASHLAR_UNROLL
      for (int i = 0; i < 4; i += 2) {
        const Range<int> seen = mask.columns(step.block * Config::kRows + row_of(m, i));
        ASHLAR_UNROLL
        for (int n = 0; n < kScoreTiles; ++n) {
          const int first = block * Config::kColumns + column_of(n);
          if (!seen.contains(first)) scores[m][n][i] = hidden;
          if (!seen.contains(first + 1)) scores[m][n][i + 1] = hidden;
        }
      }
    }
  }

  ASHLAR_KERNEL_CODE float keep_factor() const {
    if (!Config::kGeneral || !arguments_.features.dropout.active()) return 1;
    return DropoutMask(arguments_.features.dropout, 0).keep_factor();
  }

  ASHLAR_KERNEL_CODE void drop(Scores& weights, int block, const Step& step) {
    const SequencePlace place = sequence();
    const DropoutMask mask(
        arguments_.features.dropout,
        static_cast<std::uint32_t>(place.id * arguments_.heads_q + head_of(step)));
    ASHLAR_UNROLL
    for (int m = 0; m < 2; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kScoreTiles; n += 4) {
        const core::PhiloxWords words = lane_patch(
            mask, step.block * Config::kRows + first_row() + 16 * m,
            block * Config::kColumns + column_warp() * Config::kWarpColumns + 8 * n, lane());
        ASHLAR_UNROLL
        for (int tile = 0; tile < 4; ++tile) {
          ASHLAR_UNROLL
          for (int i = 0; i < 4; ++i) {
            float& weight = weights[m][n + tile][i];
            if (!mask.keeps(words, patch_byte(tile, i))) weight = -weight;
          }
        }
      }
    }
  }

  /// dP of the tiles from `first` on to dS, stored in 16 bits.
  ASHLAR_KERNEL_CODE void differentiate(const Scores& weights, const Part& gradients, int first,
                                        const RowValues& lse, const RowValues& delta) {
    const float keep = keep_factor();
    ASHLAR_UNROLL
    for (int m = 0; m < 2; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kPartTiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 4; i += 2) {
          float pair[2];
          ASHLAR_UNROLL
          for (int j = 0; j < 2; ++j) {
            pair[j] = score_gradient(weights[m][first + n][i + j], gradients[m][n][i + j] * keep,
                                     delta.of[m][i / 2], lse.of[m][i / 2]);
          }
          store_scores(Config::kScoreGradientOffset, m, first + n, i, pair[0], pair[1]);
        }
      }
    }
  }

  ASHLAR_KERNEL_CODE float score_gradient(float kept, float gradient, float delta, float lse) {
    if (capped()) {
      const float weight = weight_of(kept, lse);
      // A hidden score is -infinity: 0 * infinity is NaN.
      return weight == 0.0F ? 0.0F : weight * (gradient - delta) * fmaf(-kept, kept, 1.0F);
    }
    if constexpr (!Config::kGeneral) return kept * (gradient - delta);
    return fabsf(kept) * ((kept < 0.0F ? 0.0F : gradient) - delta);
  }

  Machine& machine_;
  const BackwardArguments& arguments_;
};

}  // namespace ashlar::flashattention2::kernel
