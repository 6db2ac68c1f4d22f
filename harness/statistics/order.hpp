#pragma once
// Robust summaries of one sample, and the distribution-free interval of its median.
#include <cstddef>
#include <span>

#include "harness/statistics/interval.hpp"

namespace ashlar::statistics {

/// The middle value, or the mean of the two middle ones.
double median(std::span<const double> values);

/// Linear interpolation between order statistics at position (n - 1) * p (Hyndman and Fan's type 7,
/// the default of R and NumPy). Throws std::invalid_argument for p outside [0, 1].
double quantile(std::span<const double> values, double p);
/// The same for values already in ascending order.
double quantile_of_sorted(std::span<const double> sorted, double p);

/// Median absolute percentage error, median of |x - m| / |m| with m the median: 0.01 is 1 %.
/// NaN for m = 0.
double mdape(std::span<const double> values);

/// NaN where a value is zero or negative.
double geometric_mean(std::span<const double> values);

/// Which order statistics bound the median: [x_(rank), x_(n + 1 - rank)], ranks from 1.
struct MedianRank {
  std::size_t rank = 0;
  double coverage = 0;
};

/// The largest rank whose interval covers the median with probability >= level:
/// P(rank <= Bin(n, 1/2) <= n - rank). Where no rank does (n < 6 at 95 %), rank 1, the whole range,
/// with its smaller coverage. n = 0 gives rank 0. Throws std::invalid_argument for a level outside
/// (0, 1).
MedianRank median_rank(std::size_t n, double level = 0.95);

/// Interval of the median from order statistics. It assumes independent values and nothing of their
/// distribution. `coverage` is exact for continuous distributions and a lower bound under ties.
Interval median_interval(std::span<const double> values, double level = 0.95);

}  // namespace ashlar::statistics
