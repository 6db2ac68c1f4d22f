// The bootstrap of the median over many rounds, without drawing.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "harness/statistics/bootstrap.hpp"
#include "harness/statistics/order.hpp"

namespace ashlar::statistics {
namespace {

/// z with P(standard normal <= z) = p, for p in [0.5, 1).
double normal_quantile(double p) {
  double low = 0;
  double high = 40;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (std::erfc(middle / std::sqrt(2.0)) > 2 * (1 - p) ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

/// What a resample draws: as many rounds as there are, and of each as many samples as it has.
class Resampled {
 public:
  explicit Resampled(Rounds rounds) {
    for (const auto round : rounds) {
      if (round.empty()) continue;
      sorted_.insert(sorted_.end(), round.begin(), round.end());
      std::sort(sorted_.end() - static_cast<std::ptrdiff_t>(round.size()), sorted_.end());
      ends_.push_back(sorted_.size());
    }
    pooled_ = sorted_;
    std::ranges::sort(pooled_);
  }

  /// In how many standard deviations from zero the drawn samples at or below x outnumber those
  /// above it, on average.
  double excess(double x) const {
    double mean = 0;
    double squares = 0;
    std::size_t begin = 0;
    for (const std::size_t end : ends_) {
      const double* first = sorted_.data() + begin;
      const auto size = static_cast<double>(end - begin);
      const auto below =
          static_cast<double>(std::upper_bound(first, sorted_.data() + end, x) - first);
      const double balance = 2 * below - size;
      mean += balance;
      squares += balance * balance + 4 * below * (1 - below / size);
      begin = end;
    }
    const auto rounds = static_cast<double>(ends_.size());
    mean /= rounds;
    const double variance = squares / rounds - mean * mean;
    if (variance > 0) return mean * std::sqrt(rounds / variance);
    return mean == 0 ? 0 : std::copysign(std::numeric_limits<double>::infinity(), mean);
  }
  /// The least sample whose excess reaches z.
  double percentile(double z) const {
    const auto found = std::partition_point(pooled_.begin(), pooled_.end(),
                                            [&](double x) { return excess(x) < z; });
    return found == pooled_.end() ? pooled_.back() : *found;
  }

 private:
  std::vector<double> sorted_;  // within each round
  std::vector<std::size_t> ends_;
  std::vector<double> pooled_;
};

}  // namespace

Interval clustered_median(Rounds rounds, const BootstrapOptions& options) {
  const auto full = static_cast<std::size_t>(
      std::ranges::count_if(rounds, [](auto round) { return !round.empty(); }));
  if (full < kManyRounds) return clustered_bootstrap(rounds, median, options);
  if (!(options.level > 0 && options.level < 1))
    throw std::invalid_argument("clustered_median: the level must lie in (0, 1)");
  std::vector<double> all;
  for (const auto round : rounds) all.insert(all.end(), round.begin(), round.end());
  const double estimate = median(all);
  if (std::isnan(estimate)) return {};
  const Resampled resampled(rounds);
  const double z = normal_quantile(0.5 * (1 + options.level));
  return {resampled.percentile(-z), estimate, resampled.percentile(z), options.level};
}

}  // namespace ashlar::statistics
