#include "impls/bcd/sliced_columns.hpp"

#include <algorithm>
#include <numeric>

namespace ashlar::bcd {
namespace {

// Columns are sorted by length within so many, so that products are written near each other.
constexpr Index kSortedTogether = 512;

std::vector<Index> by_length(const SparseLines& lines) {
  std::vector<Index> order(static_cast<std::size_t>(lines.lines()));
  std::iota(order.begin(), order.end(), Index{0});
  for (std::size_t begin = 0; begin < order.size(); begin += kSortedTogether) {
    const std::size_t end = std::min(order.size(), begin + kSortedTogether);
    std::stable_sort(order.begin() + begin, order.begin() + end, [&](Index one, Index other) {
      return lines.indices_of(one).size() > lines.indices_of(other).size();
    });
  }
  return order;
}

}  // namespace

std::optional<SlicedColumns> slice_columns(const FeatureMatrix& a) {
  constexpr Index kMostRows = 1 << 16;
  constexpr Index kSide = SlicedColumns::kSide;
  if (a.rows > kMostRows) return std::nullopt;
  const SparseLines& lines = a.by_column;
  SlicedColumns sliced;
  sliced.columns = by_length(lines);
  const auto slices = (sliced.columns.size() + kSide - 1) / kSide;
  sliced.columns.resize(slices * kSide, -1);
  sliced.starts.push_back(0);
  for (std::size_t slice = 0; slice < slices; ++slice) {
    std::size_t longest = 0;
    for (Index lane = 0; lane < kSide; ++lane) {
      const Index column = sliced.columns[slice * kSide + lane];
      if (column >= 0) longest = std::max(longest, lines.indices_of(column).size());
    }
    sliced.starts.push_back(sliced.starts.back() + static_cast<std::int64_t>(longest) * kSide);
  }
  const std::int64_t all = sliced.starts.back();
  if (all - lines.entries() > lines.entries() / 8 + kSide) return std::nullopt;
  sliced.values.resize(static_cast<std::size_t>(all));
  sliced.rows.resize(static_cast<std::size_t>(all));
  for (std::size_t place = 0; place < sliced.columns.size(); ++place) {
    const Index column = sliced.columns[place];
    if (column < 0) continue;
    std::int64_t at = sliced.starts[place / kSide] + static_cast<std::int64_t>(place % kSide);
    for (std::int64_t e = lines.starts[column]; e < lines.starts[column + 1]; ++e, at += kSide) {
      sliced.values[at] = lines.values[e];
      sliced.rows[at] = static_cast<std::uint16_t>(lines.indices[e]);
    }
    // A row that the column has: where v is infinite in another, 0 times it would be NaN here.
    if (lines.indices_of(column).empty()) continue;
    const auto last = static_cast<std::uint16_t>(lines.indices_of(column).back());
    for (; at < sliced.starts[place / kSide + 1]; at += kSide) sliced.rows[at] = last;
  }
  return sliced;
}

}  // namespace ashlar::bcd
