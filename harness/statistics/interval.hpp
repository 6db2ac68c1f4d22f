#pragma once
#include <limits>

namespace ashlar::statistics {

/// An estimate and the interval around it. `coverage` is the probability with which the interval
/// holds the true value: exact for order statistics, nominal for the bootstrap, and 0 where the
/// data say nothing about their spread (fewer than two values), so that low == high is never
/// mistaken for certainty. Where the input is empty or holds a NaN, all three are NaN and the
/// coverage is 0.
struct Interval {
  double low = std::numeric_limits<double>::quiet_NaN();
  double estimate = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
  double coverage = 0;

  bool operator==(const Interval&) const = default;
};

}  // namespace ashlar::statistics
