#include "harness/claims/intervals.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "harness/statistics/bootstrap.hpp"
#include "harness/statistics/order.hpp"
#include "harness/statistics/random.hpp"
#include "harness/statistics/slope.hpp"

namespace ashlar::claims::detail {

namespace {

using statistics::kNaN;

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

/// With very many intervals at once the level that each should have is out of reach of slow cases;
/// 99 % is enough to decide all the same. Eight samples reach it.
constexpr double kEnough = 0.99;

/// An interval that covers less than was asked says nothing: neither end is known.
Measured from_statistics(const statistics::Interval& interval, double level) {
  if (interval.coverage < std::min(level, kEnough) - 1e-12) return {kNaN, interval.estimate, kNaN};
  return {interval.low, interval.estimate, interval.high};
}

/// For two intervals that are put together end by end: each takes half of the error.
Confidence half_of(Confidence confidence) {
  confidence.level = 1 - (1 - confidence.level) / 2;
  return confidence;
}

/// Never narrower than either; unknown where one is.
Measured hull_of(const Measured& a, const Measured& b) {
  if (unknown(a) || unknown(b)) return {kNaN, a.estimate, kNaN};
  return {std::min(a.low, b.low), a.estimate, std::max(a.high, b.high)};
}

Measured range_of(const std::vector<double>& values) {
  const double middle = statistics::median(values);
  if (std::isnan(middle)) return {kNaN, kNaN, kNaN};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, middle, *high};
}

/// Seeds are independent: order statistics. Fewer than six are judged by all that they show, which
/// is their range; one seed is a point.
Measured of_seeds(const std::vector<double>& values, double level) {
  if (values.size() < 6) return range_of(values);
  const auto interval = statistics::median_interval(values, level);
  return {interval.low, interval.estimate, interval.high};
}

/// The median of all samples. Order statistics cover what differs from sample to sample, exactly
/// and however few there are; the bootstrap over rounds covers what differs from process to process
/// as well as so many rounds can.
Measured of_samples(const Series& series, const Confidence& confidence) {
  const Measured pooled_samples = from_statistics(
      statistics::median_interval(pooled(series), confidence.level), confidence.level);
  const Spans rounds = spans_of(series);
  if (rounds.size() == 1) return pooled_samples;
  return hull_of(pooled_samples,
                 from_statistics(statistics::clustered_median(rounds, options_of(confidence)),
                                 confidence.level));
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

std::vector<double> pooled(const Spans& spans) {
  std::vector<double> all;
  for (const auto span : spans) all.insert(all.end(), span.begin(), span.end());
  return all;
}

/// exp of the median log ratio of pairs; both intervals of of_samples, for pairs.
Measured paired_ratio(const Spans& above, const Spans& below, const Confidence& confidence) {
  const Measured pairs = from_statistics(
      statistics::paired_ratio(pooled(above), pooled(below), confidence.level), confidence.level);
  if (above.size() == 1) return pairs;
  return hull_of(pairs, from_statistics(statistics::clustered_paired_ratio(above, below,
                                                                           options_of(confidence)),
                                        confidence.level));
}

/// Of medians at different points: end over end, and the bootstrap over the rounds of both.
Measured unpaired_ratio(const Series& above, const Series& below, const Confidence& confidence) {
  const Confidence half = half_of(confidence);
  const auto of_side = [&](const Series& side) {
    return from_statistics(statistics::median_interval(pooled(side), half.level),
                           1 - (1 - std::min(confidence.level, kEnough)) / 2);
  };
  const Measured ends = quotient(of_side(above), of_side(below));
  if (above.clusters.size() == 1 && below.clusters.size() == 1) return ends;
  return hull_of(
      ends, from_statistics(statistics::clustered_ratio_of_medians(spans_of(above), spans_of(below),
                                                                   options_of(confidence)),
                            confidence.level));
}

Measured minus_interval(const Measured& a, const Measured& b) {
  return {a.low - b.high, a.estimate - b.estimate, a.high - b.low};
}

/// The slope of a line through the logarithms is a weighted sum of them; so is its interval, from
/// an interval of each median.
Measured sampled_slope(const std::vector<double>& x, const std::vector<Series>& y,
                       Confidence confidence) {
  const auto n = static_cast<double>(x.size());
  confidence.level = 1 - (1 - confidence.level) / n;
  double mean = 0;
  for (const double at : x) mean += std::log(at) / n;
  double squares = 0;
  for (const double at : x) squares += (std::log(at) - mean) * (std::log(at) - mean);
  if (!(squares > 0)) return {kNaN, kNaN, kNaN};
  Measured slope{0, 0, 0};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Measured at = interval_of(y[i], confidence);
    const auto logarithm = [](double value) { return value > 0 ? std::log(value) : kNaN; };
    const Measured part = scaled({logarithm(at.low), logarithm(at.estimate), logarithm(at.high)},
                                 (std::log(x[i]) - mean) / squares);
    slope = {slope.low + part.low, slope.estimate + part.estimate, slope.high + part.high};
  }
  return slope;
}

}  // namespace

bool unknown(const Measured& value) { return std::isnan(value.low) || std::isnan(value.high); }

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
  if (above.kind == Kind::sampled && below.kind == Kind::sampled) {
    Spans left;
    Spans right;
    if (same_point && pair_samples(above, below, left, right))
      return paired_ratio(left, right, confidence);
    return unpaired_ratio(above, below, confidence);
  }
  if (above.kind == below.kind) {
    const Series ratios = ratio_series(above, below, same_point);
    if (ratios.usable()) return interval_of(ratios, confidence);
  }
  const Confidence half = half_of(confidence);
  return quotient(interval_of(above, half), interval_of(below, half));
}

Measured difference_of(const Series& from, const Series& minus, bool same_point,
                       const Confidence& confidence) {
  if (from.kind == minus.kind && (same_point || from.kind != Kind::sampled)) {
    const Series differences = difference_series(from, minus, same_point);
    if (differences.usable()) return interval_of(differences, confidence);
  }
  const Confidence half = half_of(confidence);
  return minus_interval(interval_of(from, half), interval_of(minus, half));
}

Measured slope_of(const std::vector<double>& x, const std::vector<Series>& y,
                  const Confidence& confidence) {
  const bool sampled = std::any_of(
      y.begin(), y.end(), [](const Series& series) { return series.kind == Kind::sampled; });
  if (sampled) return sampled_slope(x, y, confidence);
  std::vector<std::vector<double>> values;
  values.reserve(y.size());
  for (const Series& series : y) values.push_back(pooled(series));
  const Spans spans(values.begin(), values.end());
  const statistics::Interval slope = statistics::power_slope(x, spans, options_of(confidence));
  // One value at each x is a point: counts and single seeds.
  return {slope.low, slope.estimate, slope.high};
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
