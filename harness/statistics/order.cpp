#include "harness/statistics/order.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace ashlar::statistics {
namespace {

bool has_nan(std::span<const double> values) {
  return std::ranges::any_of(values, [](double value) { return std::isnan(value); });
}

std::vector<double> sorted_copy(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  return sorted;
}

/// Halves first, so that two large values do not overflow; equal infinities stay.
double mean_of_two(double low, double high) { return low == high ? low : 0.5 * low + 0.5 * high; }

double median_of_sorted(std::span<const double> sorted) {
  const std::size_t n = sorted.size();
  return mean_of_two(sorted[(n - 1) / 2], sorted[n / 2]);
}

}  // namespace

double median(std::span<const double> values) {
  if (values.empty() || has_nan(values)) return kNaN;
  std::vector<double> work(values.begin(), values.end());
  const auto middle = work.begin() + static_cast<std::ptrdiff_t>(work.size() / 2);
  std::nth_element(work.begin(), middle, work.end());
  if (work.size() % 2 == 1) return *middle;
  return mean_of_two(*std::max_element(work.begin(), middle), *middle);
}

double quantile_of_sorted(std::span<const double> sorted, double p) {
  if (!(p >= 0 && p <= 1)) throw std::invalid_argument("quantile: p must lie in [0, 1]");
  if (sorted.empty()) return kNaN;
  const double position = static_cast<double>(sorted.size() - 1) * p;
  const auto below = static_cast<std::size_t>(position);
  const double low = sorted[below];
  const double high = sorted[std::min(below + 1, sorted.size() - 1)];
  const double fraction = position - static_cast<double>(below);
  // Without this test an infinite neighbour of weight zero, or two equal infinities, give NaN.
  if (fraction == 0 || low == high) return low;
  return low * (1 - fraction) + high * fraction;
}

double quantile(std::span<const double> values, double p) {
  if (has_nan(values)) return kNaN;
  return quantile_of_sorted(sorted_copy(values), p);
}

double mdape(std::span<const double> values) {
  const double middle = median(values);
  if (std::isnan(middle) || middle == 0) return kNaN;
  std::vector<double> errors(values.begin(), values.end());
  for (double& value : errors) value = std::abs((value - middle) / middle);
  return median(errors);
}

double geometric_mean(std::span<const double> values) {
  if (values.empty()) return kNaN;
  double sum = 0;
  for (const double value : values) {
    if (!(value > 0)) return kNaN;
    sum += std::log(value);
  }
  return std::exp(sum / static_cast<double>(values.size()));
}

MedianRank median_rank(std::size_t n, double level) {
  if (!(level > 0 && level < 1)) {
    throw std::invalid_argument("median_rank: the level must lie in (0, 1)");
  }
  if (n == 0) return {};
  // P(Bin(n, 1/2) = k) at the centre, as a product that neither over- nor underflows; for odd n
  // both middle terms equal the middle term of n + 1. From there the terms are added outwards.
  const std::size_t half = (n + 1) / 2;
  double term = 1;
  for (std::size_t i = 1; i <= half; ++i) {
    term *= static_cast<double>(2 * i - 1) / static_cast<double>(2 * i);
  }
  std::size_t rank = n % 2 == 0 ? n / 2 : half - 1;  // terms rank..n-rank are in `coverage`
  double coverage = n % 2 == 0 ? term : 2 * term;
  // An exact level such as 93.75 % must not be missed by a rounding error.
  while (rank > 1 && coverage < level - 1e-12) {
    term *= static_cast<double>(rank) / static_cast<double>(n - rank + 1);
    --rank;
    coverage += 2 * term;
  }
  if (rank == 0) return {1, 0};  // n = 1: one value says nothing about spread
  return {rank, std::min(coverage, 1.0)};
}

Interval median_interval(std::span<const double> values, double level) {
  const MedianRank rank = median_rank(values.size(), level);
  if (values.empty() || has_nan(values)) return {};
  const std::vector<double> sorted = sorted_copy(values);
  return {sorted[rank.rank - 1], median_of_sorted(sorted), sorted[sorted.size() - rank.rank],
          rank.coverage};
}

}  // namespace ashlar::statistics
