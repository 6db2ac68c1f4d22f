#pragma once
// Scaling exponents: y ~ x^slope.
#include <span>

#include "harness/statistics/bootstrap.hpp"
#include "harness/statistics/interval.hpp"

namespace ashlar::statistics {

/// Least-squares line through (ln x, ln y).
struct PowerFit {
  double slope = 0;
  double log_factor = 0;  // ln y at x = 1
  double r_squared = 0;   // 1 where y is constant: the line goes through every point
};

/// All NaN for fewer than two different x, or a value that is not positive and finite. Throws
/// std::invalid_argument for unequal lengths.
PowerFit fit_power(std::span<const double> x, std::span<const double> y);

/// Slope of the medians of y over x. samples[i] are the raw samples at x[i]; resampling is within
/// each x, since the x are chosen, not drawn. To respect rounds, pass one median per round as the
/// samples. Coverage 0 where every x has fewer than two samples. Throws std::invalid_argument for
/// unequal lengths.
Interval power_slope(std::span<const double> x, Rounds samples,
                     const BootstrapOptions& options = {});

}  // namespace ashlar::statistics
