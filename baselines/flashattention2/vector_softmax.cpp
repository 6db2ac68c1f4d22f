#include "baselines/flashattention2/vector_softmax.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "impls/core/half.hpp"
#include "impls/core/simd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "baselines/flashattention2/vector_softmax.cpp"
#include <hwy/foreach_target.h>
// Highway must come after foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::baselines {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using core::BFloat16;
using core::Index;

// At most 16 lanes, so that kSoftmaxPadding holds a whole vector.
using Floats = hn::CappedTag<float, static_cast<size_t>(kSoftmaxPadding)>;
using Vector = hn::Vec<Floats>;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// 2^x for x <= 0 (and a little above, by rounding); exactly 0 below 2^-126 and for -infinity; NaN
/// stays NaN. Adding 1.5 * 2^23 + 127 rounds x to an integer n and leaves the exponent field of 2^n
/// in the low bits. 2^n is a factor, as an integer added to the exponent of 2^f would make a number
/// of a NaN.
HWY_INLINE Vector exp2_nonpositive(Vector x) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const Vector magic = hn::Set(d, 0x1.8p23f + 127.0f);
  const auto vanishes = hn::Lt(x, hn::Set(d, -126.0f));
  const Vector kept = hn::IfThenZeroElse(vanishes, x);
  const Vector shifted = hn::Add(kept, magic);
  const Vector f = hn::Sub(kept, hn::Sub(shifted, magic));
  // 1 + f q(f): q interpolates (2^f - 1) / f at the Chebyshev points of [-1/2, 1/2]; error 5e-9.
  Vector q = hn::Set(d, 1.545316294e-4f);
  q = hn::MulAdd(q, f, hn::Set(d, 1.339086336e-3f));
  q = hn::MulAdd(q, f, hn::Set(d, 9.618082557e-3f));
  q = hn::MulAdd(q, f, hn::Set(d, 5.550357114e-2f));
  q = hn::MulAdd(q, f, hn::Set(d, 2.402265076e-1f));
  q = hn::MulAdd(q, f, hn::Set(d, 6.931471880e-1f));
  const Vector fraction = hn::MulAdd(q, f, hn::Set(d, 1.0f));
  const Vector power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted)));
  return hn::IfThenZeroElse(vanishes, hn::Mul(fraction, power));
}

HWY_INLINE float row_maximum(const float* scores, Index count) {
  const Floats d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  Vector max0 = hn::Set(d, kLowest);
  Vector max1 = max0;
  Index c = 0;
  for (; c + 2 * lanes <= count; c += 2 * lanes) {
    max0 = hn::Max(max0, hn::LoadU(d, scores + c));
    max1 = hn::Max(max1, hn::LoadU(d, scores + c + lanes));
  }
  for (; c < count; c += lanes) max0 = hn::Max(max0, hn::LoadU(d, scores + c));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(max0, max1)));
}

/// scores <- 2^(factor * scores - shift); returns their sum.
HWY_INLINE float exponentials(float* scores, Index count, float factor, float shift) {
  const Floats d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const Vector factors = hn::Set(d, factor);
  const Vector shifts = hn::Set(d, shift);
  Vector sum0 = hn::Zero(d);
  Vector sum1 = hn::Zero(d);
  const auto step = [&](Index at) HWY_ATTR {
    const Vector score = hn::LoadU(d, scores + at);
    const Vector weight = exp2_nonpositive(hn::MulSub(score, factors, shifts));
    hn::StoreU(weight, d, scores + at);
    return weight;
  };
  Index c = 0;
  for (; c + 2 * lanes <= count; c += 2 * lanes) {
    sum0 = hn::Add(sum0, step(c));
    sum1 = hn::Add(sum1, step(c + lanes));
  }
  for (; c < count; c += lanes) sum0 = hn::Add(sum0, step(c));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
}

struct RowSum {
  float sum;
  float lse;
};

/// Turns scores into weights up to their sum; `padded` columns may be overwritten.
RowSum unnormalised_row(float* scores, Index visible, Index padded, float scale) {
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2 = 0.6931471805599453;
  std::fill(scores + visible, scores + padded, kLowest);
  const auto factor = static_cast<float>(static_cast<double>(scale) * kLog2E);
  const float shift = row_maximum(scores, padded) * factor;
  const float sum = exponentials(scores, padded, factor, shift);
  const double lse = static_cast<double>(shift) * kLn2 + std::log(static_cast<double>(sum));
  return {sum, static_cast<float>(lse)};
}

float SoftmaxToFloat(float* scores, Index visible, Index width, float scale) {
  const Floats d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const Index padded = padded_width(visible);
  const RowSum row = unnormalised_row(scores, visible, padded, scale);
  const Vector inverse = hn::Set(d, 1.0f / row.sum);
  for (Index c = 0; c < padded; c += lanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, scores + c), inverse), d, scores + c);
  }
  if (padded < width) std::fill(scores + padded, scores + width, 0.0f);
  return row.lse;
}

float SoftmaxToBFloat16(float* scores, BFloat16* weights, Index visible, Index width, float scale) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> du;
  const hn::Rebind<uint16_t, Floats> du16;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const Index padded = padded_width(visible);
  const RowSum row = unnormalised_row(scores, visible, padded, scale);
  if (std::isnan(row.sum)) {
    std::fill(weights, weights + width, BFloat16{0x7fc0});
    return row.lse;
  }
  const Vector inverse = hn::Set(d, 1.0f / row.sum);
  auto* bits = reinterpret_cast<uint16_t*>(weights);
  for (Index c = 0; c < padded; c += lanes) {
    // Weights are finite and positive: adding half a unit of the last place kept rounds them. (The
    // sum would round some NaNs to zero.)
    const auto wide = hn::BitCast(du, hn::Mul(hn::LoadU(d, scores + c), inverse));
    const auto odd = hn::And(hn::ShiftRight<16>(wide), hn::Set(du, 1));
    const auto rounded = hn::Add(wide, hn::Add(odd, hn::Set(du, 0x7fff)));
    hn::StoreU(hn::TruncateTo(du16, hn::ShiftRight<16>(rounded)), du16, bits + c);
  }
  if (padded < width) std::fill(weights + padded, weights + width, BFloat16{});
  return row.lse;
}

HWY_INLINE Vector load(const float* from) { return hn::LoadU(Floats(), from); }

HWY_INLINE Vector load(const BFloat16* from) {
  const hn::RebindToUnsigned<Floats> du;
  const hn::Rebind<uint16_t, Floats> du16;
  const auto bits = hn::LoadU(du16, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}

HWY_INLINE void store(Vector value, float* to) { hn::StoreU(value, Floats(), to); }

/// To nearest, ties to even; NaN stays NaN.
HWY_INLINE void store(Vector value, BFloat16* to) {
  const hn::RebindToUnsigned<Floats> du;
  const hn::Rebind<uint16_t, Floats> du16;
  const auto wide = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<16>(wide), hn::Set(du, 1));
  const auto rounded = hn::Add(wide, hn::Add(odd, hn::Set(du, 0x7fff)));
  const auto number = hn::RebindMask(du, hn::Eq(value, value));
  const auto kept = hn::IfThenElse(number, rounded, hn::Set(du, 0x7fc00000));
  hn::StoreU(hn::TruncateTo(du16, hn::ShiftRight<16>(kept)), du16, reinterpret_cast<uint16_t*>(to));
}

template <class T>
float dot(const T* a, const T* b, Index count) {
  const Floats d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  Vector sum = hn::Zero(d);
  Index c = 0;
  for (; c + lanes <= count; c += lanes) sum = hn::MulAdd(load(a + c), load(b + c), sum);
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; c < count; ++c) total += core::to_float(a[c]) * core::to_float(b[c]);
  return total;
}

float DotFloat(const float* a, const float* b, Index count) { return dot(a, b, count); }
float DotBFloat16(const BFloat16* a, const BFloat16* b, Index count) { return dot(a, b, count); }

template <class T>
void weights_of(float* scores, T* weights, Index visible, Index width, float scale, float lse) {
  constexpr float kLog2E = 1.44269504f;
  const Floats d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const Index padded = padded_width(visible);
  std::fill(scores + visible, scores + padded, kLowest);
  const Vector factor = hn::Set(d, scale * kLog2E);
  const Vector shift = hn::Set(d, lse * kLog2E);
  for (Index c = 0; c < padded; c += lanes) {
    store(exp2_nonpositive(hn::MulSub(load(scores + c), factor, shift)), weights + c);
  }
  if (padded < width) std::fill(weights + padded, weights + width, T{});
}

void WeightsFloat(float* scores, Index visible, Index width, float scale, float lse) {
  weights_of(scores, scores, visible, width, scale, lse);
}
void WeightsBFloat16(float* scores, BFloat16* weights, Index visible, Index width, float scale,
                     float lse) {
  weights_of(scores, weights, visible, width, scale, lse);
}

template <class T>
void gradient_of(const T* weights, const float* gradients, T* out, Index width, float delta,
                 float scale) {
  const Floats d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const Vector deltas = hn::Set(d, delta);
  const Vector factor = hn::Set(d, scale);
  const Index padded = padded_width(width);
  for (Index c = 0; c < padded; c += lanes) {
    const Vector scaled = hn::Mul(load(weights + c), factor);
    store(hn::Mul(scaled, hn::Sub(load(gradients + c), deltas)), out + c);
  }
}

void GradientFloat(const float* weights, float* gradients, Index width, float delta, float scale) {
  gradient_of(weights, gradients, gradients, width, delta, scale);
}
void GradientBFloat16(const BFloat16* weights, const float* gradients, BFloat16* rounded,
                      Index width, float delta, float scale) {
  gradient_of(weights, gradients, rounded, width, delta, scale);
}

}  // namespace HWY_NAMESPACE
}  // namespace ashlar::flashattention2::baselines
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ashlar::flashattention2::baselines {
namespace {

HWY_EXPORT(SoftmaxToFloat);
HWY_EXPORT(SoftmaxToBFloat16);
HWY_EXPORT(DotFloat);
HWY_EXPORT(DotBFloat16);
HWY_EXPORT(WeightsFloat);
HWY_EXPORT(WeightsBFloat16);
HWY_EXPORT(GradientFloat);
HWY_EXPORT(GradientBFloat16);

constexpr float kNothingVisible = std::numeric_limits<float>::infinity();

}  // namespace

float softmax_row(float* scores, core::Index visible, core::Index width, float scale) {
  if (visible == 0) {
    std::fill_n(scores, width, 0.0f);
    return kNothingVisible;
  }
  core::prepare_dispatch();
  return HWY_DYNAMIC_DISPATCH(SoftmaxToFloat)(scores, visible, width, scale);
}

float softmax_row(float* scores, core::BFloat16* weights, core::Index visible, core::Index width,
                  float scale) {
  if (visible == 0) {
    std::fill_n(weights, width, core::BFloat16{});
    return kNothingVisible;
  }
  core::prepare_dispatch();
  return HWY_DYNAMIC_DISPATCH(SoftmaxToBFloat16)(scores, weights, visible, width, scale);
}

float dot_row(const float* a, const float* b, core::Index count) {
  core::prepare_dispatch();
  return HWY_DYNAMIC_DISPATCH(DotFloat)(a, b, count);
}

float dot_row(const core::BFloat16* a, const core::BFloat16* b, core::Index count) {
  core::prepare_dispatch();
  return HWY_DYNAMIC_DISPATCH(DotBFloat16)(a, b, count);
}

void weights_row(float* scores, core::Index visible, core::Index width, float scale, float lse) {
  core::prepare_dispatch();
  HWY_DYNAMIC_DISPATCH(WeightsFloat)(scores, visible, width, scale, lse);
}

void weights_row(float* scores, core::BFloat16* weights, core::Index visible, core::Index width,
                 float scale, float lse) {
  core::prepare_dispatch();
  HWY_DYNAMIC_DISPATCH(WeightsBFloat16)(scores, weights, visible, width, scale, lse);
}

void gradient_row(const float* weights, float* gradients, core::Index width, float delta,
                  float scale) {
  core::prepare_dispatch();
  HWY_DYNAMIC_DISPATCH(GradientFloat)(weights, gradients, width, delta, scale);
}

void gradient_row(const core::BFloat16* weights, const float* gradients, core::BFloat16* rounded,
                  core::Index width, float delta, float scale) {
  core::prepare_dispatch();
  HWY_DYNAMIC_DISPATCH(GradientBFloat16)(weights, gradients, rounded, width, delta, scale);
}

}  // namespace ashlar::flashattention2::baselines
#endif
