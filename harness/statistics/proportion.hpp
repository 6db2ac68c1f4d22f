#pragma once
// How often something happens, from how often it was seen.
#include <cstddef>

#include "harness/statistics/interval.hpp"

namespace ashlar::statistics {

/// P(X <= k) for X ~ Bin(n, p).
double binomial_cdf(std::size_t k, std::size_t n, double p);

/// Clopper and Pearson's exact interval of a proportion (Biometrika 26, 1934): it covers the truth
/// with probability >= level, whatever that is. With nothing seen (k = 0) or nothing else seen (k =
/// n) the whole error is on the open side, so that 0 of n has the upper end 1 - 0.05^(1/n), about
/// 3/n (the rule of three). n = 0: all NaN, coverage 0. Throws std::invalid_argument for k > n or a
/// level outside (0, 1).
Interval proportion_interval(std::size_t k, std::size_t n, double level = 0.95);

}  // namespace ashlar::statistics
