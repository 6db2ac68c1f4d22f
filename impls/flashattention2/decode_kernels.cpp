// The kernels of decode_kernels.hpp, compiled once per Highway target. Loops over accumulators are
// unrolled by pragma: GCC keeps an indexed array of vectors in memory as soon as one loop over it
// is left rolled.
#include "impls/flashattention2/decode_kernels.hpp"

#include <algorithm>
#include <bit>

// AVX3_DL adds nothing that these kernels use.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "impls/flashattention2/decode_kernels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 512-bit targets have 32 registers, the others are taken to have 16.
#if HWY_CAP_GE512
using Tag = hn::FixedTag<float, 16>;
constexpr int kMostRows = 4;
constexpr int kAccumulators = 16;
#else
using Tag = hn::CappedTag<float, 8>;
constexpr int kMostRows = 3;  // with 4 keys or chunks: 12 accumulators, 3 operands, 1 to load to
constexpr int kAccumulators = 12;
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

/// Rows of a tile. With 16 registers, both halves of a vector of bfloat16 and the bits to cut them
/// by leave room for two.
template <class Type>
constexpr int kTileRows = HWY_CAP_GE512 || Type::kParts == 1 ? kMostRows : 2;

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

/// Calls body<n>(r) for all rows from r on, kRows at a time, and for the rest with fewer.
template <int kRows, class Body>
HWY_INLINE void for_rows(Index r, Index rows, const Body& body) {
  for (; r + kRows <= rows; r += kRows) body.template operator()<kRows>(r);
  if constexpr (kRows > 1) for_rows<(kRows + 1) / 2>(r, rows, body);
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
    Share share(kScoreKeys * lines, rows);
    for_rows<kTileRows<Type>>(0, rows, [&]<int kRows>(Index r) {
      ahead.ask(share.next(kRows));
      score_tile<Type, kRows>(layout, queries + r * width, key,
                              scores + r * kDecodeScoreStride + first);
    });
  }
}

/// In decode_softmax.cpp, for the same target.
void soften(const DecodeSoftmax& softmax, Index rows, Index count, const Range<Index>* visible,
            float* scores, DecodeStatistics* statistics);

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
constexpr int kTileWidth =
    std::min(static_cast<int>(std::bit_floor(kAccumulators / unsigned{kRows * Type::kParts})), 8);

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
  for_rows<kTileRows<Type>>(0, rows, [&]<int kRows>(Index r) {
    accumulate_rows<Type, kRows, kTileWidth<Type, kRows>>(layout, weights + r * kDecodeScoreStride,
                                                          statistics + r, values, ahead, share, 0,
                                                          acc + r * layout.width());
  });
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
