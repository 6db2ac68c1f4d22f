// The softmax of decode_kernels.hpp in single precision, compiled once per Highway target.
#include <algorithm>
#include <cmath>
#include <limits>

#include "impls/flashattention2/decode_kernels.hpp"

// The same targets as in decode_kernels.cpp.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "impls/flashattention2/decode_softmax.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::HWY_NAMESPACE {

// Apart from functions of the same names in strip_math-inl.hpp, of which other files of this
// namespace are made: here 2^x - 1 is needed too, without cancellation.
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_CAP_GE512
using Tag = hn::FixedTag<float, 16>;
#else
using Tag = hn::CappedTag<float, 8>;
#endif
using Vector = hn::Vec<Tag>;
constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(Tag()));

/// 2^x = power * (1 + rest) for x <= 0 (anything below -126 counts as -126). Relative error of
/// 1 + rest 1.1e-7 before rounding; exact at 0; NaN stays NaN. x = n + f with n the nearest
/// integer; a minimax polynomial with constant term 1 on [-1/2, 1/2] gives 2^f. Adding 1.5 * 2^23
/// rounds x to an integer and leaves it in the low bits; with 127 more these are the exponent field
/// of 2^n.
struct Power {
  Vector power;
  Vector rest;
};

HWY_INLINE Power power_of_two(Vector x) {
  const Tag d;
  const hn::RebindToSigned<Tag> di;
  const Vector magic = hn::Set(d, 0x1.8p23f + 127.0f);
  x = hn::Max(hn::Set(d, -126.0f), x);  // in this order x86 keeps a NaN
  const Vector shifted = hn::Add(x, magic);
  const Vector f = hn::Sub(x, hn::Sub(shifted, magic));
  Vector p = hn::Set(d, 0.00132647273f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.00967151299f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.0555073358f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.240222424f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.693147004f));
  return {hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted))), hn::Mul(p, f)};
}

HWY_INLINE Vector exp2_nonpositive(Vector x) {
  const Power two = power_of_two(x);
  return hn::MulAdd(two.power, two.rest, two.power);
}

/// tanh(x) = sign(x) * -e / (e + 2) with e = exp(-2 |x|) - 1, which is accurate relative to x too.
HWY_INLINE Vector tanh_of(Vector x) {
  const Tag d;
  constexpr float kMinusTwoLog2e = -2.88539008f;
  const Power two = power_of_two(hn::Mul(hn::Abs(x), hn::Set(d, kMinusTwoLog2e)));
  const Vector e = hn::MulAdd(two.power, two.rest, hn::Sub(two.power, hn::Set(d, 1.0f)));
  const Vector size = hn::Div(hn::Neg(e), hn::Add(e, hn::Set(d, 2.0f)));
  return hn::CopySignToAbs(hn::Abs(size), x);
}

/// Lanes of the vector at `first` that lie in a range.
HWY_INLINE hn::Mask<Tag> lanes_in(Index first, const Range<Index>& range) {
  const Tag d;
  const auto before = [&](Index end) {
    return hn::FirstN(d, static_cast<std::size_t>(std::clamp<Index>(end - first, 0, kLanes)));
  };
  return hn::AndNot(before(range.begin), before(range.end));
}

HWY_INLINE bool inside(Index first, const Range<Index>& range) {
  return first >= range.begin && first + kLanes <= range.end;
}

HWY_INLINE float visible_max(const float* row, const Range<Index>& visible) {
  const Tag d;
  const Vector lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  Vector top = lowest;
  for (Index c = visible.begin / kLanes * kLanes; c < visible.end; c += kLanes) {
    Vector score = hn::Load(d, row + c);
    if (!inside(c, visible)) score = hn::IfThenElse(lanes_in(c, visible), score, lowest);
    top = hn::Max(top, score);
  }
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

/// Scores to weights; returns the sum of the visible ones.
HWY_INLINE float exponentiate(float* row, Index count, const Range<Index>& visible, float scale,
                              float max) {
  const Tag d;
  const Vector factor = hn::Set(d, scale);
  const Vector shift = hn::Set(d, max);
  Vector sum = hn::Zero(d);
  for (Index c = 0; c < count; c += kLanes) {
    Vector weight = exp2_nonpositive(hn::MulSub(hn::Load(d, row + c), factor, shift));
    if (!inside(c, visible)) weight = hn::IfThenElseZero(lanes_in(c, visible), weight);
    hn::Store(weight, d, row + c);
    sum = hn::Add(sum, weight);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace

void soften(const DecodeSoftmax& softmax, Index rows, Index count, const Range<Index>* visible,
            float* scores, DecodeStatistics* statistics) {
  const Tag d;
  const bool capped = softmax.cap_factor > 0;
  const float scale = capped ? softmax.cap_log2e : softmax.scale_log2e;
  for (Index r = 0; r < rows; ++r) {
    float* row = scores + r * kDecodeScoreStride;
    DecodeStatistics& own = statistics[r];
    own.rescale = 1.0f;
    if (visible[r].empty()) {
      std::fill(row, row + count, 0.0f);
      continue;
    }
    for (Index c = 0; capped && c < count; c += kLanes) {
      const Vector score = hn::Mul(hn::Load(d, row + c), hn::Set(d, softmax.cap_factor));
      hn::Store(tanh_of(score), d, row + c);
    }
    const float max = std::max(own.max, visible_max(row, visible[r]) * scale);
    // A row that saw nothing yet has nothing to rescale (and -inf - max must not be computed).
    if (max > own.max && own.sum != 0.0f) own.rescale = std::exp2(own.max - max);
    own.max = max;
    own.sum = own.sum * own.rescale + exponentiate(row, count, visible[r], scale, max);
  }
}

}  // namespace ashlar::flashattention2::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
