#pragma once
// What happens to scores between the two products of the forward pass, but for the softmax itself:
// softcap, masks, dropout. `Machine` is that of cuda_forward_block.hpp, which builds on this.
#include <cmath>
#include <cstdint>

#include "impls/flashattention2/cuda_forward_math.hpp"
#include "impls/flashattention2/cuda_layouts.hpp"

namespace ashlar::flashattention2::kernel {

template <class Config, class Machine>
class ForwardScores {
 public:
  ASHLAR_KERNEL_CODE ForwardScores(Machine& machine, const ForwardArguments& arguments)
      : machine_(machine), arguments_(arguments) {}

 protected:
  static constexpr int kRowTiles = Config::kRowTiles;       // m16 tiles of a warp
  static constexpr int kThreadRows = 2 * kRowTiles;         // rows lane/4 + {0, 8, ...} of a warp
  static constexpr int kScoreTiles = Config::kColumns / 8;  // n8 tiles of S
  using Scores = float[kRowTiles][kScoreTiles][4];

  ASHLAR_KERNEL_CODE BlockPlace place() const {
    return block_place<Config>(arguments_, machine_.block());
  }

  /// The row of a thread row, from the start of the row block.
  static ASHLAR_KERNEL_CODE int row_of(int thread, int thread_row) {
    return thread / kWarpSize * Config::kRowsPerWarp + 8 * thread_row + thread % kWarpSize / 4;
  }

  /// Softcap: scores in log2 units from then on.
  ASHLAR_KERNEL_CODE void cap(Scores& scores) {
    if (arguments_.features.cap_factor == 0) return;
    ASHLAR_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kScoreTiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 4; ++i) {
          scores[m][n][i] = arguments_.features.cap_log2 *
                            machine_.tanh(scores[m][n][i] * arguments_.features.cap_factor);
        }
      }
    }
  }
  /// What makes log2 units of scores.
  ASHLAR_KERNEL_CODE float score_factor() const {
    if (Config::kGeneral && arguments_.features.cap_factor > 0) return 1;
    return arguments_.scale_log2;
  }

  /// Hides columns that a row does not see.
  ASHLAR_KERNEL_CODE void mask(Scores& scores, int block) const {
    const BlockPlace place = this->place();
    const int thread = machine_.thread();
    const int first = block * Config::kColumns + accumulator_column(thread % kWarpSize, 0);
    ASHLAR_UNROLL
    for (int r = 0; r < kThreadRows; ++r) {
      const int row = place.row_begin + row_of(thread, r);
      if constexpr (Config::kGeneral) {
        const Range<int> seen =
            mask_of<Config::kKind>(arguments_.features, place.sequence).columns(row);
        hide(scores, r, seen.begin - first, seen.end - first);
      } else {
        const int visible =
            visible_columns<Config::kCausal>(row, arguments_.seqlen_q, arguments_.seqlen_k);
        hide(scores, r, -Config::kColumns, visible - first);
      }
    }
  }

  /// All but [begin, end) of a row, from this lane's first column on.
  static ASHLAR_KERNEL_CODE void hide(Scores& scores, int r, int begin, int end) {
    ASHLAR_UNROLL
    for (int n = 0; n < kScoreTiles; ++n) {
      ASHLAR_UNROLL
      for (int i = 0; i < 2; ++i) {
        const int column = 8 * n + i;
        if (column >= end || (Config::kGeneral && column < begin)) {
          scores[r / 2][n][2 * (r % 2) + i] = -INFINITY;
        }
      }
    }
  }

  /// Bit 4 n + i says whether element i of tile n of four, from `first` on, is dropped.
  ASHLAR_KERNEL_CODE unsigned dropped(const DropoutMask& mask, int row, int column) const {
    const core::PhiloxWords words = lane_patch(mask, row, column, machine_.thread() % kWarpSize);
    unsigned bits = 0;
    ASHLAR_UNROLL
    for (int n = 0; n < 4; ++n) {
      ASHLAR_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (!mask.keeps(words, patch_byte(n, i))) bits |= 1U << (4 * n + i);
      }
    }
    return bits;
  }

  /// dropped() of row tile m and the four column tiles from n on; 0 without dropout.
  ASHLAR_KERNEL_CODE unsigned dropped_tiles(int m, int n, int block) const {
    if (!arguments_.features.dropout.active()) return 0;
    const BlockPlace place = this->place();
    const int heads_q = arguments_.group * arguments_.heads_kv;
    const DropoutMask mask(arguments_.features.dropout,
                           static_cast<std::uint32_t>(place.sequence.id * heads_q + place.head));
    const int warp_row = machine_.thread() / kWarpSize * Config::kRowsPerWarp;
    return dropped(mask, place.row_begin + warp_row + 16 * m, block * Config::kColumns + 8 * n);
  }
  /// What makes up for it.
  ASHLAR_KERNEL_CODE float keep_factor() const {
    if (!Config::kGeneral || !arguments_.features.dropout.active()) return 1;
    return DropoutMask(arguments_.features.dropout, 0).keep_factor();
  }

  Machine& machine_;
  const ForwardArguments& arguments_;
};

}  // namespace ashlar::flashattention2::kernel
