#include "harness/report/estimates.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

namespace ashlar::report {

using record::CaseRecord;
using record::Status;
using Samples = std::vector<double>;

namespace {

/// Below this an interval is called the range of a few samples: six samples cover 96.9 %.
constexpr double kLevel = 0.95;

std::map<int, Samples> by_round(const std::vector<const CaseRecord*>& records) {
  std::map<int, Samples> rounds;
  for (const CaseRecord* record : records) {
    if (record->status != Status::ok || record->samples_ns.empty()) continue;
    Samples& samples = rounds[record->round];
    samples.insert(samples.end(), record->samples_ns.begin(), record->samples_ns.end());
  }
  return rounds;
}

statistics::BootstrapOptions options_for(const CaseRecord& record) {
  statistics::BootstrapOptions options;
  options.level = kLevel;
  options.seed = statistics::seed_of(record.case_id);
  return options;
}

}  // namespace

Measured shown(const statistics::Interval& interval) {
  Measured measured;
  measured.value = interval.estimate;
  if (interval.coverage > 0 && std::isfinite(interval.low) && std::isfinite(interval.high)) {
    measured.low = interval.low;
    measured.high = interval.high;
    measured.covers = interval.coverage >= kLevel - 1e-9;
  }
  return measured;
}

Samples pooled_samples(const std::vector<const CaseRecord*>& records) {
  Samples pooled;
  for (const auto& [round, samples] : by_round(records))
    pooled.insert(pooled.end(), samples.begin(), samples.end());
  return pooled;
}

Measured median_time(const std::vector<const CaseRecord*>& records) {
  const std::map<int, Samples> rounds = by_round(records);
  if (rounds.size() <= 1)
    return shown(statistics::median_interval(pooled_samples(records), kLevel));
  const std::vector<std::span<const double>> spans = [&] {
    std::vector<std::span<const double>> list;
    list.reserve(rounds.size());
    for (const auto& [round, samples] : rounds) list.emplace_back(samples);
    return list;
  }();
  return shown(statistics::clustered_median(spans, options_for(*records.front())));
}

Measured paired_speedup(const std::vector<const CaseRecord*>& over,
                        const std::vector<const CaseRecord*>& of) {
  const std::map<int, Samples> numerators = by_round(over);
  const std::map<int, Samples> denominators = by_round(of);
  std::vector<std::span<const double>> numerator;
  std::vector<std::span<const double>> denominator;
  for (const auto& [round, samples] : numerators) {
    const auto other = denominators.find(round);
    if (other == denominators.end()) continue;
    // A slow implementation takes fewer samples: the sweeps it took part in form the pairs.
    const std::size_t pairs = std::min(samples.size(), other->second.size());
    numerator.emplace_back(samples.data(), pairs);
    denominator.emplace_back(other->second.data(), pairs);
  }
  if (numerator.empty()) {
    Measured ratio;
    ratio.value = statistics::median(pooled_samples(over)) / statistics::median(pooled_samples(of));
    return ratio;
  }
  if (numerator.size() == 1)
    return shown(statistics::paired_ratio(numerator.front(), denominator.front(), kLevel));
  return shown(
      statistics::clustered_paired_ratio(numerator, denominator, options_for(*of.front())));
}

}  // namespace ashlar::report
