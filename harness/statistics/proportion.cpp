#include "harness/statistics/proportion.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace ashlar::statistics {

namespace {

double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

/// The p at which a function that falls from 1 to 0 over [0, 1] passes through `target`.
template <class Falling>
double crossing(const Falling& falling, double target) {
  double low = 0;
  double high = 1;
  for (int step = 0; step < 60; ++step) {
    const double middle = 0.5 * (low + high);
    (falling(middle) > target ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

double binomial_cdf(std::size_t k, std::size_t n, double p) {
  if (k >= n || p <= 0) return 1;
  if (p >= 1) return 0;
  const auto size = static_cast<double>(n);
  double sum = 0;
  for (std::size_t i = 0; i <= k; ++i) {
    const auto seen = static_cast<double>(i);
    sum += std::exp(log_choose(size, seen) + seen * std::log(p) + (size - seen) * std::log1p(-p));
  }
  return std::min(sum, 1.0);
}

Interval proportion_interval(std::size_t k, std::size_t n, double level) {
  if (k > n) throw std::invalid_argument("more seen than looked at");
  if (!(level > 0 && level < 1)) throw std::invalid_argument("level outside (0, 1)");
  Interval interval;
  if (n == 0) return interval;
  const bool one_sided = k == 0 || k == n;
  const double tail = one_sided ? 1 - level : (1 - level) / 2;
  interval.estimate = static_cast<double>(k) / static_cast<double>(n);
  interval.coverage = level;
  interval.low =
      k == 0 ? 0 : crossing([&](double p) { return binomial_cdf(k - 1, n, p); }, 1 - tail);
  interval.high = k == n ? 1 : crossing([&](double p) { return binomial_cdf(k, n, p); }, tail);
  return interval;
}

}  // namespace ashlar::statistics
