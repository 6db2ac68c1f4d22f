#pragma once
// One timed execution (a batch of them when short), and when enough of them have been taken.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/measure/clock.hpp"
#include "harness/model/suite.hpp"

namespace ashlar::measure {

/// Times are per execution: the batch's divided by its size, rounded to whole nanoseconds.
struct Sample {
  std::int64_t wall_ns = 0;
  std::int64_t cpu_ns = 0;
  std::int64_t page_faults = 0;           // during the whole batch
  std::int64_t involuntary_switches = 0;  // during the whole batch: the scheduler took the CPU away
};

/// The device did not come into a state that can be measured, in as many attempts as there are. No
/// fault of the implementation.
class NoAcceptedSample : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What a timer has to say of all samples that it took: figures and flags for the case record.
struct TimerNotes {
  std::map<std::string, double> metrics;
  std::vector<std::string> flags;
};

/// How executions on one kind of device are timed.
class Timer {
 public:
  virtual ~Timer() = default;
  /// Throws NoAcceptedSample when the device is in no state to be measured.
  virtual Sample take(model::Trial& trial, std::int64_t batch) = 0;
  /// One execution that is waited for, untimed.
  virtual void run_once(model::Trial& trial) = 0;
  virtual TimerNotes notes() const { return {}; }
};

std::unique_ptr<Timer> make_cpu_timer(Clock& clock);

/// A sample shall last at least this long: 1000 times the resolution of any clock here, and long
/// enough that reading the clocks (about 0.5 us) stays below one percent.
inline constexpr std::int64_t kShortestSample_ns = 50'000;
/// Warm-up grows the batch until a sample lasts long enough: the size to try after `batch`
/// executions took `total_ns` together, or `batch` itself when that is enough. At most ten times as
/// many, since the first executions are the slowest and mislead.
std::int64_t next_batch(std::int64_t batch, std::int64_t total_ns);

/// When to stop sampling one implementation at one point in one round.
struct StopRule {
  std::size_t max_samples = 200;
  double relative_half_width = 0.01;  // of the median's 95 % interval
  std::int64_t least_time_ns =
      100'000'000;  // sampled at least so long, unless max_samples comes first
  std::int64_t most_time_ns = 20'000'000'000;  // not longer, once the fewest samples are there
};
/// Slow implementations take fewer samples: 15 below 0.1 s, 5 below 1 s, else 3.
std::size_t fewest_samples(std::int64_t execution_ns);

/// Nothing while sampling should go on; else why it stops: converged, max-samples, max-time.
std::optional<std::string> stop_reason(const StopRule& rule,
                                       std::span<const std::int64_t> samples_ns,
                                       std::int64_t batch);

/// What is worth knowing of a set of samples: involuntary-switches, page-faults, few-samples,
/// unstable, coarse (below 100 ns, where rounding to whole nanoseconds shows).
std::vector<std::string> flags_of(std::span<const Sample> samples);

}  // namespace ashlar::measure
