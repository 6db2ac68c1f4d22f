// Softcap and dropout on a strip, compiled once per Highway target (see strip_kernels.hpp).
//
// Dropout. A patch of the mask (dropout.hpp) covers 16 rows x 32 columns with 32 counters of 16
// bytes each. One row needs four of these, whose numbers are consecutive, and of each one half, two
// words: a vector of counters hence serves as many groups of 32 columns as it has blocks of 128
// bits. In such a block the first word's low halves belong to columns 0 to 7 of the group, two
// each, the high halves to columns 8 to 15, and the second word to columns 16 to 31 in the same
// way, so one shuffle within blocks puts a word's 16 bytes into the order of columns.
#include <algorithm>
#include <cstdint>

#include "impls/core/philox.hpp"
#include "impls/flashattention2/strip_kernels.hpp"

// AVX3_DL adds nothing that is used here.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "impls/flashattention2/strip_features.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "impls/flashattention2/strip_math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::HWY_NAMESPACE {

void softcap(StripScratch& scratch, float factor, Index computed) {
  const Tag d;
  const Vector scale = hn::Set(d, factor);
  for (int r = 0; r < kStripRows; ++r) {
    float* row = scratch.scores + r * kScoreStride;
    Vector top = hn::Set(d, -1.0f);
    for (Index c = 0; c < computed; c += kLanes) {
      const Vector capped = tanh(hn::Mul(hn::Load(d, row + c), scale));
      hn::Store(capped, d, row + c);
      top = hn::Max(top, capped);
    }
    hn::Store(top, d, scratch.lane_max + r * 16);
  }
}

using WordTag = hn::RebindToUnsigned<Tag>;
using Words = hn::Vec<WordTag>;

/// The halves of value * multiplier.
struct Product {
  Words low;
  Words high;
};

HWY_INLINE Product multiply(Words value, Words multiplier) {
  const WordTag d;
  const hn::Repartition<std::uint64_t, WordTag> wide;
  const auto even = hn::MulEven(value, multiplier);
  const auto odd =
      hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, value))), multiplier);
  return {hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even)),
          hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)))};
}

struct Counters {
  Words word0, word1, word2, word3;
};

/// core::philox() on one counter per lane.
HWY_INLINE Counters philox(Counters counter, std::uint32_t key0, std::uint32_t key1) {
  const WordTag d;
  const Words multiplier0 = hn::Set(d, core::kPhiloxMultiplier0);
  const Words multiplier1 = hn::Set(d, core::kPhiloxMultiplier1);
  for (int round = 0; round < core::kPhiloxRounds; ++round) {
    const Product product0 = multiply(counter.word0, multiplier0);
    const Product product1 = multiply(counter.word2, multiplier1);
    counter.word0 = hn::Xor(hn::Xor(product1.high, counter.word1), hn::Set(d, key0));
    counter.word2 = hn::Xor(hn::Xor(product0.high, counter.word3), hn::Set(d, key1));
    counter.word1 = product1.low;
    counter.word3 = product0.low;
    key0 += core::kPhiloxWeyl0;
    key1 += core::kPhiloxWeyl1;
  }
  return counter;
}

/// The bytes of one row of the mask from a multiple of 32 columns on, the halves of every group of
/// 32 apart.
class RowBytes {
 public:
  HWY_INLINE void fill(const DropoutMask& mask, std::uint32_t row, std::uint32_t first_column,
                       Index columns) {
    const WordTag d;
    const hn::Repartition<std::uint8_t, WordTag> bytes;
    alignas(16) static constexpr std::uint8_t kColumnOrder[16] = {0, 1, 4, 5, 8,  9,  12, 13,
                                                                  2, 3, 6, 7, 10, 11, 14, 15};
    const auto order = hn::LoadDup128(bytes, kColumnOrder);
    for (Index c = 0; c < columns; c += 8 * kLanes) {
      const auto first = first_column / 32 * 4 + static_cast<std::uint32_t>(c / 8);
      const Counters random = philox({hn::Iota(d, first), hn::Set(d, row / 16 * 8 + row % 8),
                                      hn::Set(d, mask.head_id()), hn::Set(d, mask.offset())},
                                     mask.key0(), mask.key1());
      const bool later = row % 16 >= 8;
      const Words low = later ? random.word2 : random.word0;
      const Words high = later ? random.word3 : random.word1;
      hn::Store(hn::TableLookupBytes(hn::BitCast(bytes, low), order), bytes, halves_[0] + c / 2);
      hn::Store(hn::TableLookupBytes(hn::BitCast(bytes, high), order), bytes, halves_[1] + c / 2);
    }
  }
  /// Of column c and its neighbours up to the next multiple of 16.
  HWY_INLINE const std::uint8_t* at(Index c) const {
    return halves_[c / 16 % 2] + c / 32 * 16 + c % 16;
  }

 private:
  // Columns of a block, up to 31 before it and up to a whole vector of counters behind.
  alignas(64) std::uint8_t halves_[2][kMaxKeyBlock / 2 + 128];
};

/// Weight c of `row` stays where byte c is below the threshold. Lanes are floats or halves of
/// pairs, as many as have their bytes side by side.
template <class D, class T>
HWY_INLINE void drop_row(D d, T* row, const RowBytes& bytes, Index offset, Range<Index> keys,
                         int threshold) {
  constexpr Index kStride = static_cast<Index>(hn::MaxLanes(D()));
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint8_t, D> d8;
  const auto bound = hn::Set(di, static_cast<hn::TFromD<decltype(di)>>(threshold));
  for (Index c = keys.begin / kStride * kStride; c < keys.end; c += kStride) {
    const auto byte = hn::PromoteTo(du, hn::LoadU(d8, bytes.at(offset + c)));
    const auto kept = hn::Lt(hn::BitCast(di, byte), bound);
    hn::Store(hn::IfThenElseZero(hn::RebindMask(d, kept), hn::Load(d, row + c)), d, row + c);
  }
}

template <class D, class T>
HWY_INLINE void drop(D d, T* weights, Index stride, const DropoutMask& mask, Index first_row,
                     Index first_column, Range<Index> keys) {
  // The bytes begin at a multiple of 32 columns at or before the first weight.
  const Index begin = (first_column + keys.begin) / 32 * 32;
  const Index end = first_column + keys.end;
  RowBytes bytes;
  for (int r = 0; r < kStripRows; ++r) {
    bytes.fill(mask, static_cast<std::uint32_t>(first_row + r), static_cast<std::uint32_t>(begin),
               end - begin);
    drop_row(d, weights + r * stride, bytes, first_column - begin, keys, mask.threshold());
  }
}

void drop_floats(StripScratch& scratch, const DropoutMask& mask, Index first_row,
                 Index first_column, Range<Index> keys) {
  drop(Tag(), scratch.scores, kScoreStride, mask, first_row, first_column, keys);
}

void drop_pairs(StripScratch& scratch, const DropoutMask& mask, Index first_row, Index first_column,
                Range<Index> keys) {
  drop(hn::CappedTag<std::uint16_t, 16>(), reinterpret_cast<std::uint16_t*>(scratch.pairs),
       2 * kScoreStride, mask, first_row, first_column, keys);
}

const StripFeatures* features() {
  static constexpr StripFeatures kTable{softcap, drop_floats, drop_pairs};
  return &kTable;
}

}  // namespace ashlar::flashattention2::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ashlar::flashattention2 {

const StripFeatures& strip_features(const StripKernels& kernels) {
#if HWY_TARGETS & HWY_AVX3
  if (kernels.isa >= core::Isa::avx512) return *N_AVX3::features();
#endif
  static_cast<void>(kernels);
  return *HWY_STATIC_DISPATCH(features)();
}

}  // namespace ashlar::flashattention2
#endif
