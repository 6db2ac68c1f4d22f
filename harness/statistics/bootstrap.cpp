#include "harness/statistics/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "harness/statistics/order.hpp"

namespace ashlar::statistics {
namespace {

void require_valid(const BootstrapOptions& options) {
  if (options.resamples < 100) {
    throw std::invalid_argument("bootstrap: at least 100 resamples are needed");
  }
  if (!(options.level > 0 && options.level < 1)) {
    throw std::invalid_argument("bootstrap: the level must lie in (0, 1)");
  }
}

bool all_positive(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return value > 0; });
}

std::vector<double> pooled(Rounds rounds) {
  std::vector<double> all;
  for (const auto round : rounds) all.insert(all.end(), round.begin(), round.end());
  return all;
}

std::vector<std::span<const double>> without_empty(Rounds rounds) {
  std::vector<std::span<const double>> kept;
  std::ranges::copy_if(rounds, std::back_inserter(kept), [](auto round) { return !round.empty(); });
  return kept;
}

void draw(std::span<const double> values, SplitMix64& random, std::vector<double>& out) {
  for (std::size_t i = 0; i < values.size(); ++i)
    out.push_back(values[random.index(values.size())]);
}

void draw(Rounds rounds, SplitMix64& random, std::vector<double>& out) {
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    draw(rounds[random.index(rounds.size())], random, out);
  }
}

/// The interval, unless the data or too many failed resamples forbid one.
Interval guarded_interval(const std::vector<double>& distribution, double estimate,
                          std::size_t values, const BootstrapOptions& options) {
  if (std::isnan(estimate)) return {};
  if (values < 2 || distribution.size() * 2 < static_cast<std::size_t>(options.resamples)) {
    return {estimate, estimate, estimate, 0};
  }
  return percentile_interval(distribution, estimate, options.level);
}

/// One definition for both ratios: Samples is a span of values or of rounds.
template <class Samples>
Interval ratio_interval(Samples numerator, Samples denominator, std::size_t least_values,
                        double estimate, const BootstrapOptions& options) {
  std::vector<double> above;
  std::vector<double> below;
  const auto one_resample = [&](SplitMix64& random) {
    above.clear();
    below.clear();
    draw(numerator, random, above);
    draw(denominator, random, below);
    return median(above) / median(below);
  };
  return guarded_interval(resample(one_resample, options), estimate, least_values, options);
}

Interval exponential(const Interval& logs) {
  return {std::exp(logs.low), std::exp(logs.estimate), std::exp(logs.high), logs.coverage};
}

}  // namespace

std::vector<double> resample(const std::function<double(SplitMix64&)>& one_resample,
                             const BootstrapOptions& options) {
  require_valid(options);
  SplitMix64 random(options.seed);
  std::vector<double> distribution;
  distribution.reserve(static_cast<std::size_t>(options.resamples));
  for (int i = 0; i < options.resamples; ++i) {
    const double value = one_resample(random);
    if (!std::isnan(value)) distribution.push_back(value);
  }
  std::ranges::sort(distribution);
  return distribution;
}

std::vector<double> bootstrap_distribution(std::span<const double> values,
                                           const Statistic& statistic,
                                           const BootstrapOptions& options) {
  require_valid(options);
  if (values.empty()) return {};
  std::vector<double> drawn;
  const auto one_resample = [&](SplitMix64& random) {
    drawn.clear();
    draw(values, random, drawn);
    return statistic(drawn);
  };
  return resample(one_resample, options);
}

std::vector<double> clustered_bootstrap_distribution(Rounds rounds, const Statistic& statistic,
                                                     const BootstrapOptions& options) {
  require_valid(options);
  const auto kept = without_empty(rounds);
  if (kept.empty()) return {};
  std::vector<double> drawn;
  const auto one_resample = [&](SplitMix64& random) {
    drawn.clear();
    draw(Rounds(kept), random, drawn);
    return statistic(drawn);
  };
  return resample(one_resample, options);
}

Interval percentile_interval(std::span<const double> sorted_distribution, double estimate,
                             double level) {
  if (sorted_distribution.empty()) return {estimate, estimate, estimate, 0};
  const double tail = (1 - level) / 2;
  return {quantile_of_sorted(sorted_distribution, tail), estimate,
          quantile_of_sorted(sorted_distribution, 1 - tail), level};
}

double bootstrap_p_value(std::span<const double> sorted_distribution, double null_value) {
  if (sorted_distribution.empty() || std::isnan(null_value)) return kNaN;
  const auto begin = sorted_distribution.begin();
  const auto end = sorted_distribution.end();
  const auto at_most = std::upper_bound(begin, end, null_value) - begin;
  const auto at_least = end - std::lower_bound(begin, end, null_value);
  const auto tail = static_cast<double>(std::min(at_most, at_least) + 1);
  return std::min(1.0, 2 * tail / static_cast<double>(sorted_distribution.size() + 1));
}

Interval bootstrap(std::span<const double> values, const Statistic& statistic,
                   const BootstrapOptions& options) {
  const auto distribution = bootstrap_distribution(values, statistic, options);
  if (values.empty() || std::isnan(median(values))) return {};
  return guarded_interval(distribution, statistic(values), values.size(), options);
}

Interval clustered_bootstrap(Rounds rounds, const Statistic& statistic,
                             const BootstrapOptions& options) {
  const auto distribution = clustered_bootstrap_distribution(rounds, statistic, options);
  const auto all = pooled(rounds);
  if (all.empty() || std::isnan(median(all))) return {};
  return guarded_interval(distribution, statistic(all), all.size(), options);
}

Interval ratio_of_medians(std::span<const double> numerator, std::span<const double> denominator,
                          const BootstrapOptions& options) {
  require_valid(options);
  if (numerator.empty() || denominator.empty()) return {};
  if (!all_positive(numerator) || !all_positive(denominator)) return {};
  return ratio_interval(numerator, denominator, std::min(numerator.size(), denominator.size()),
                        median(numerator) / median(denominator), options);
}

Interval clustered_ratio_of_medians(Rounds numerator, Rounds denominator,
                                    const BootstrapOptions& options) {
  require_valid(options);
  const auto above = pooled(numerator);
  const auto below = pooled(denominator);
  if (above.empty() || below.empty() || !all_positive(above) || !all_positive(below)) return {};
  const auto above_rounds = without_empty(numerator);
  const auto below_rounds = without_empty(denominator);
  return ratio_interval(Rounds(above_rounds), Rounds(below_rounds),
                        std::min(above.size(), below.size()), median(above) / median(below),
                        options);
}

std::vector<double> log_ratios(std::span<const double> numerator,
                               std::span<const double> denominator) {
  if (numerator.size() != denominator.size()) {
    throw std::invalid_argument("log_ratios: paired sets must be of equal length");
  }
  std::vector<double> logs(numerator.size());
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const bool positive = numerator[i] > 0 && denominator[i] > 0;
    logs[i] = positive ? std::log(numerator[i] / denominator[i]) : kNaN;
  }
  return logs;
}

Interval paired_ratio(std::span<const double> numerator, std::span<const double> denominator,
                      double level) {
  return exponential(median_interval(log_ratios(numerator, denominator), level));
}

Interval clustered_paired_ratio(Rounds numerator, Rounds denominator,
                                const BootstrapOptions& options) {
  if (numerator.size() != denominator.size()) {
    throw std::invalid_argument("clustered_paired_ratio: both sides need the same rounds");
  }
  std::vector<std::vector<double>> logs;
  for (std::size_t r = 0; r < numerator.size(); ++r) {
    logs.push_back(log_ratios(numerator[r], denominator[r]));
  }
  const std::vector<std::span<const double>> views(logs.begin(), logs.end());
  const auto kept = without_empty(views);
  if (kept.size() == 1) return exponential(median_interval(kept[0], options.level));
  return exponential(clustered_median(kept, options));
}

Interval round_median_interval(Rounds rounds, double level) {
  if (!(level > 0 && level < 1)) {
    throw std::invalid_argument("round_median_interval: the level must lie in (0, 1)");
  }
  std::vector<double> medians;
  for (const auto round : without_empty(rounds)) medians.push_back(median(round));
  if (medians.empty() || std::isnan(median(medians))) return {};
  const auto n = static_cast<double>(medians.size());
  double mean = 0;
  for (const double value : medians) mean += value / n;
  if (medians.size() < 2) return {mean, mean, mean, 0};
  double squares = 0;
  for (const double value : medians) squares += (value - mean) * (value - mean);
  const double t = student_t_quantile((1 + level) / 2, static_cast<int>(medians.size()) - 1);
  const double half_width = t * std::sqrt(squares / (n - 1) / n);
  return {mean - half_width, mean, mean + half_width, level};
}

namespace {

/// Distribution function of Student's t for integer degrees of freedom and t >= 0, by the finite
/// trigonometric series in theta = atan(t / sqrt(degrees)) (Abramowitz and Stegun 26.7.3-4).
double student_t_cdf(double t, int degrees) {
  const double theta = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double cosine_squared = std::cos(theta) * std::cos(theta);
  const bool odd = degrees % 2 == 1;
  double term = odd ? std::cos(theta) : 1;
  double sum = degrees == 1 ? 0 : term;
  for (int k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
    term *= cosine_squared * static_cast<double>(k - 1) / static_cast<double>(k);
    sum += term;
  }
  const double central =
      odd ? (theta + std::sin(theta) * sum) * 2 / std::acos(-1.0) : std::sin(theta) * sum;
  return 0.5 + 0.5 * central;
}

}  // namespace

double student_t_quantile(double p, int degrees) {
  if (!(p > 0 && p < 1) || degrees < 1) {
    throw std::invalid_argument("student_t_quantile: p in (0, 1) and degrees >= 1 are needed");
  }
  if (p < 0.5) return -student_t_quantile(1 - p, degrees);
  double low = 0;
  double high = 1;
  while (student_t_cdf(high, degrees) < p && high < 1e12) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-14 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (student_t_cdf(middle, degrees) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace ashlar::statistics
