#include "harness/measure/sample.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/statistics/statistics.hpp"

namespace ashlar::measure {

namespace {

std::vector<double> as_doubles(std::span<const std::int64_t> values) {
  return {values.begin(), values.end()};
}

class CpuTimer final : public Timer {
 public:
  explicit CpuTimer(Clock& clock) : clock_(clock) {}

  Sample take(model::Trial& trial, std::int64_t batch) override {
    trial.reset();
    rusage before{};
    rusage after{};
    getrusage(RUSAGE_SELF, &before);
    const std::int64_t cpu_start = clock_.cpu_ns();
    const std::int64_t start = clock_.now_ns();
    for (std::int64_t i = 0; i < batch; ++i) trial.execute(nullptr);
    const std::int64_t stop = clock_.now_ns();
    const std::int64_t cpu_stop = clock_.cpu_ns();
    getrusage(RUSAGE_SELF, &after);
    const auto share = [batch](std::int64_t total) { return (total + batch / 2) / batch; };
    return {share(stop - start), share(cpu_stop - cpu_start),
            (after.ru_minflt - before.ru_minflt) + (after.ru_majflt - before.ru_majflt),
            after.ru_nivcsw - before.ru_nivcsw};
  }

  void run_once(model::Trial& trial) override {
    trial.reset();
    trial.execute(nullptr);
  }

 private:
  Clock& clock_;
};

}  // namespace

std::unique_ptr<Timer> make_cpu_timer(Clock& clock) { return std::make_unique<CpuTimer>(clock); }

std::int64_t next_batch(std::int64_t batch, std::int64_t total_ns) {
  if (total_ns >= kShortestSample_ns) return batch;
  // A fifth more than needed, so that a slightly faster execution is still long enough.
  const double wanted = 1.2 * static_cast<double>(kShortestSample_ns) /
                        static_cast<double>(std::max<std::int64_t>(total_ns, 1));
  return static_cast<std::int64_t>(
      std::ceil(static_cast<double>(batch) * std::clamp(wanted, 1.2, 10.0)));
}

std::size_t fewest_samples(std::int64_t execution_ns) {
  if (execution_ns < 100'000'000) return 15;
  return execution_ns < 1'000'000'000 ? 5 : 3;
}

std::optional<std::string> stop_reason(const StopRule& rule,
                                       std::span<const std::int64_t> samples_ns,
                                       std::int64_t batch) {
  if (samples_ns.empty()) return std::nullopt;
  const std::vector<double> samples = as_doubles(samples_ns);
  const double median = statistics::median(samples);
  if (samples.size() < fewest_samples(static_cast<std::int64_t>(median))) return std::nullopt;
  double total_ns = 0;
  for (const double sample : samples) total_ns += sample * static_cast<double>(batch);
  // The interval of the median exists from six samples on; slower implementations stop at their
  // fewest.
  if (samples.size() >= 6 && total_ns >= static_cast<double>(rule.least_time_ns)) {
    const statistics::Interval interval = statistics::median_interval(samples, 0.95);
    if ((interval.high - interval.low) / 2 <= rule.relative_half_width * median) return "converged";
  }
  if (samples.size() >= rule.max_samples) return "max-samples";
  if (total_ns >= static_cast<double>(rule.most_time_ns)) return "max-time";
  return std::nullopt;
}

std::vector<std::string> flags_of(std::span<const Sample> samples) {
  std::vector<std::string> flags;
  const auto any = [&](auto member) {
    return std::any_of(samples.begin(), samples.end(),
                       [&](const Sample& sample) { return sample.*member > 0; });
  };
  if (any(&Sample::involuntary_switches)) flags.emplace_back("involuntary-switches");
  if (any(&Sample::page_faults)) flags.emplace_back("page-faults");
  std::vector<double> wall;
  for (const Sample& sample : samples) wall.push_back(static_cast<double>(sample.wall_ns));
  if (!wall.empty() &&
      wall.size() < fewest_samples(static_cast<std::int64_t>(statistics::median(wall)))) {
    flags.emplace_back("few-samples");
  }
  if (wall.size() >= 3 && statistics::mdape(wall) > 0.05) flags.emplace_back("unstable");
  if (!wall.empty() && statistics::median(wall) < 100) flags.emplace_back("coarse");
  return flags;
}

}  // namespace ashlar::measure
