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
#include "impls/flashattention2/strip_math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::HWY_NAMESPACE {

constexpr int kVectors = kStripVectors;
constexpr Index kKeyPanel = kVectors * kLanes;

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

/// The lanes whose columns, from `c` on, are visible.
HWY_INLINE hn::Mask<Tag> lanes_within(Index c, Range<Index> visible) {
  const Tag d;
  const auto below_end =
      hn::FirstN(d, static_cast<std::size_t>(std::max<Index>(visible.end - c, 0)));
  const auto below_begin =
      hn::FirstN(d, static_cast<std::size_t>(std::max<Index>(visible.begin - c, 0)));
  return hn::AndNot(below_begin, below_end);
}

/// Largest visible score; needed only where the mask or the last key cuts a row.
HWY_INLINE float visible_max(const float* row, Range<Index> visible) {
  const Tag d;
  Vector top = hn::Set(d, std::numeric_limits<float>::lowest());
  for (Index c = visible.begin / kLanes * kLanes; c < visible.end; c += kLanes) {
    const auto seen = lanes_within(c, visible);
    top = hn::Max(top, hn::IfThenElse(seen, hn::Load(d, row + c), top));
  }
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

/// Largest score that row r, which sees something, sees of `computed` scores.
HWY_INLINE float row_top(const StripScratch& scratch, int r, Index computed, Range<Index> visible) {
  const Tag d;
  if (visible == Range<Index>{0, computed}) {
    return hn::GetLane(hn::MaxOfLanes(d, hn::Load(d, scratch.lane_max + r * 16)));
  }
  return visible_max(scratch.scores + r * kScoreStride, visible);
}

void row_max(const StripScratch& scratch, Index computed, const Range<Index>* visible,
             float* tops) {
  for (int r = 0; r < kStripRows; ++r) {
    tops[r] = visible[r].empty() ? -std::numeric_limits<float>::infinity()
                                 : row_top(scratch, r, computed, visible[r]);
  }
}

HWY_INLINE Vector masked_weights(const float* row, Index c, Range<Index> visible, Vector scale,
                                 Vector shift) {
  const Vector p = exp2_nonpositive(hn::MulSub(hn::Load(Tag(), row + c), scale, shift));
  return hn::IfThenElseZero(lanes_within(c, visible), p);
}

/// Scores to weights for one row; returns the sum of the visible weights.
HWY_INLINE float exponentiate(float* row, Range<Index> visible, Index keys, float scale_log2e,
                              float max) {
  const Tag d;
  const Vector scale = hn::Set(d, scale_log2e);
  const Vector shift = hn::Set(d, max);
  Vector sum0 = hn::Zero(d);
  Vector sum1 = hn::Zero(d);
  Index c = 0;
  for (; c + kLanes <= visible.begin; c += kLanes) hn::Store(hn::Zero(d), d, row + c);
  if (c < visible.begin) {
    sum0 = masked_weights(row, c, visible, scale, shift);
    hn::Store(sum0, d, row + c);
    c += kLanes;
  }
  for (; c + 2 * kLanes <= visible.end; c += 2 * kLanes) {
    const Vector p0 = exp2_nonpositive(hn::MulSub(hn::Load(d, row + c), scale, shift));
    const Vector p1 = exp2_nonpositive(hn::MulSub(hn::Load(d, row + c + kLanes), scale, shift));
    hn::Store(p0, d, row + c);
    hn::Store(p1, d, row + c + kLanes);
    sum0 = hn::Add(sum0, p0);
    sum1 = hn::Add(sum1, p1);
  }
  for (; c < keys; c += kLanes) {
    const Vector weight = masked_weights(row, c, visible, scale, shift);
    hn::Store(weight, d, row + c);
    sum0 = hn::Add(sum0, weight);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
}

bool softmax(StripScratch& scratch, float scale_log2e, Index computed, Index keys,
             const Range<Index>* visible, StripStatistics& statistics) {
  bool any = false;
  for (int r = 0; r < kStripRows; ++r) {
    float* row = scratch.scores + r * kScoreStride;
    scratch.rescale[r] = 1.0f;
    if (visible[r].empty()) {
      std::fill(row, row + keys, 0.0f);
      continue;
    }
    const float top = row_top(scratch, r, computed, visible[r]);
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
HWY_INLINE void accumulate_panel(const StripScratch& scratch, const float* value, Range<Index> keys,
                                 Join join, float* acc, Index acc_stride) {
  const Tag d;
  // The block's sum starts at zero and joins the accumulators at the end: rounding then grows like
  // the square root of the block's length and of their number, not of all keys.
  Vector sum[kStripRows][kWidth];
#pragma GCC unroll 6
  for (int r = 0; r < kStripRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) sum[r][v] = hn::Zero(d);
  }
  const float* weight = scratch.scores + keys.begin;
  for (Index k = keys.begin; k < keys.end; ++k) {
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
    float* row = acc + r * acc_stride;
    if (join == Join::replace) {
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) hn::Store(sum[r][v], d, row + v * kLanes);
      continue;
    }
    const Vector factor = hn::Set(d, join == Join::rescale ? scratch.rescale[r] : 1.0f);
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      hn::Store(hn::MulAdd(hn::Load(d, row + v * kLanes), factor, sum[r][v]), d, row + v * kLanes);
    }
  }
}

void accumulate(const StripScratch& scratch, const void* values, Range<Index> keys, Index vectors,
                Join join, float* acc, Index acc_stride) {
  const float* value = static_cast<const float*>(values);
  switch (vectors) {
    case 1:
      return accumulate_panel<1>(scratch, value, keys, join, acc, acc_stride);
    case 2:
      return accumulate_panel<2>(scratch, value, keys, join, acc, acc_stride);
#if HWY_CAP_GE512
    case 3:
      return accumulate_panel<3>(scratch, value, keys, join, acc, acc_stride);
    default:
      return accumulate_panel<4>(scratch, value, keys, join, acc, acc_stride);
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
                                       row_max,
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
