#include "harness/gate/decision.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "harness/statistics/statistics.hpp"

namespace ashlar::gate {

namespace {

constexpr double kLevel = 0.95;
const double kShortMargin = std::log(1.10);

double log_ratio(double numerator, double denominator) {
  // A clock that did not move says nothing.
  if (!(numerator > 0 && denominator > 0)) return std::numeric_limits<double>::quiet_NaN();
  return std::log(numerator / denominator);
}

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

struct Gathered {
  std::vector<double> changes;
  std::vector<double> anchors;
  std::vector<double> pair_means;
  std::vector<double> base_ns;
  std::vector<double> head_ns;
  std::size_t samples = 0;
  std::size_t switched = 0;
};

Gathered gather(std::span<const PairData> pairs) {
  Gathered all;
  for (const PairData& pair : pairs) {
    if (pair.groups.empty()) continue;
    const std::vector<double> changes = log_changes(pair);
    const std::vector<double> anchors = log_anchors(pair);
    all.changes.insert(all.changes.end(), changes.begin(), changes.end());
    all.anchors.insert(all.anchors.end(), anchors.begin(), anchors.end());
    all.pair_means.push_back(mean(changes));
    for (const Group& group : pair.groups) {
      all.base_ns.push_back(group.base_ns);
      all.head_ns.push_back(group.head_ns);
    }
    all.samples += pair.samples;
    all.switched += pair.switched;
  }
  return all;
}

/// Half the interval of Student's t over one mean per pair: infinite for a single pair.
double process_half_width(std::span<const double> means) {
  if (means.size() < 2) return std::numeric_limits<double>::infinity();
  const double centre = mean(means);
  double squares = 0;
  for (const double value : means) squares += (value - centre) * (value - centre);
  const auto count = static_cast<double>(means.size());
  const double deviation = std::sqrt(squares / (count - 1));
  return statistics::student_t_quantile(0.5 + kLevel / 2, static_cast<int>(means.size()) - 1) *
         deviation / std::sqrt(count);
}

/// P(at least `above` of `n` fair coins show heads): as likely as that many tails.
double upper_tail(std::size_t above, std::size_t n) {
  return statistics::binomial_cdf(n - above, n, 0.5);
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::same:
      return "same";
    case Verdict::faster:
      return "faster";
    case Verdict::slower:
      return "slower";
    case Verdict::unclear:
      return "unclear";
    case Verdict::disturbed:
      return "disturbed";
  }
  return "unclear";
}

std::vector<double> log_changes(const PairData& pair) {
  std::vector<double> values;
  for (const Group& group : pair.groups) values.push_back(log_ratio(group.head_ns, group.base_ns));
  return values;
}

std::vector<double> log_anchors(const PairData& pair) {
  std::vector<double> values;
  for (const Group& group : pair.groups)
    values.push_back(log_ratio(group.anchor_head_ns, group.anchor_base_ns));
  return values;
}

Estimate estimate(std::span<const PairData> pairs, double margin, std::uint64_t seed) {
  const Gathered all = gather(pairs);
  Estimate result;
  result.groups = all.changes.size();
  result.pairs = all.pair_means.size();
  if (all.changes.empty()) return result;
  result.anchor = statistics::median(all.anchors);
  result.base_ns = statistics::median(all.base_ns);
  result.head_ns = statistics::median(all.head_ns);
  if (all.samples > 0)
    result.switched = static_cast<double>(all.switched) / static_cast<double>(all.samples);
  if (all.changes.size() < kFewestForBootstrap) {
    result.change = statistics::median_interval(all.changes, kLevel);
  } else {
    statistics::BootstrapOptions options;
    options.level = kLevel;
    options.seed = seed;
    const std::vector<double> drawn =
        statistics::bootstrap_distribution(all.changes, statistics::median, options);
    result.change = statistics::percentile_interval(drawn, statistics::median(all.changes), kLevel);
    result.p = statistics::bootstrap_p_value(drawn, 0);
  }
  if (std::isnan(result.change.estimate)) {
    result.change = {};
    result.p = 1;
    return result;
  }
  if (all.changes.size() < kFewestForBootstrap) result.p = statistics::sign_test(all.changes);
  statistics::Interval& change = result.change;
  result.bootstrap_half = (change.high - change.low) / 2;
  result.process_half = process_half_width(all.pair_means);
  // Times come as whole nanoseconds per execution, so each side may be off by half of one.
  result.rounding_half = 0.5 / result.base_ns + 0.5 / result.head_ns;
  change.low = std::min(change.low, change.estimate - result.process_half) - result.rounding_half;
  change.high = std::max(change.high, change.estimate + result.process_half) + result.rounding_half;
  const auto beyond = std::count_if(all.changes.begin(), all.changes.end(),
                                    [margin](double value) { return value > margin; });
  result.p_beyond = upper_tail(static_cast<std::size_t>(beyond), all.changes.size());
  return result;
}

Verdict verdict_of(const statistics::Interval& change, double margin) {
  if (change.low > margin) return Verdict::slower;
  if (change.high < -margin) return Verdict::faster;
  if (change.low >= -margin && change.high <= margin) return Verdict::same;
  return Verdict::unclear;
}

Verdict decide(const Estimate& estimate, double margin) {
  const Verdict verdict = verdict_of(estimate.change, margin);
  // Written so that an anchor that says nothing is a disturbance, where there was one at all.
  if (estimate.groups > 0 && !(std::abs(estimate.anchor) <= margin / 2)) return Verdict::disturbed;
  return verdict;
}

std::string percent_text(double log_ratio) {
  // Adding zero takes the sign from a rounded -0.04.
  return fmt::format("{:+.1f} %", std::round(1000 * std::expm1(log_ratio)) / 10 + 0.0);
}

double margin_for(double base_ns, double margin) {
  return base_ns < kShortCase_ns ? std::max(margin, kShortMargin) : margin;
}

}  // namespace ashlar::gate
