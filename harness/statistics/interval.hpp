#pragma once
#include <limits>

namespace ashlar::statistics {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// An estimate and the interval around it. `coverage` is the probability with which the interval
/// holds the true value: exact for order statistics, nominal for the bootstrap, and 0 where the
/// data say nothing about their spread (fewer than two values), so that low == high is never
/// mistaken for certainty. Where the input is empty or holds a NaN, all three are NaN and the
/// coverage is 0.
struct Interval {
  double low = kNaN;
  double estimate = kNaN;
  double high = kNaN;
  double coverage = 0;

  bool operator==(const Interval&) const = default;
};

}  // namespace ashlar::statistics
