// Strip kernels on vdpbf16ps: each multiply-add takes a pair of bfloat16 per lane and accumulates
// in single precision, so a word of the packed operands is a pair along the axis that is summed
// (see strip_kernels.hpp). Highway 1.0.3 has no such instruction, hence the intrinsics, which are
// reached only where core::usable_isa() allows them. Where they are missing the float kernels take
// over.
#include "impls/flashattention2/strip_kernels.hpp"

#include "hwy/base.h"

#if HWY_ARCH_X86_64 && (HWY_COMPILER_GCC_ACTUAL >= 1000 || HWY_COMPILER_CLANG >= 1000)
#define ASHLAR_HAVE_BF16_KERNELS 1
#if HWY_COMPILER_GCC_ACTUAL
// GCC 12 takes the deliberately undefined operands inside its own intrinsics for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <limits>
#endif

#ifdef ASHLAR_HAVE_BF16_KERNELS
// Only from here on may the compiler use these instructions: nothing that the standard library
// defines inline is compiled with them, so the linker cannot spread them to other files.
HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,avx2")
namespace ashlar::flashattention2 {
namespace {

constexpr Index kLanes = 16;
constexpr int kVectors = 4;
constexpr Index kKeyPanel = kVectors * kLanes;

HWY_INLINE __m512bh as_pairs(__m512i words) { return reinterpret_cast<__m512bh>(words); }

/// 2^x for x <= 0, as in the float kernels; vreduceps gives x minus the nearest integer and
/// vscalefps puts that integer into the exponent, down to zero without a clamp.
HWY_INLINE __m512 exp2_nonpositive(__m512 x) {
  const __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT);
  __m512 p = _mm512_set1_ps(0.00132647273f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.00967151299f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0555073358f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.240222424f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693147004f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, _mm512_sub_ps(x, f));
}

void scores(const void* queries, const void* keys, Index depth_words, Index panels,
            StripScratch& scratch) {
  const __m512i* key = static_cast<const __m512i*>(keys);
  const __m512 lowest = _mm512_set1_ps(std::numeric_limits<float>::lowest());
  for (int r = 0; r < kStripRows; ++r) _mm512_store_ps(scratch.lane_max + r * kLanes, lowest);
  for (Index panel = 0; panel < panels; ++panel) {
    const int* query = static_cast<const int*>(queries);
    __m512 acc[kStripRows][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < kStripRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_setzero_ps();
    }
    for (Index k = 0; k < depth_words; ++k) {
      __m512i b[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) b[v] = _mm512_load_si512(key + v);
#pragma GCC unroll 6
      for (int r = 0; r < kStripRows; ++r) {
        const __m512bh a = as_pairs(_mm512_set1_epi32(query[r]));
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = _mm512_dpbf16_ps(acc[r][v], a, as_pairs(b[v]));
        }
      }
      query += kStripRows;
      key += kVectors;
    }
    float* out = scratch.scores + panel * kKeyPanel;
#pragma GCC unroll 6
    for (int r = 0; r < kStripRows; ++r) {
      __m512 top = _mm512_load_ps(scratch.lane_max + r * kLanes);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        _mm512_store_ps(out + r * kScoreStride + v * kLanes, acc[r][v]);
        top = _mm512_max_ps(top, acc[r][v]);
      }
      _mm512_store_ps(scratch.lane_max + r * kLanes, top);
    }
  }
}

/// The lanes of [c, c + 16) that lie below `end`.
HWY_INLINE unsigned lanes_below(Index c, Index end) {
  return (1u << std::clamp<Index>(end - c, 0, kLanes)) - 1u;
}

/// The lanes whose columns, from `c` on, are visible.
HWY_INLINE __mmask16 lanes_within(Index c, Range<Index> visible) {
  return static_cast<__mmask16>(lanes_below(c, visible.end) & ~lanes_below(c, visible.begin));
}

/// Largest visible score; needed only where the mask or the last key cuts a row.
HWY_INLINE float visible_max(const float* row, Range<Index> visible) {
  __m512 top = _mm512_set1_ps(std::numeric_limits<float>::lowest());
  for (Index c = visible.begin / kLanes * kLanes; c < visible.end; c += kLanes) {
    top = _mm512_mask_max_ps(top, lanes_within(c, visible), top, _mm512_load_ps(row + c));
  }
  return _mm512_reduce_max_ps(top);
}

/// Largest score that row r, which sees something, sees of `computed` scores.
HWY_INLINE float row_top(const StripScratch& scratch, int r, Index computed, Range<Index> visible) {
  if (visible == Range<Index>{0, computed}) {
    return _mm512_reduce_max_ps(_mm512_load_ps(scratch.lane_max + r * kLanes));
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

HWY_INLINE __m512 weights(const float* score, __m512 scale, __m512 shift) {
  return exp2_nonpositive(_mm512_fmsub_ps(_mm512_load_ps(score), scale, shift));
}

/// 16 columns' weights to pairs; returns the weights before rounding.
HWY_INLINE __m512 store_masked(const float* row, std::uint32_t* pairs, Index c,
                               Range<Index> visible, __m512 scale, __m512 shift) {
  const __m512 weight =
      _mm512_maskz_mov_ps(lanes_within(c, visible), weights(row + c, scale, shift));
  _mm256_store_si256(reinterpret_cast<__m256i*>(pairs + c / 2),
                     reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(weight)));
  return weight;
}

/// Scores to pairs of weights for one row; returns the sum of the visible weights before rounding.
HWY_INLINE float exponentiate(const float* row, std::uint32_t* pairs, Range<Index> visible,
                              Index keys, float scale_log2e, float max) {
  const __m512 scale = _mm512_set1_ps(scale_log2e);
  const __m512 shift = _mm512_set1_ps(max);
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = _mm512_setzero_ps();
  Index c = visible.begin / (2 * kLanes) * (2 * kLanes);
  std::fill(pairs, pairs + c / 2, 0u);
  // Up to where whole vectors of pairs may be stored.
  for (; c < visible.begin || c % (2 * kLanes) != 0; c += kLanes) {
    sum0 = _mm512_add_ps(sum0, store_masked(row, pairs, c, visible, scale, shift));
  }
  for (; c + 2 * kLanes <= visible.end; c += 2 * kLanes) {
    const __m512 p0 = weights(row + c, scale, shift);
    const __m512 p1 = weights(row + c + kLanes, scale, shift);
    _mm512_store_si512(pairs + c / 2, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(p1, p0)));
    sum0 = _mm512_add_ps(sum0, p0);
    sum1 = _mm512_add_ps(sum1, p1);
  }
  for (; c < keys; c += kLanes) {
    sum0 = _mm512_add_ps(sum0, store_masked(row, pairs, c, visible, scale, shift));
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum0, sum1));
}

bool softmax(StripScratch& scratch, float scale_log2e, Index computed, Index keys,
             const Range<Index>* visible, StripStatistics& statistics) {
  bool any = false;
  for (int r = 0; r < kStripRows; ++r) {
    const float* row = scratch.scores + r * kScoreStride;
    std::uint32_t* pairs = scratch.pairs + r * kScoreStride;
    scratch.rescale[r] = 1.0f;
    if (visible[r].empty()) {
      std::fill(pairs, pairs + (keys + 1) / 2, 0u);
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
    const float sum = exponentiate(row, pairs, visible[r], keys, scale_log2e, max);
    statistics.sum[r] = statistics.sum[r] * scratch.rescale[r] + sum;
  }
  return any;
}

template <int kWidth>
HWY_INLINE void accumulate_panel(const StripScratch& scratch, const __m512i* value,
                                 Range<Index> keys, Join join, float* acc, Index acc_stride) {
  // From zero, as in the float kernels.
  __m512 sum[kStripRows][kWidth];
#pragma GCC unroll 6
  for (int r = 0; r < kStripRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) sum[r][v] = _mm512_setzero_ps();
  }
  const std::uint32_t* weight = scratch.pairs + keys.begin / 2;
  for (Index k = keys.begin; k < keys.end; k += 2) {
    __m512i b[kWidth];
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) b[v] = _mm512_load_si512(value + v);
#pragma GCC unroll 6
    for (int r = 0; r < kStripRows; ++r) {
      const __m512bh a = as_pairs(_mm512_set1_epi32(static_cast<int>(weight[r * kScoreStride])));
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], a, as_pairs(b[v]));
    }
    ++weight;
    value += kWidth;
  }
#pragma GCC unroll 6
  for (int r = 0; r < kStripRows; ++r) {
    float* row = acc + r * acc_stride;
    if (join == Join::replace) {
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) _mm512_store_ps(row + v * kLanes, sum[r][v]);
      continue;
    }
    const __m512 factor = _mm512_set1_ps(join == Join::rescale ? scratch.rescale[r] : 1.0f);
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      const __m512 old = _mm512_load_ps(row + v * kLanes);
      _mm512_store_ps(row + v * kLanes, _mm512_fmadd_ps(old, factor, sum[r][v]));
    }
  }
}

void accumulate(const StripScratch& scratch, const void* values, Range<Index> keys, Index vectors,
                Join join, float* acc, Index acc_stride) {
  const __m512i* value = static_cast<const __m512i*>(values);
  switch (vectors) {
    case 1:
      return accumulate_panel<1>(scratch, value, keys, join, acc, acc_stride);
    case 2:
      return accumulate_panel<2>(scratch, value, keys, join, acc, acc_stride);
    case 3:
      return accumulate_panel<3>(scratch, value, keys, join, acc, acc_stride);
    default:
      return accumulate_panel<4>(scratch, value, keys, join, acc, acc_stride);
  }
}

}  // namespace
}  // namespace ashlar::flashattention2
HWY_POP_ATTRIBUTES
#endif  // ASHLAR_HAVE_BF16_KERNELS

namespace ashlar::flashattention2::detail {

const StripKernels* bfloat16_strip_kernels() {
#ifdef ASHLAR_HAVE_BF16_KERNELS
  static constexpr StripKernels kTable{
      core::Isa::avx512_bf16, 2, kKeyPanel, kLanes, kVectors, scores, row_max, softmax, accumulate};
  return &kTable;
#else
  return nullptr;
#endif
}

}  // namespace ashlar::flashattention2::detail
