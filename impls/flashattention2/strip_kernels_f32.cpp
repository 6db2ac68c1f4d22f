// Strip kernels in single precision, compiled once per Highway target (see strip_kernels.hpp for
// the design). Every loop over the accumulators is unrolled by pragma: GCC keeps an indexed array
// of vectors in memory as soon as one loop over it is left rolled.
#include "impls/flashattention2/strip_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

// AVX3_DL adds nothing that these kernels use.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "impls/flashattention2/strip_kernels_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 512-bit targets have 32 registers, the others are taken to have 16.
#if HWY_CAP_GE512
using Tag = hn::FixedTag<float, 16>;
constexpr int kVectors = 4;
#else
using Tag = hn::CappedTag<float, 8>;
constexpr int kVectors = 2;
#endif
using Vector = hn::Vec<Tag>;
constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(Tag()));
constexpr Index kKeyPanel = kVectors * kLanes;

/// 2^x for x <= 0 (anything below -126 counts as -126). Relative error 1.1e-7 before rounding;
/// exact at 0; NaN stays NaN. x = n + f with n the nearest integer; a minimax polynomial with
/// constant term 1 on [-1/2, 1/2] gives 2^f. Adding 1.5 * 2^23 rounds x to an integer and leaves it
/// in the low bits; with 127 more these are the exponent field of 2^n. That is then a factor and
/// not an integer added to the exponent of 2^f, since such a sum turns a NaN into a number.
HWY_INLINE Vector exp2_nonpositive(Vector x) {
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
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  return hn::Mul(p, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

void scores(const void* queries, const void* keys, Index depth_words, Index panels,
            StripScratch& scratch) {
  const Tag d;
  const float* key = static_cast<const float*>(keys);
  for (int r = 0; r < kStripRows; ++r) {
    hn::Store(hn::Set(d, std::numeric_limits<float>::lowest()), d, scratch.lane_max + r * 16);
  }
  for (Index panel = 0; panel < panels; ++panel) {
    const float* query = static_cast<const float*>(queries);
    Vector acc[kStripRows][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < kStripRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::Zero(d);
    }
    for (Index k = 0; k < depth_words; ++k) {
      Vector b[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) b[v] = hn::Load(d, key + v * kLanes);
#pragma GCC unroll 6
      for (int r = 0; r < kStripRows; ++r) {
        const Vector a = hn::Set(d, query[r]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::MulAdd(a, b[v], acc[r][v]);
      }
      query += kStripRows;
      key += kKeyPanel;
    }
    float* out = scratch.scores + panel * kKeyPanel;
#pragma GCC unroll 6
    for (int r = 0; r < kStripRows; ++r) {
      Vector top = hn::Load(d, scratch.lane_max + r * 16);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        hn::Store(acc[r][v], d, out + r * kScoreStride + v * kLanes);
        top = hn::Max(top, acc[r][v]);
      }
      hn::Store(top, d, scratch.lane_max + r * 16);
    }
  }
}

/// Largest of the first `visible` scores; needed only where the mask or the last key cuts a row.
HWY_INLINE float visible_max(const float* row, Index visible) {
  const Tag d;
  Vector top = hn::Set(d, std::numeric_limits<float>::lowest());
  for (Index c = 0; c < visible; c += kLanes) {
    const auto seen = hn::FirstN(d, static_cast<std::size_t>(visible - c));
    top = hn::Max(top, hn::IfThenElse(seen, hn::Load(d, row + c), top));
  }
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

/// Scores to weights for one row; returns the sum of the visible weights.
HWY_INLINE float exponentiate(float* row, Index visible, Index keys, float scale_log2e, float max) {
  const Tag d;
  const Vector scale = hn::Set(d, scale_log2e);
  const Vector shift = hn::Set(d, max);
  Vector sum0 = hn::Zero(d);
  Vector sum1 = hn::Zero(d);
  Index c = 0;
  for (; c + 2 * kLanes <= visible; c += 2 * kLanes) {
    const Vector p0 = exp2_nonpositive(hn::MulSub(hn::Load(d, row + c), scale, shift));
    const Vector p1 = exp2_nonpositive(hn::MulSub(hn::Load(d, row + c + kLanes), scale, shift));
    hn::Store(p0, d, row + c);
    hn::Store(p1, d, row + c + kLanes);
    sum0 = hn::Add(sum0, p0);
    sum1 = hn::Add(sum1, p1);
  }
  for (; c < keys; c += kLanes) {
    const auto seen = hn::FirstN(d, static_cast<std::size_t>(std::max<Index>(visible - c, 0)));
    const Vector p = exp2_nonpositive(hn::MulSub(hn::Load(d, row + c), scale, shift));
    const Vector weight = hn::IfThenElseZero(seen, p);
    hn::Store(weight, d, row + c);
    sum0 = hn::Add(sum0, weight);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
}

bool softmax(StripScratch& scratch, float scale_log2e, Index computed, Index keys,
             const Index* visible, StripStatistics& statistics) {
  const Tag d;
  bool any = false;
  for (int r = 0; r < kStripRows; ++r) {
    float* row = scratch.scores + r * kScoreStride;
    scratch.rescale[r] = 1.0f;
    if (visible[r] == 0) {
      std::fill(row, row + keys, 0.0f);
      continue;
    }
    const float top = visible[r] == computed
                          ? hn::GetLane(hn::MaxOfLanes(d, hn::Load(d, scratch.lane_max + r * 16)))
                          : visible_max(row, visible[r]);
    const float old_max = statistics.max[r];
    const float max = std::max(old_max, top * scale_log2e);
    // A row that saw nothing yet has nothing to rescale (and -inf - max must not be computed).
    if (max > old_max && statistics.sum[r] != 0.0f) {
      scratch.rescale[r] = std::exp2(old_max - max);
      any = true;
    }
    statistics.max[r] = max;
    const float sum = exponentiate(row, visible[r], keys, scale_log2e, max);
    statistics.sum[r] = statistics.sum[r] * scratch.rescale[r] + sum;
  }
  return any;
}

template <int kWidth>
HWY_INLINE void accumulate_panel(const StripScratch& scratch, const float* value, Index keys,
                                 bool rescale, float* acc, Index acc_stride) {
  const Tag d;
  // The block's sum starts at zero and joins the accumulators at the end: rounding then grows like
  // the square root of the block's length and of their number, not of all keys.
  Vector sum[kStripRows][kWidth];
#pragma GCC unroll 6
  for (int r = 0; r < kStripRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) sum[r][v] = hn::Zero(d);
  }
  const float* weight = scratch.scores;
  for (Index k = 0; k < keys; ++k) {
    Vector b[kWidth];
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) b[v] = hn::Load(d, value + v * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kStripRows; ++r) {
      const Vector a = hn::Set(d, weight[r * kScoreStride]);
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) sum[r][v] = hn::MulAdd(a, b[v], sum[r][v]);
    }
    ++weight;
    value += kWidth * kLanes;
  }
#pragma GCC unroll 6
  for (int r = 0; r < kStripRows; ++r) {
    const Vector factor = hn::Set(d, rescale ? scratch.rescale[r] : 1.0f);
    float* row = acc + r * acc_stride;
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      hn::Store(hn::MulAdd(hn::Load(d, row + v * kLanes), factor, sum[r][v]), d, row + v * kLanes);
    }
  }
}

void accumulate(const StripScratch& scratch, const void* values, Index keys, Index vectors,
                bool rescale, float* acc, Index acc_stride) {
  const float* value = static_cast<const float*>(values);
  switch (vectors) {
    case 1:
      return accumulate_panel<1>(scratch, value, keys, rescale, acc, acc_stride);
    case 2:
      return accumulate_panel<2>(scratch, value, keys, rescale, acc, acc_stride);
#if HWY_CAP_GE512
    case 3:
      return accumulate_panel<3>(scratch, value, keys, rescale, acc, acc_stride);
    default:
      return accumulate_panel<4>(scratch, value, keys, rescale, acc, acc_stride);
#endif
  }
}

const StripKernels* kernels() {
  static constexpr StripKernels kTable{HWY_CAP_GE512 ? core::Isa::avx512 : core::Isa::avx2,
                                       1,
                                       kKeyPanel,
                                       kLanes,
                                       kVectors,
                                       scores,
                                       softmax,
                                       accumulate};
  return &kTable;
}

}  // namespace ashlar::flashattention2::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ashlar::flashattention2 {

std::vector<const StripKernels*> detail::float_strip_kernels() {
  return {
#if HWY_TARGETS & HWY_AVX3
    N_AVX3::kernels(),
#endif
        HWY_STATIC_DISPATCH(kernels)(),
  };
}

}  // namespace ashlar::flashattention2
#endif
