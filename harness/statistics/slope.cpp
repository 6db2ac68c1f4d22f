#include "harness/statistics/slope.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "harness/statistics/order.hpp"

namespace ashlar::statistics {
namespace {

void require_equal_lengths(std::size_t x, std::size_t y) {
  if (x != y) throw std::invalid_argument("power fit: x and y must be of equal length");
}

bool positive_and_finite(double value) { return value > 0 && std::isfinite(value); }

}  // namespace

PowerFit fit_power(std::span<const double> x, std::span<const double> y) {
  require_equal_lengths(x.size(), y.size());
  constexpr PowerFit kUndefined{kNaN, kNaN, kNaN};
  const auto n = static_cast<double>(x.size());
  double mean_x = 0;
  double mean_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!positive_and_finite(x[i]) || !positive_and_finite(y[i])) return kUndefined;
    mean_x += std::log(x[i]) / n;
    mean_y += std::log(y[i]) / n;
  }
  double xx = 0;
  double xy = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = std::log(x[i]) - mean_x;
    const double dy = std::log(y[i]) - mean_y;
    xx += dx * dx;
    xy += dx * dy;
    yy += dy * dy;
  }
  // Compared on the values, since rounding of the mean leaves a tiny xx even where all x are equal.
  const bool one_x = std::ranges::all_of(x, [&](double value) { return value == x[0]; });
  if (x.size() < 2 || one_x) return kUndefined;
  const double slope = xy / xx;
  return {slope, mean_y - slope * mean_x, yy > 0 ? xy * xy / (xx * yy) : 1};
}

Interval power_slope(std::span<const double> x, Rounds samples, const BootstrapOptions& options) {
  require_equal_lengths(x.size(), samples.size());
  std::vector<double> medians;
  std::size_t most = 0;
  for (const auto at_x : samples) {
    medians.push_back(median(at_x));
    most = std::max(most, at_x.size());
  }
  const double estimate = fit_power(x, medians).slope;
  if (std::isnan(estimate)) return {};
  if (most < 2) return {estimate, estimate, estimate, 0};
  std::vector<double> drawn;
  const auto one_resample = [&](SplitMix64& random) {
    for (std::size_t k = 0; k < samples.size(); ++k) {
      drawn.clear();
      for (std::size_t j = 0; j < samples[k].size(); ++j) {
        drawn.push_back(samples[k][random.index(samples[k].size())]);
      }
      medians[k] = median(drawn);
    }
    return fit_power(x, medians).slope;
  };
  return percentile_interval(resample(one_resample, options), estimate, options.level);
}

}  // namespace ashlar::statistics
