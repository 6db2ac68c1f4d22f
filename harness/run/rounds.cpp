#include "harness/run/rounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/statistics/statistics.hpp"

namespace ashlar::run {

namespace {

/// The rounds below the limit that have samples.
Times within(const Times& times, int rounds) {
  Times kept;
  for (const auto& [round, samples] : times) {
    if (round < rounds && !samples.empty()) kept.emplace(round, samples);
  }
  return kept;
}

double median_of(const Times& times) {
  std::vector<double> pooled;
  for (const auto& [round, samples] : times)
    pooled.insert(pooled.end(), samples.begin(), samples.end());
  return statistics::median(pooled);
}

const std::string& choose_baseline(const PointTimes& times,
                                   const std::vector<std::string>& baselines) {
  for (const std::string& name : baselines) {
    if (const auto found = times.find(name); found != times.end()) return found->first;
  }
  return std::min_element(
             times.begin(), times.end(),
             [](const auto& a, const auto& b) { return median_of(a.second) < median_of(b.second); })
      ->first;
}

/// Times are whole nanoseconds: two rounds that agree to the nanosecond still say no more.
double resolution(const Times& of, const Times& baseline) {
  constexpr double kHalf_ns = 0.5;
  return kHalf_ns / median_of(of) + kHalf_ns / median_of(baseline);
}

/// Nothing where a round of the baseline is missing on the other side.
std::optional<double> half_width(const Times& of, const Times& baseline) {
  std::vector<std::vector<double>> ratios;
  for (const auto& [round, below] : baseline) {
    const auto other = of.find(round);
    if (other == of.end()) return std::nullopt;
    const std::size_t pairs = std::min(other->second.size(), below.size());
    ratios.push_back(statistics::log_ratios(std::span(other->second).first(pairs),
                                            std::span(below).first(pairs)));
  }
  const std::vector<std::span<const double>> spans(ratios.begin(), ratios.end());
  const statistics::Interval interval = statistics::round_median_interval(spans);
  const double half =
      std::max(std::expm1((interval.high - interval.low) / 2), resolution(of, baseline));
  // One round, or samples that the clock shows as zero.
  if (interval.coverage <= 0 || !std::isfinite(half))
    return std::numeric_limits<double>::infinity();
  return half;
}

}  // namespace

std::optional<Width> widest_ratio(const PointTimes& times, int rounds,
                                  const std::vector<std::string>& baselines) {
  PointTimes measured;
  for (const auto& [name, all] : times) {
    Times kept = within(all, rounds);
    if (!kept.empty()) measured.emplace(name, std::move(kept));
  }
  if (measured.size() < 2) return std::nullopt;
  const std::string baseline = choose_baseline(measured, baselines);
  std::optional<Width> widest;
  for (const auto& [name, of] : measured) {
    if (name == baseline) continue;
    const auto half = half_width(of, measured.at(baseline));
    if (half && (!widest || *half > widest->half)) widest = Width{name, baseline, *half};
  }
  return widest;
}

std::string_view name_of(Stop stop) {
  switch (stop) {
    case Stop::tight:
      return "tight";
    case Stop::max_rounds:
      return "max-rounds";
    case Stop::budget:
      return "budget";
    case Stop::interrupted:
      return "interrupted";
    case Stop::no_ratio:
      return "no-ratio";
  }
  return "unknown";
}

std::optional<Stop> enough(const RoundRule& rule, int rounds, const std::optional<Width>& widest) {
  if (rounds < std::min(rule.least, rule.most)) return std::nullopt;
  if (!widest) return Stop::no_ratio;
  if (widest->half <= rule.tight) return Stop::tight;
  if (rounds >= rule.most) return Stop::max_rounds;
  return std::nullopt;
}

std::vector<std::size_t> widest_first(const std::map<std::size_t, double>& half_by_point) {
  std::vector<std::size_t> order;
  for (const auto& [point, half] : half_by_point) order.push_back(point);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return half_by_point.at(a) > half_by_point.at(b);
  });
  return order;
}

}  // namespace ashlar::run
