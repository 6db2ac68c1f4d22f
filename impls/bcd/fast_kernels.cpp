// The kernels of fast_kernels.hpp, compiled once per Highway target. Loops over accumulators are
// unrolled by pragma: GCC keeps an indexed array of vectors in memory as soon as one loop over it
// is left rolled.
#include "impls/bcd/fast_kernels.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

// AVX3_DL adds nothing that these kernels use.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "impls/bcd/fast_kernels.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

// After foreach_target, which includes this file again.
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ashlar::bcd::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_CAP_GE512
using Tag = hn::FixedTag<double, 8>;
#else
using Tag = hn::CappedTag<double, 4>;
#endif
using Vector = hn::Vec<Tag>;
constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(Tag()));

HWY_INLINE double sum_of(Vector v) { return hn::GetLane(hn::SumOfLanes(Tag(), v)); }

// Vectors of numbers that lie apart are put together from loads, four at a time: the gathers of
// AMD's cores take twice as long (Zen 4: 200 us for the entries of A', 94 us so), and those of
// Intel's have become slow with new microcode.
#if HWY_TARGET <= HWY_AVX2
using ApartTag = hn::FixedTag<double, 4>;
#else
using ApartTag = Tag;
#endif
using ApartVector = hn::Vec<ApartTag>;
constexpr Index kApartLanes = static_cast<Index>(hn::MaxLanes(ApartTag()));

/// v[rows[0]], v[rows[1]], ...
HWY_INLINE ApartVector gathered(const double* v, const Index* rows) {
#if HWY_TARGET <= HWY_AVX2
  return ApartVector{_mm256_set_pd(v[rows[3]], v[rows[2]], v[rows[1]], v[rows[0]])};
#else
  const hn::Rebind<std::int32_t, ApartTag> narrow;
  const hn::RebindToSigned<ApartTag> wide;
  return hn::GatherIndex(ApartTag(), v, hn::PromoteTo(wide, hn::LoadU(narrow, rows)));
#endif
}

HWY_INLINE ApartVector gathered(const double* v, const std::uint16_t* rows) {
#if HWY_TARGET <= HWY_AVX2
  // One load for four rows: a core loads two or three times a cycle, and each number is one more.
  std::uint64_t four;
  std::memcpy(&four, rows, sizeof(four));
  constexpr std::uint64_t kRow = 0xffff;
  return ApartVector{
      _mm256_set_pd(v[four >> 48], v[four >> 32 & kRow], v[four >> 16 & kRow], v[four & kRow])};
#else
  const hn::Rebind<std::uint16_t, ApartTag> narrow;
  const hn::Rebind<std::int32_t, ApartTag> middle;
  const hn::RebindToSigned<ApartTag> wide;
  return hn::GatherIndex(ApartTag(), v,
                         hn::PromoteTo(wide, hn::PromoteTo(middle, hn::LoadU(narrow, rows))));
#endif
}

constexpr std::int64_t kAhead = 512;  // entries; prefetched, so that beyond the end nothing is read

void column_dots(const SparseLines& columns, Index first, Index last, const double* v,
                 double offset, double* out) {
  const ApartTag d;
  const double* values = columns.values.data();
  const Index* rows = columns.indices.data();
  for (Index j = first; j < last; ++j) {
    std::int64_t e = columns.starts[j];
    const std::int64_t end = columns.starts[j + 1];
    ApartVector even = hn::Zero(d);
    ApartVector odd = hn::Zero(d);
    for (; e + 2 * kApartLanes <= end; e += 2 * kApartLanes) {
      // From memory a sixth faster than what the cores fetch ahead by themselves.
      hwy::Prefetch(values + e + kAhead);
      hwy::Prefetch(rows + e + kAhead);
      even = hn::MulAdd(hn::LoadU(d, values + e), gathered(v, rows + e), even);
      odd = hn::MulAdd(hn::LoadU(d, values + e + kApartLanes), gathered(v, rows + e + kApartLanes),
                       odd);
    }
    if (e + kApartLanes <= end) {
      even = hn::MulAdd(hn::LoadU(d, values + e), gathered(v, rows + e), even);
      e += kApartLanes;
    }
    double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
    for (; e < end; ++e) sum += values[e] * v[rows[e]];
    out[j - first] = sum + offset;
  }
}

void sliced_dots(const SlicedColumns& sliced, Index first, Index last, const double* v,
                 double offset, double* out) {
  constexpr Index kSide = SlicedColumns::kSide;
  constexpr Index kParts = kSide / kApartLanes;
  const ApartTag d;
  const double* values = sliced.values.data();
  const std::uint16_t* rows = sliced.rows.data();
  for (Index slice = first; slice < last; ++slice) {
    std::array<ApartVector, kParts> sums;
#pragma GCC unroll 4
    for (Index p = 0; p < kParts; ++p) sums[p] = hn::Set(d, offset);
    for (std::int64_t e = sliced.starts[slice]; e < sliced.starts[slice + 1]; e += kSide) {
      hwy::Prefetch(values + e + kAhead);
      hwy::Prefetch(rows + e + kAhead);
#pragma GCC unroll 4
      for (Index p = 0; p < kParts; ++p) {
        const std::int64_t at = e + p * kApartLanes;
        sums[p] = hn::MulAdd(hn::LoadU(d, values + at), gathered(v, rows + at), sums[p]);
      }
    }
    HWY_ALIGN double dots[kSide];
#pragma GCC unroll 4
    for (Index p = 0; p < kParts; ++p) hn::StoreU(sums[p], d, dots + p * kApartLanes);
    const Index* columns = sliced.columns.data() + std::int64_t{slice} * kSide;
    for (Index lane = 0; lane < kSide; ++lane) {
      if (columns[lane] >= 0) out[columns[lane]] = dots[lane];
    }
  }
}

/// kVectors vectors of classes from class `at` on; the last may be partial.
template <int kVectors>
HWY_INLINE void class_dots_tile(const SparseLines& columns, Index first, Index last,
                                const double* v, Index classes, Index at, double offset,
                                double* out) {
  const Tag d;
  const Index stride = class_stride(classes);
  const Index whole = std::min<Index>(kVectors, (classes - at) / kLanes);
  for (Index j = first; j < last; ++j) {
    std::array<Vector, kVectors> sums;
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) sums[i] = hn::Set(d, offset);
    for (std::int64_t e = columns.starts[j]; e < columns.starts[j + 1]; ++e) {
      const double* row = v + std::int64_t{columns.indices[e]} * stride + at;
      const Vector value = hn::Set(d, columns.values[e]);
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) {
        sums[i] = hn::MulAdd(value, hn::Load(d, row + i * kLanes), sums[i]);
      }
    }
    double* to = out + std::int64_t{j - first} * classes + at;
    if (whole == kVectors) {
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) hn::StoreU(sums[i], d, to + i * kLanes);
      continue;
    }
    HWY_ALIGN double buffer[kVectors * kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) hn::Store(sums[i], d, buffer + i * kLanes);
    std::copy(buffer, buffer + (classes - at), to);
  }
}

constexpr int kMostVectors = 13;  // with 16 registers, one for the value and two to spare
using ClassDots = void (*)(const SparseLines&, Index, Index, const double*, Index, Index, double,
                           double*);
template <int... kIndex>
constexpr std::array<ClassDots, kMostVectors> class_dots_tiles(
    std::integer_sequence<int, kIndex...> /*sizes*/) {
  return {class_dots_tile<kIndex + 1>...};
}
constexpr auto kClassDots = class_dots_tiles(std::make_integer_sequence<int, kMostVectors>());

void class_dots(const SparseLines& columns, Index first, Index last, const double* v, Index classes,
                double offset, double* out) {
  constexpr Index kTile = kMostVectors * kLanes;
  for (Index at = 0; at < classes; at += kTile) {
    const Index vectors = (std::min(kTile, classes - at) + kLanes - 1) / kLanes;
    kClassDots[vectors - 1](columns, first, last, v, classes, at, offset, out);
  }
}

/// kLines lines at once, so that out is read and written once for them.
template <int kLines>
HWY_INLINE void add_few(const double* const* lines, const double* factors, Index begin, Index end,
                        double* out) {
  const Tag d;
  std::array<Vector, kLines> scale;
#pragma GCC unroll 8
  for (int l = 0; l < kLines; ++l) scale[l] = hn::Set(d, factors[l]);
  Index i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    Vector sum = hn::LoadU(d, out + i);
#pragma GCC unroll 8
    for (int l = 0; l < kLines; ++l) sum = hn::MulAdd(scale[l], hn::LoadU(d, lines[l] + i), sum);
    hn::StoreU(sum, d, out + i);
  }
  for (; i < end; ++i) {
    for (int l = 0; l < kLines; ++l) out[i] += factors[l] * lines[l][i];
  }
}

void add_lines(const double* const* lines, const double* factors, Index count, Index begin,
               Index end, double* out) {
  constexpr Index kInL1 = 1024;
  for (Index from = begin; from < end; from += kInL1) {
    const Index to = std::min<Index>(end, from + kInL1);
    Index l = 0;
    for (; l + 4 <= count; l += 4) add_few<4>(lines + l, factors + l, from, to, out);
    for (; l < count; ++l) add_few<1>(lines + l, factors + l, from, to, out);
  }
}

/// One vector of rows. With e = exp(-|m|) in (0, 1] nothing overflows.
HWY_INLINE void logistic_vector(const double* z, const double* y, double* weights,
                                double* curvatures, double* losses) {
  const Tag d;
  const Vector one = hn::Set(d, 1.0);
  const Vector target = hn::LoadU(d, y);
  const Vector margin = hn::Mul(target, hn::LoadU(d, z));
  // exp of less than -708 is 0 here; below -745 in any case.
  const Vector e = hn::Exp(d, hn::Neg(hn::Abs(margin)));
  const Vector inverse = hn::Div(one, hn::Add(one, e));
  const auto right = hn::Ge(margin, hn::Zero(d));
  const Vector wrongness = hn::Mul(hn::IfThenElse(right, e, one), inverse);
  hn::StoreU(hn::Neg(hn::Mul(target, wrongness)), d, weights);
  hn::StoreU(hn::Mul(hn::Mul(e, inverse), inverse), d, curvatures);
  hn::StoreU(hn::Sub(hn::Log1p(d, e), hn::Min(margin, hn::Zero(d))), d, losses);
}

void logistic(const double* z, const double* y, Index n, double* weights, double* curvatures,
              double* losses) {
  Index r = 0;
  for (; r + kLanes <= n; r += kLanes) {
    logistic_vector(z + r, y + r, weights + r, curvatures + r, losses + r);
  }
  if (r == n) return;
  std::array<double, kLanes> rest_z{};
  std::array<double, kLanes> rest_y{};
  std::array<std::array<double, kLanes>, 3> results;
  std::copy(z + r, z + n, rest_z.begin());
  std::copy(y + r, y + n, rest_y.begin());
  logistic_vector(rest_z.data(), rest_y.data(), results[0].data(), results[1].data(),
                  results[2].data());
  std::copy_n(results[0].begin(), n - r, weights + r);
  std::copy_n(results[1].begin(), n - r, curvatures + r);
  std::copy_n(results[2].begin(), n - r, losses + r);
}

SoftmaxSums softmax(const double* z, Index classes, double* out) {
  const Tag d;
  const Vector lowest = hn::Set(d, -std::numeric_limits<double>::infinity());
  const Index whole = classes / kLanes * kLanes;
  const auto rest = hn::FirstN(d, static_cast<std::size_t>(classes - whole));
  // Rows are padded to whole vectors.
  const auto at = [&](Index c) {
    const Vector values = hn::Load(d, z + c);
    return c < whole ? values : hn::IfThenElse(rest, values, lowest);
  };
  Vector most = lowest;
  for (Index c = 0; c < classes; c += kLanes) most = hn::Max(most, at(c));
  const Vector max = hn::MaxOfLanes(d, most);
  const Vector one = hn::Set(d, 1.0);
  Vector below = hn::Zero(d);
  Vector largest = hn::Zero(d);  // how many there are
  for (Index c = 0; c < classes; c += kLanes) {
    const Vector values = at(c);
    const auto is_max = hn::Eq(values, max);
    // exp(-infinity) is not in the range of hn::Exp.
    const Vector e =
        hn::Exp(d, hn::Sub(c < whole ? values : hn::IfThenElse(rest, values, max), max));
    const Vector part = c < whole ? e : hn::IfThenElseZero(rest, e);
    below = hn::Add(below, hn::IfThenZeroElse(is_max, part));
    largest = hn::Add(largest, hn::IfThenElseZero(is_max, one));
    hn::Store(part, d, out + c);
  }
  const double others = sum_of(below) + (sum_of(largest) - 1);
  const Vector scale = hn::Set(d, 1 / (1 + others));
  for (Index c = 0; c < classes; c += kLanes) {
    hn::Store(hn::Mul(hn::Load(d, out + c), scale), d, out + c);
  }
  return {hn::GetLane(max), others};
}

void log1p(const double* v, Index n, double* out) {
  const Tag d;
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Log1p(d, hn::LoadU(d, v + i)), d, out + i);
  if (i == n) return;
  std::array<double, kLanes> rest{};
  std::copy(v + i, v + n, rest.begin());
  hn::StoreU(hn::Log1p(d, hn::LoadU(d, rest.data())), d, rest.data());
  std::copy_n(rest.begin(), n - i, out + i);
}

double dot(const double* a, const double* b, Index n) {
  const Tag d;
  std::array<Vector, 4> sums{hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  Index i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int s = 0; s < 4; ++s) {
      sums[s] =
          hn::MulAdd(hn::LoadU(d, a + i + s * kLanes), hn::LoadU(d, b + i + s * kLanes), sums[s]);
    }
  }
  double sum = sum_of(hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3])));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

double dot_of_difference(const double* a, const double* b, const double* c, Index n) {
  const Tag d;
  Vector even = hn::Zero(d);
  Vector odd = hn::Zero(d);
  const auto difference = [&](Index i) {
    return hn::Sub(hn::LoadU(d, b + i), hn::LoadU(d, c + i));
  };
  Index i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    even = hn::MulAdd(hn::LoadU(d, a + i), difference(i), even);
    odd = hn::MulAdd(hn::LoadU(d, a + i + kLanes), difference(i + kLanes), odd);
  }
  double sum = sum_of(hn::Add(even, odd));
  for (; i < n; ++i) sum += a[i] * (b[i] - c[i]);
  return sum;
}

double sum(const double* v, Index n) {
  const Tag d;
  std::array<Vector, 4> sums{hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  Index i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int s = 0; s < 4; ++s) sums[s] = hn::Add(sums[s], hn::LoadU(d, v + i + s * kLanes));
  }
  double total = sum_of(hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3])));
  for (; i < n; ++i) total += v[i];
  return total;
}

Index nonzeros(const double* v, Index n) {
  const Tag d;
  Index count = 0;
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    count += static_cast<Index>(hn::CountTrue(d, hn::Ne(hn::LoadU(d, v + i), hn::Zero(d))));
  }
  for (; i < n; ++i) count += v[i] != 0 ? 1 : 0;
  return count;
}

HWY_INLINE Vector number_or_lowest(Vector v) {
  const Tag d;
  return hn::IfThenElse(hn::Eq(v, v), v, hn::Set(d, -std::numeric_limits<double>::infinity()));
}

Index group_maxima(const double* scores, Index size, Index depth, double* maxima) {
  const Tag d;
  const Vector lowest = hn::Set(d, -std::numeric_limits<double>::infinity());
  Index groups = 0;
  Index i = 0;
  while (i + kLanes <= size) {
    Vector most = lowest;
    for (Index deep = 0; deep < depth && i + kLanes <= size; ++deep, i += kLanes) {
      most = hn::Max(most, number_or_lowest(hn::LoadU(d, scores + i)));
    }
    hn::StoreU(most, d, maxima + groups);
    groups += kLanes;
  }
  for (; i < size; ++i) {
    const bool number = scores[i] == scores[i];
    maxima[groups++] = number ? scores[i] : -std::numeric_limits<double>::infinity();
  }
  return groups;
}

Index keep_from(const double* scores, Index size, double threshold, std::int64_t* indices,
                double* kept) {
  const Tag d;
  const hn::RebindToSigned<Tag> di;
  const Vector least = hn::Set(d, threshold);
  Index count = 0;
  Index i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const Vector v = number_or_lowest(hn::LoadU(d, scores + i));
    const auto large = hn::Ge(v, least);
    if (hn::AllFalse(d, large)) continue;
    hn::CompressStore(hn::Iota(di, i), hn::RebindMask(di, large), di, indices + count);
    count += static_cast<Index>(hn::CompressStore(v, large, d, kept + count));
  }
  for (; i < size; ++i) {
    const bool number = scores[i] == scores[i];
    const double score = number ? scores[i] : -std::numeric_limits<double>::infinity();
    if (!(score >= threshold)) continue;
    indices[count] = i;
    kept[count++] = score;
  }
  return count;
}

constexpr FastKernels kTable{HWY_CAP_GE512 ? core::Isa::avx512 : core::Isa::avx2,
                             column_dots,
                             sliced_dots,
                             class_dots,
                             add_lines,
                             logistic,
                             softmax,
                             log1p,
                             dot,
                             dot_of_difference,
                             sum,
                             nonzeros,
                             group_maxima,
                             keep_from};

const FastKernels* fast_kernels_table() { return &kTable; }

}  // namespace ashlar::bcd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ashlar::bcd {

HWY_EXPORT(fast_kernels_table);

const FastKernels& fast_kernels() {
  core::prepare_dispatch();
  return *HWY_DYNAMIC_DISPATCH(fast_kernels_table)();
}

}  // namespace ashlar::bcd
#endif
