// The kernels of decode_kernels.hpp, compiled once per Highway target. Loops over accumulators are
// unrolled by pragma: GCC keeps an indexed array of vectors in memory as soon as one loop over it
// is left rolled.
#include "impls/flashattention2/decode_kernels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

// AVX3_DL adds nothing that these kernels use.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "impls/flashattention2/decode_kernels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 512-bit targets have 32 registers, the others are taken to have 16; half are accumulators.
#if HWY_CAP_GE512
using Tag = hn::FixedTag<float, 16>;
constexpr int kScoreRows = 4;
constexpr int kAccumulators = 16;
#else
using Tag = hn::CappedTag<float, 8>;
constexpr int kScoreRows = 2;
constexpr int kAccumulators = 8;
#endif
using Vector = hn::Vec<Tag>;
constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(Tag()));
constexpr int kScoreKeys = 4;
constexpr Index kAskEvery = 4;  // values between two requests ahead

/// A chunk of elements as kParts vectors of floats.
struct Float32 {
  using Element = float;
  static constexpr int kParts = 1;
  template <int kPart>
  static HWY_INLINE Vector load(const std::byte* from) {
    return hn::LoadU(Tag(), reinterpret_cast<const float*>(from));
  }
};

struct Half16 {
  using Element = hwy::float16_t;
  static constexpr int kParts = 1;
  template <int kPart>
  static HWY_INLINE Vector load(const std::byte* from) {
    const hn::Rebind<hwy::float16_t, Tag> d16;
    return hn::PromoteTo(Tag(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(from)));
  }
};

struct Brain16 {
  using Element = std::uint16_t;
  static constexpr int kParts = 2;
  template <int kPart>
  static HWY_INLINE Vector load(const std::byte* from) {
    const hn::RebindToUnsigned<Tag> du;
    const hn::Repartition<std::uint16_t, Tag> d16;
    const auto pairs =
        hn::BitCast(du, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(from)));
    return hn::BitCast(
        Tag(), kPart == 0 ? hn::ShiftLeft<16>(pairs) : hn::And(pairs, hn::Set(du, 0xffff0000u)));
  }
};

template <class Type>
constexpr Index kChunk = kLanes* Type::kParts;

template <class Type>
constexpr Index kChunkBytes = kChunk<Type>* static_cast<Index>(sizeof(typename Type::Element));

/// Where the last chunk of a row begins, in bytes; the others follow one another.
template <class Type>
HWY_INLINE Index last_chunk(const DecodeLayout& layout) {
  return layout.begin(layout.chunks - 1) * static_cast<Index>(sizeof(typename Type::Element));
}

/// Deals the cache lines of a row, or of several, out to the tiles that are computed meanwhile, in
/// proportion to their work: requests in bursts would wait for one another.
class Share {
 public:
  Share(Index lines, Index work) : step_((lines << kShift) / work) {}
  Index next(Index part) {
    const Index before = (done_ + kHalf) >> kShift;
    done_ += part * step_;
    return ((done_ + kHalf) >> kShift) - before;
  }

 private:
  static constexpr int kShift = 24;
  static constexpr Index kHalf = Index{1} << (kShift - 1);
  Index step_;
  Index done_ = 0;
};

template <class Type>
HWY_INLINE Index lines_of(const DecodeLayout& layout) {
  const Index elements = std::max(layout.head_dim, layout.chunk);
  return divide_up<Index>(elements * static_cast<Index>(sizeof(typename Type::Element)), 64);
}

/// The sums over lanes of four vectors, stored as four floats.
HWY_INLINE void store_sums(Vector a, Vector b, Vector c, Vector e, float* to) {
  const Tag d;
  const hn::Repartition<std::uint64_t, Tag> d64;
  // Per 128 bits: a0 + a2, b0 + b2, a1 + a3, b1 + b3.
  const auto ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const auto ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const auto ab64 = hn::BitCast(d64, ab);
  const auto ce64 = hn::BitCast(d64, ce);
  const Vector four = hn::Add(hn::BitCast(d, hn::InterleaveLower(d64, ab64, ce64)),
                              hn::BitCast(d, hn::InterleaveUpper(d64, ab64, ce64)));
#if HWY_CAP_GE512
  const hn::Half<Tag> d8;
  const auto eight = hn::Add(hn::LowerHalf(d8, four), hn::UpperHalf(d8, four));
  const hn::Half<decltype(d8)> d4;
  hn::StoreU(hn::Add(hn::LowerHalf(d4, eight), hn::UpperHalf(d4, eight)), d4, to);
#elif HWY_MAX_BYTES >= 32
  const hn::Half<Tag> d4;
  hn::StoreU(hn::Add(hn::LowerHalf(d4, four), hn::UpperHalf(d4, four)), d4, to);
#else
  hn::StoreU(four, d, to);
#endif
}

/// acc += one part of a chunk. A key is widened just before its use: with all four at hand, and
/// both parts, accumulators would not fit into 16 registers.
template <class Type, int kRows, int kPart>
HWY_INLINE void score_part(const float* query, Index width,
                           const std::byte* const (&keys)[kScoreKeys], Index from,
                           Vector (&acc)[kRows][kScoreKeys]) {
  const Tag d;
  Vector q[kRows];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) q[r] = hn::Load(d, query + r * width + kPart * kLanes);
#pragma GCC unroll 4
  for (int i = 0; i < kScoreKeys; ++i) {
    const Vector key = Type::template load<kPart>(keys[i] + from);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) acc[r][i] = hn::MulAdd(q[r], key, acc[r][i]);
  }
}

/// kRows rows against four keys.
template <class Type, int kRows>
HWY_INLINE void score_tile(const DecodeLayout& layout, const float* queries,
                           const std::byte* const (&keys)[kScoreKeys], float* scores) {
  const Tag d;
  const Index width = layout.width();
  Vector acc[kRows][kScoreKeys];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int i = 0; i < kScoreKeys; ++i) acc[r][i] = hn::Zero(d);
  }
  const auto add = [&](const float* query, Index from) {
    score_part<Type, kRows, 0>(query, width, keys, from, acc);
    if constexpr (Type::kParts == 2) score_part<Type, kRows, 1>(query, width, keys, from, acc);
  };
  const Index full = layout.chunks - 1;
  for (Index c = 0; c < full; ++c) add(queries + c * kChunk<Type>, c * kChunkBytes<Type>);
  add(queries + full * kChunk<Type>, last_chunk<Type>(layout));
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    store_sums(acc[r][0], acc[r][1], acc[r][2], acc[r][3], scores + r * kDecodeScoreStride);
  }
}

template <class Type>
void scores(const DecodeLayout& layout, const float* queries, Index rows, const DecodeRows& keys,
            DecodeAhead& ahead, float* scores) {
  const Index lines = lines_of<Type>(layout);
  const Index width = layout.width();
  for (Index first = 0; first < keys.count; first += kScoreKeys) {
    const std::byte* key[kScoreKeys];
    for (int i = 0; i < kScoreKeys; ++i) {
      key[i] = keys.row(std::min(first + i, keys.count - 1));  // the last one again past the end
    }
    Index r = 0;
    Share share(kScoreKeys * lines, rows);
    const auto run = [&]<int kRows>() {
      for (; r + kRows <= rows; r += kRows) {
        ahead.ask(share.next(kRows));
        score_tile<Type, kRows>(layout, queries + r * width, key,
                                scores + r * kDecodeScoreStride + first);
      }
    };
    if constexpr (kScoreRows == 4) run.template operator()<4>();
    run.template operator()<2>();
    run.template operator()<1>();
  }
}

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

/// kRows rows, kWidth chunks from `first_chunk` on, of which only the last may end the row. Asks
/// for `lines` ahead with every kAskEvery values.
template <class Type, int kRows, int kWidth>
HWY_INLINE void accumulate_tile(const DecodeLayout& layout, const float* weights,
                                const DecodeStatistics* statistics, const DecodeRows& values,
                                DecodeAhead& ahead, Index lines, Index first_chunk, float* acc) {
  const Tag d;
  constexpr int kParts = Type::kParts;
  // The block's sum starts at zero and joins the accumulators at the end: rounding then grows like
  // the square root of the block's length and of their number, not of all keys.
  Vector sum[kRows][kWidth][kParts];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int w = 0; w < kWidth; ++w) {
#pragma GCC unroll 2
      for (int part = 0; part < kParts; ++part) sum[r][w][part] = hn::Zero(d);
    }
  }
  const bool ends = first_chunk + kWidth == layout.chunks;
  const Index first = first_chunk * kChunkBytes<Type>;
  const Index last = ends ? last_chunk<Type>(layout) : first + (kWidth - 1) * kChunkBytes<Type>;
  const std::byte* row = values.data;
  for (Index begin = 0; begin < values.count; begin += kAskEvery) {
    ahead.ask(lines);
    const Index end = std::min(begin + kAskEvery, values.count);
    for (Index i = begin; i < end; ++i, row += values.stride_bytes) {
      Vector weight[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) weight[r] = hn::Set(d, weights[r * kDecodeScoreStride + i]);
#pragma GCC unroll 8
      for (int w = 0; w < kWidth; ++w) {
        const std::byte* from = row + (w == kWidth - 1 ? last : first + w * kChunkBytes<Type>);
        Vector value[kParts];
        value[0] = Type::template load<0>(from);
        if constexpr (kParts == 2) value[1] = Type::template load<1>(from);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
          for (int part = 0; part < kParts; ++part) {
            sum[r][w][part] = hn::MulAdd(weight[r], value[part], sum[r][w][part]);
          }
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const Vector rescale = hn::Set(d, statistics[r].rescale);
    float* sums = acc + r * layout.width() + first_chunk * kChunk<Type>;
#pragma GCC unroll 8
    for (int w = 0; w < kWidth; ++w) {
#pragma GCC unroll 2
      for (int part = 0; part < kParts; ++part) {
        float* to = sums + (w * kParts + part) * kLanes;
        hn::Store(hn::MulAdd(hn::Load(d, to), rescale, sum[r][w][part]), d, to);
      }
    }
  }
}

/// Chunks that a tile of kRows rows takes at most.
template <class Type, int kRows>
constexpr int kTileWidth = std::clamp(kAccumulators / (kRows * Type::kParts), 1, 8);

/// kRows rows, all chunks: tiles of kWidth chunks and then of half as many.
template <class Type, int kRows, int kWidth>
HWY_INLINE void accumulate_rows(const DecodeLayout& layout, const float* weights,
                                const DecodeStatistics* statistics, const DecodeRows& values,
                                DecodeAhead& ahead, Share& share, Index chunk, float* acc) {
  for (; chunk + kWidth <= layout.chunks; chunk += kWidth) {
    accumulate_tile<Type, kRows, kWidth>(layout, weights, statistics, values, ahead,
                                         share.next(kRows * kWidth), chunk, acc);
  }
  if constexpr (kWidth > 1) {
    accumulate_rows<Type, kRows, kWidth / 2>(layout, weights, statistics, values, ahead, share,
                                             chunk, acc);
  }
}

template <class Type>
void accumulate(const DecodeLayout& layout, const float* weights,
                const DecodeStatistics* statistics, Index rows, const DecodeRows& values,
                DecodeAhead& ahead, float* acc) {
  Share share(kAskEvery * lines_of<Type>(layout), rows * layout.chunks);
  Index r = 0;
  const auto run = [&]<int kRows>() {
    for (; r + kRows <= rows; r += kRows) {
      accumulate_rows<Type, kRows, kTileWidth<Type, kRows>>(
          layout, weights + r * kDecodeScoreStride, statistics + r, values, ahead, share, 0,
          acc + r * layout.width());
    }
  };
  run.template operator()<4>();
  run.template operator()<2>();
  run.template operator()<1>();
}

template <class Type>
constexpr DecodeKernels kTable{HWY_CAP_GE512 ? core::Isa::avx512 : core::Isa::avx2,
                               kChunk<Type>,
                               Type::kParts,
                               scores<Type>,
                               soften,
                               accumulate<Type>};

const DecodeKernels* kernels(core::DType dtype) {
  if (dtype == core::DType::f32) return &kTable<Float32>;
  return dtype == core::DType::bf16 ? &kTable<Brain16> : &kTable<Half16>;
}

}  // namespace ashlar::flashattention2::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ashlar::flashattention2 {

std::vector<const DecodeKernels*> usable_decode_kernels(core::DType dtype) {
  std::vector<const DecodeKernels*> all {
#if HWY_TARGETS & HWY_AVX3
    N_AVX3::kernels(dtype),
#endif
        HWY_STATIC_DISPATCH(kernels)(dtype),
  };
  std::erase_if(all, [](const DecodeKernels* one) { return !core::may_use(one->isa); });
  return all;
}

}  // namespace ashlar::flashattention2
#endif
