#pragma once
// The online softmax on the accumulators of a warpgroup, and what ends a row. `Machine` is that of
// cuda_wgmma_block.hpp.
#include <cmath>
#include <cstdint>

#include "impls/flashattention2/cuda_forward_block.hpp"
#include "impls/flashattention2/cuda_wgmma_math.hpp"

namespace ashlar::flashattention2::kernel {

/// The two rows of a thread: lane / 4 of its warp's sixteen, and the eighth from there. Element i
/// of an accumulator belongs to the second where i / 2 is odd.
template <class Config, class Machine>
class WgmmaSoftmax {
 public:
  using Scores = float[Config::kColumns / 2];
  using Output = float[Config::kHeadDim / 2];
  static constexpr int kSteps = Config::kColumns / 16;  // of depth of P V
  using Weights = Fragment[kSteps];                     // P in 16 bits, as A fragments

  ASHLAR_KERNEL_CODE WgmmaSoftmax(Machine& machine, float scale_log2)
      : machine_(machine), scale_log2_(scale_log2) {
    for (int r = 0; r < 2; ++r) {
      maximum_[r] = -INFINITY;
      sum_[r] = 0;
      shrink_[r] = 1;
    }
  }

  /// Hides what a row does not see of a column block that begins at `first`.
  static ASHLAR_KERNEL_CODE void mask(Scores& scores, int thread, int first, int row, int seqlen_q,
                                      int seqlen_k) {
    ASHLAR_UNROLL
    for (int r = 0; r < 2; ++r) {
      const int visible = visible_columns<Config::kCausal>(row + 8 * r, seqlen_q, seqlen_k) -
                          first - wgmma_column(thread, 0);
      ASHLAR_UNROLL
      for (int i = 2 * r; i < Config::kColumns / 2; i += 4) {
        if (wgmma_column(0, i) >= visible) scores[i] = -INFINITY;
        if (wgmma_column(0, i + 1) >= visible) scores[i + 1] = -INFINITY;
      }
    }
  }

  /// Scores become exp(s - m), in place; what the sums so far have to be multiplied with is kept
  /// for shrink(). The maximum is kept scaled and rounded, since weights, shrinking and lse must
  /// all mean the same number. Sums stay partial per thread until factor().
  ASHLAR_KERNEL_CODE void soften(Scores& scores) {
    ASHLAR_UNROLL
    for (int r = 0; r < 2; ++r) {
      float top = fmaxf(scores[2 * r], scores[2 * r + 1]);
      ASHLAR_UNROLL
      for (int i = 2 * r + 4; i < Config::kColumns / 2; i += 4) {
        top = fmaxf(top, fmaxf(scores[i], scores[i + 1]));
      }
      top = fmaxf(top, machine_.shuffle_xor(top, 1));
      top = fmaxf(top, machine_.shuffle_xor(top, 2));
      const float maximum = fmaxf(maximum_[r], top * scale_log2_);
      const float shift = guarded_maximum(maximum);
      shrink_[r] = machine_.exp2(maximum_[r] - shift);  // of -infinity: 0
      maximum_[r] = maximum;
      float sum = sum_[r] * shrink_[r];
      ASHLAR_UNROLL
      for (int i = 2 * r; i < Config::kColumns / 2; i += 4) {
        scores[i] = machine_.exp2(fmaf(scores[i], scale_log2_, -shift));
        scores[i + 1] = machine_.exp2(fmaf(scores[i + 1], scale_log2_, -shift));
        sum += scores[i];
        sum += scores[i + 1];
      }
      sum_[r] = sum;
    }
  }

  /// O under the new maximum.
  ASHLAR_KERNEL_CODE void shrink(Output& out) const {
    ASHLAR_UNROLL
    for (int i = 0; i < Config::kHeadDim / 2; ++i) out[i] *= shrink_[i / 2 % 2];
  }

  /// Eight accumulators of two neighbouring columns of eight, packed, are the A fragment of one
  /// step of depth.
  ASHLAR_KERNEL_CODE void pack(const Scores& scores, Weights& weights) {
    ASHLAR_UNROLL
    for (int k = 0; k < kSteps; ++k) {
      ASHLAR_UNROLL
      for (int w = 0; w < 4; ++w) {
        weights[k].word[w] = machine_.pack(scores[8 * k + 2 * w], scores[8 * k + 2 * w + 1]);
      }
    }
  }

  struct RowEnd {
    float factor;
    float lse;
  };
  ASHLAR_KERNEL_CODE RowEnd end(int r) {
    float sum = sum_[r] + machine_.shuffle_xor(sum_[r], 1);
    sum += machine_.shuffle_xor(sum, 2);
    return {final_factor(sum), final_lse(maximum_[r], sum, machine_.log2(sum))};
  }

 private:
  Machine& machine_;
  float scale_log2_;
  float maximum_[2];  // of the scores, times scale_log2
  float sum_[2];
  float shrink_[2];
};

}  // namespace ashlar::flashattention2::kernel
