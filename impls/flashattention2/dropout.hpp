#pragma once
// Dropout of attention weights: a mask that is a function of coordinates alone, so that it is the
// same for every tile size, thread count, pass and device, and never stored.
//
// Whether weight (row, column) of query head `head` of sequence `sequence` is kept hangs on one
// byte of Philox 4x32-10 under the key `seed`. One call gives 16 bytes, and these are dealt out so
// that one thread of a tensor-core kernel uses all of them: in accumulators of mma.m16n8 a thread
// holds rows r and r + 8 and columns 2c and 2c + 1 of each tile 8 columns wide, hence four
// neighbouring tiles, which is a patch of 16 rows x 32 columns per warp:
//   counter = (column / 32 * 4 + column % 8 / 2, row / 16 * 8 + row % 8, head id, offset)
//   byte    = row % 16 / 8 * 8 + column % 32 / 8 * 2 + column % 2
// A weight is kept when its byte is below a threshold out of 256. Probabilities are thereby rounded
// to 1/256; what is kept is divided by the rounded probability, so the expected output is exactly
// that without dropout. (The official code compares bytes too, but divides by the probability that
// was asked for.)
#include <cstdint>

#include "impls/core/philox.hpp"

namespace ashlar::flashattention2 {

struct Dropout {
  float probability = 0;     // of dropping a weight, in [0, 1); 0: no dropout
  std::uint64_t seed = 0;    // of one training step, say
  std::uint32_t offset = 0;  // tells uses of one seed apart (layers)

  ASHLAR_HOST_DEVICE constexpr bool active() const { return probability > 0; }
};

/// How many of 256 bytes keep a weight: 1 to 256.
ASHLAR_HOST_DEVICE constexpr int keep_threshold(float probability) {
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative, and lround is not constexpr
  const int kept = static_cast<int>((1.0f - probability) * 256.0f + 0.5f);
  return kept < 1 ? 1 : kept;
}

/// The mask of one (sequence, query head).
class DropoutMask {
 public:
  ASHLAR_HOST_DEVICE constexpr DropoutMask(const Dropout& dropout, std::uint32_t head_id)
      : key0_(static_cast<std::uint32_t>(dropout.seed)),
        key1_(static_cast<std::uint32_t>(dropout.seed >> 32)),
        offset_(dropout.offset),
        head_id_(head_id),
        threshold_(keep_threshold(dropout.probability)) {}

  /// The probability of keeping a weight, after rounding.
  ASHLAR_HOST_DEVICE constexpr float keep_probability() const {
    return static_cast<float>(threshold_) / 256.0f;
  }
  ASHLAR_HOST_DEVICE constexpr float keep_factor() const {
    return 256.0f / static_cast<float>(threshold_);
  }
  ASHLAR_HOST_DEVICE constexpr int threshold() const { return threshold_; }

  /// The 16 bytes that (row, column) shares with the rest of its thread's patch.
  ASHLAR_HOST_DEVICE constexpr core::PhiloxWords patch(std::uint32_t row,
                                                       std::uint32_t column) const {
    return core::philox(
        {{column / 32 * 4 + column % 8 / 2, row / 16 * 8 + row % 8, head_id_, offset_}}, key0_,
        key1_);
  }
  /// Where the byte of (row, column) lies in its patch.
  ASHLAR_HOST_DEVICE static constexpr int byte_of(std::uint32_t row, std::uint32_t column) {
    return static_cast<int>(row % 16 / 8 * 8 + column % 32 / 8 * 2 + column % 2);
  }
  ASHLAR_HOST_DEVICE constexpr bool keeps(const core::PhiloxWords& words, int byte) const {
    return static_cast<int>((words.word[byte / 4] >> (byte % 4 * 8)) & 0xffu) < threshold_;
  }
  ASHLAR_HOST_DEVICE constexpr bool keeps(std::uint32_t row, std::uint32_t column) const {
    return keeps(patch(row, column), byte_of(row, column));
  }

  ASHLAR_HOST_DEVICE constexpr std::uint32_t key0() const { return key0_; }
  ASHLAR_HOST_DEVICE constexpr std::uint32_t key1() const { return key1_; }
  ASHLAR_HOST_DEVICE constexpr std::uint32_t offset() const { return offset_; }
  ASHLAR_HOST_DEVICE constexpr std::uint32_t head_id() const { return head_id_; }

 private:
  std::uint32_t key0_;
  std::uint32_t key1_;
  std::uint32_t offset_;
  std::uint32_t head_id_;  // sequence * heads_q + head
  int threshold_;
};

}  // namespace ashlar::flashattention2
