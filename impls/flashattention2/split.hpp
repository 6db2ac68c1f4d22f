#pragma once
// Split-KV: into how many parts the keys are cut when there are too few blocks of rows to fill a
// device, which keys a part has, and where its partial answer lies. Pure integers, for the CPU and
// for kernels.
//
// Partial answers are float: lse of (split, query head, row of all sequences), and out of the same
// with head_dim values each, so that the parts of one row lie a constant stride apart, which is
// what combine.hpp reads.
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/mask.hpp"

namespace ashlar::flashattention2 {

inline constexpr int kMostSplits = 128;

/// The keys of part `split` of `splits`, of `length` in all: equal to one key. Some are empty when
/// there are more parts than keys.
template <class Int>
ASHLAR_HOST_DEVICE constexpr Range<Int> split_keys(Int length, Int splits, Int split) {
  const Int share = length / splits;
  const Int longer = length % splits;  // the first `longer` parts have one key more
  const Int begin = split * share + (split < longer ? split : longer);
  return {begin, begin + share + (split < longer ? 1 : 0)};
}

/// The same in whole blocks of `block` keys: split_keys() of the blocks [blocks.begin, blocks.end)
/// that have to be visited, as numbers of blocks.
template <class Int>
ASHLAR_HOST_DEVICE constexpr Range<Int> split_blocks(const Range<Int>& blocks, Int splits,
                                                     Int split) {
  const Range<Int> part = split_keys<Int>(blocks.size(), splits, split);
  return {blocks.begin + part.begin, blocks.begin + part.end};
}

namespace detail {

/// How well `work` equal items fill `slots` workers: items over places in whole waves.
struct Waves {
  std::int64_t items;
  std::int64_t places;
};
ASHLAR_HOST_DEVICE constexpr Waves waves_of(std::int64_t work, std::int64_t slots) {
  return {work, divide_up(work, slots) * slots};
}

}  // namespace detail

/// The smallest number of splits, at most `most` and key_blocks, whose last wave is full enough: at
/// least 85 % of the best efficiency among them. `blocks` items per split share `slots` workers.
/// Numbers that cut no finer than the one before (the longest part is as long) do not count.
template <class Int>
ASHLAR_HOST_DEVICE constexpr Int even_splits(Int blocks, Int slots, Int key_blocks, Int most) {
  if (blocks >= 8 * slots) return 1;  // 8 waves of 9 at least: nothing is better by 15 %
  const Int limit = key_blocks < most ? key_blocks : most;
  const auto counts = [&](Int s) {
    return s == 1 || divide_up<Int>(key_blocks, s) != divide_up<Int>(key_blocks, s - 1);
  };
  detail::Waves best{0, 1};
  for (Int s = 1; s <= limit; ++s) {
    const detail::Waves one = detail::waves_of(std::int64_t{blocks} * s, slots);
    if (counts(s) && one.items * best.places > best.items * one.places) best = one;
  }
  for (Int s = 1; s <= limit; ++s) {
    const detail::Waves one = detail::waves_of(std::int64_t{blocks} * s, slots);
    if (counts(s) && 100 * one.items * best.places >= 85 * best.items * one.places) return s;
  }
  return 1;
}

/// The rule of the official code: no split when the blocks alone (row blocks * heads * batch) fill
/// four fifths of the places that the device has, two per multiprocessor; else even_splits(), with
/// no more splits than places.
template <class Int>
ASHLAR_HOST_DEVICE constexpr Int device_splits(Int blocks, Int multiprocessors, Int key_blocks,
                                               Int most = kMostSplits) {
  const Int slots = 2 * multiprocessors;
  if (5 * std::int64_t{blocks} >= 4 * std::int64_t{slots}) return 1;
  return even_splits<Int>(blocks, slots, key_blocks, slots < most ? slots : most);
}

/// Where partial answers lie. `rows` counts the rows of all sequences or batch entries.
struct PartialLayout {
  std::int64_t splits = 0;
  std::int64_t heads = 0;
  std::int64_t rows = 0;
  std::int64_t width = 0;  // floats of one row of partial outputs, head_dim or more

  /// The place of (split, head, row), in floats of lse and in rows of out.
  ASHLAR_HOST_DEVICE constexpr std::int64_t at(std::int64_t split, std::int64_t head,
                                               std::int64_t row) const {
    return (split * heads + head) * rows + row;
  }
  /// From one part of a row to the next, in the same units.
  ASHLAR_HOST_DEVICE constexpr std::int64_t split_stride() const { return heads * rows; }
  ASHLAR_HOST_DEVICE constexpr std::int64_t lse_floats() const { return splits * heads * rows; }
  ASHLAR_HOST_DEVICE constexpr std::int64_t out_floats() const { return lse_floats() * width; }
};

}  // namespace ashlar::flashattention2
