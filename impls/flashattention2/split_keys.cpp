#include "impls/flashattention2/split_keys.hpp"

#include <algorithm>
#include <cmath>

#include "impls/flashattention2/forward_schedule.hpp"

namespace ashlar::flashattention2 {
namespace {

struct Factors {
  float before;  // of the accumulators
  float after;   // of the sum
};

/// row = (row * before + the sum of the parts) * after.
template <int kParts>
void sum_parts(const float* parts, Index stride, Index count, const Factors& factors, float* row) {
  static_assert(kParts <= 4);
  const float before = factors.before;
  const float after = factors.after;
  for (Index i = 0; i < count; ++i) {
    float sum = row[i] * before + parts[i];
    if constexpr (kParts > 1) sum += parts[stride + i];
    if constexpr (kParts > 2) sum += parts[2 * stride + i];
    if constexpr (kParts > 3) sum += parts[3 * stride + i];
    row[i] = sum * after;
  }
}

}  // namespace

KeySplit::KeySplit(const PackedShape& shape, Index strips)
    : strips_(strips),
      part_floats_(kStripRows * shape.row_values()),
      parts_(static_cast<std::size_t>(kKeyWarps * strips * part_floats_) * sizeof(float)),
      pending_(static_cast<std::size_t>(strips)),
      scratch_(kKeyWarps) {}

std::size_t KeySplit::bytes(const PackedShape& shape, Index strips) {
  const auto part = static_cast<std::size_t>(kStripRows * shape.row_values()) * sizeof(float);
  return sizeof(KeySplit) +
         static_cast<std::size_t>(strips) * (kKeyWarps * part + sizeof(Pending)) +
         kKeyWarps * sizeof(StripScratch);
}

Range<Index> KeySplit::share(int warp, Range<Index> block, Index key_panel) {
  const Index panels = divide_up(block.size(), key_panel);
  const auto edge = [&](Index number) {
    return std::min(block.begin + panels * number / kKeyWarps * key_panel, block.end);
  };
  return {edge(warp), edge(warp + 1)};
}

Index KeySplit::bytes_exchanged(const PackedShape& shape) {
  constexpr Index kWrittenAndRead = 2;
  return kWrittenAndRead * kStripRows * (2 + shape.row_values()) *
         static_cast<Index>(sizeof(float));
}

bool KeySplit::weigh(const StripDriver& driver, const Strip& strip, Index index, Range<Index> block,
                     const std::uint32_t* queries, StripStatistics& statistics,
                     ForwardCounts& counts) {
  std::array<View, kKeyWarps> views;
  Pending& pending = pending_[static_cast<std::size_t>(index)];
  pending.parts = 0;
  for (int warp = 0; warp < kKeyWarps; ++warp) {
    const Range<Index> keys = share(warp, block, driver.shape().key_panel);
    const View view = driver.view(strip, keys.begin, keys.end);
    if (view.empty()) continue;
    const auto at = static_cast<std::size_t>(pending.parts++);
    views[at] = view;
    driver.score(strip, view, queries, scratch_[at]);
    driver.row_max(view, scratch_[at], maxima_.data() + at * kStripRows);
    count_products(view, driver.shape(), counts);
    counts.exchanged_bytes += bytes_exchanged(driver.shape());
  }
  if (pending.parts == 0) return false;

  StripStatistics of_block{};  // the maximum over all warps, which all of them use
  for (std::size_t r = 0; r < kStripRows; ++r) {
    of_block.max[r] = statistics.max[r];
    for (int number = 0; number < pending.parts; ++number) {
      const auto at = static_cast<std::size_t>(number);
      of_block.max[r] = std::max(of_block.max[r], maxima_[at * kStripRows + r]);
    }
  }
  for (int number = 0; number < pending.parts; ++number) {
    const auto at = static_cast<std::size_t>(number);
    StripStatistics own = of_block;
    driver.softmax(views[at], scratch_[at], own);
    std::copy_n(own.sum, kStripRows, sums_.begin() + number * kStripRows);
    driver.drop(strip, views[at], scratch_[at]);
    driver.accumulate(strip, views[at], scratch_[at], Join::replace, part(number, index));
  }
  for (std::size_t r = 0; r < kStripRows; ++r) {
    const float old_sum = statistics.sum[r];
    const bool rescale = of_block.max[r] > statistics.max[r] && old_sum != 0.0f;
    pending.old_sum[r] = old_sum;
    pending.factor[r] = rescale ? std::exp2(statistics.max[r] - of_block.max[r]) : 1.0f;
    statistics.max[r] = of_block.max[r];
    statistics.sum[r] = old_sum * pending.factor[r];
    for (int number = 0; number < pending.parts; ++number) {
      statistics.sum[r] += sums_[static_cast<std::size_t>(number) * kStripRows + r];
    }
  }
  return true;
}

void KeySplit::reduce(Index index, const StripStatistics& statistics, bool normalised,
                      float* acc) const {
  const Pending& pending = pending_[static_cast<std::size_t>(index)];
  if (pending.parts == 0) return;
  const Index row_values = part_floats_ / kStripRows;
  const Index warp_stride = strips_ * part_floats_;
  for (Index r = 0; r < kStripRows; ++r) {
    const Factors factors{
        pending.factor[r] * (normalised ? pending.old_sum[r] : 1.0f),
        normalised && statistics.sum[r] != 0.0f ? 1.0f / statistics.sum[r] : 1.0f};
    const float* first = part(0, index) + r * row_values;
    float* row = acc + r * row_values;
    switch (pending.parts) {
      case 1:
        sum_parts<1>(first, warp_stride, row_values, factors, row);
        break;
      case 2:
        sum_parts<2>(first, warp_stride, row_values, factors, row);
        break;
      case 3:
        sum_parts<3>(first, warp_stride, row_values, factors, row);
        break;
      default:
        sum_parts<kKeyWarps>(first, warp_stride, row_values, factors, row);
    }
  }
}

}  // namespace ashlar::flashattention2
