#include "harness/claims/intervals.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "harness/statistics/bootstrap.hpp"
#include "harness/statistics/order.hpp"
#include "harness/statistics/random.hpp"
#include "harness/statistics/slope.hpp"

namespace ashlar::claims::detail {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Spans = std::vector<std::span<const double>>;

Spans spans_of(const Series& series) {
  Spans spans;
  for (const Cluster& cluster : series.clusters) spans.emplace_back(cluster.values);
  return spans;
}

std::vector<double> pooled(const Series& series) {
  std::vector<double> all;
  for (const Cluster& cluster : series.clusters)
    all.insert(all.end(), cluster.values.begin(), cluster.values.end());
  return all;
}

statistics::BootstrapOptions options_of(const Confidence& confidence) {
  return {confidence.resamples, confidence.level, confidence.seed};
}

/// Coverage 0 means that nothing is known of the spread, which is not certainty.
Measured from_statistics(const statistics::Interval& interval) {
  if (interval.coverage == 0) return {kNaN, interval.estimate, kNaN};
  return {interval.low, interval.estimate, interval.high};
}

Measured range_of(const std::vector<double>& values) {
  const double middle = statistics::median(values);
  if (std::isnan(middle)) return {kNaN, kNaN, kNaN};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, middle, *high};
}

/// Seeds are independent: order statistics. One seed is a point.
Measured of_seeds(const std::vector<double>& values, double level) {
  if (values.size() < 2) return range_of(values);
  return from_statistics(statistics::median_interval(values, level));
}

Measured of_samples(const Series& series, const Confidence& confidence) {
  const Spans rounds = spans_of(series);
  if (rounds.size() == 1)
    return from_statistics(statistics::median_interval(rounds[0], confidence.level));
  return from_statistics(
      statistics::clustered_bootstrap(rounds, statistics::median, options_of(confidence)));
}

/// Rounds that both have, sample i beside sample i, the longer one cut.
bool pair_samples(const Series& a, const Series& b, Spans& left, Spans& right) {
  std::size_t pairs = 0;
  for (const Cluster& one : a.clusters) {
    const auto other = std::find_if(b.clusters.begin(), b.clusters.end(),
                                    [&](const Cluster& c) { return c.id == one.id; });
    if (other == b.clusters.end()) continue;
    const std::size_t count = std::min(one.values.size(), other->values.size());
    left.push_back(std::span<const double>(one.values).first(count));
    right.push_back(std::span<const double>(other->values).first(count));
    pairs += count;
  }
  return pairs >= 2;
}

Measured minus_interval(const Measured& a, const Measured& b) {
  return {a.low - b.high, a.estimate - b.estimate, a.high - b.low};
}

}  // namespace

Confidence confidence_for(const std::string& claim, std::size_t cells) {
  const double n = static_cast<double>(std::max<std::size_t>(cells, 1));
  Confidence confidence;
  confidence.level = 1 - 0.05 / n;
  confidence.seed = statistics::seed_of(claim);
  confidence.resamples = static_cast<int>(std::clamp(400 * n, 2000.0, 20000.0));
  return confidence;
}

Measured interval_of(const Series& series, const Confidence& confidence) {
  if (!series.usable()) return {kNaN, kNaN, kNaN};
  if (series.kind == Kind::exact) return range_of(pooled(series));
  if (series.kind == Kind::seeded) return of_seeds(pooled(series), confidence.level);
  return of_samples(series, confidence);
}

Measured ratio_of(const Series& above, const Series& below, bool same_point,
                  const Confidence& confidence) {
  const bool sampled = above.kind == Kind::sampled && below.kind == Kind::sampled;
  if (sampled) {
    Spans left;
    Spans right;
    if (same_point && pair_samples(above, below, left, right))
      return from_statistics(
          statistics::clustered_paired_ratio(left, right, options_of(confidence)));
    return from_statistics(statistics::clustered_ratio_of_medians(spans_of(above), spans_of(below),
                                                                  options_of(confidence)));
  }
  if (above.kind == below.kind) {
    const Series ratios = ratio_series(above, below, same_point);
    if (ratios.usable()) return interval_of(ratios, confidence);
  }
  return quotient(interval_of(above, confidence), interval_of(below, confidence));
}

Measured difference_of(const Series& from, const Series& minus, bool same_point,
                       const Confidence& confidence) {
  if (from.kind == minus.kind && (same_point || from.kind != Kind::sampled)) {
    const Series differences = difference_series(from, minus, same_point);
    if (differences.usable()) return interval_of(differences, confidence);
  }
  return minus_interval(interval_of(from, confidence), interval_of(minus, confidence));
}

Measured slope_of(const std::vector<double>& x, const std::vector<Series>& y,
                  const Confidence& confidence) {
  std::vector<std::vector<double>> values;
  bool sampled = false;
  for (const Series& series : y) {
    sampled = sampled || series.kind == Kind::sampled;
    std::vector<double> at_x;
    if (series.clusters.size() >= 2)  // the round is the unit of replication
      for (const Cluster& cluster : series.clusters)
        at_x.push_back(statistics::median(cluster.values));
    else
      at_x = pooled(series);
    values.push_back(std::move(at_x));
  }
  const Spans spans(values.begin(), values.end());
  const statistics::Interval slope = statistics::power_slope(x, spans, options_of(confidence));
  // One value at each x: a point for counts and single seeds, nothing known for times.
  if (slope.coverage == 0 && !sampled) return {slope.low, slope.estimate, slope.high};
  return from_statistics(slope);
}

Measured scaled(const Measured& value, double factor) {
  Measured out{value.low * factor, value.estimate * factor, value.high * factor};
  if (factor < 0) std::swap(out.low, out.high);
  return out;
}

Measured quotient(const Measured& above, const Measured& below) {
  const double estimate = quotient(above.estimate, below.estimate);
  if (!(above.low >= 0) || !(below.low >= 0)) return {kNaN, estimate, kNaN};
  return {quotient(above.low, below.high), estimate, quotient(above.high, below.low)};
}

}  // namespace ashlar::claims::detail
