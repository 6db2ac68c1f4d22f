#pragma once
// One timed execution on a GPU: its steps in order, a watchdog, and samples that a throttled clock
// spoils. Host code only.
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "harness/measure/cuda_steps.hpp"
#include "harness/measure/sample.hpp"

namespace ashlar::measure {

/// What stands before the timed work so that its launches are in line before it begins. `block`
/// leaves no gap, however long launching takes, but hangs with work that waits for the device
/// itself; `hold` covers 20 microseconds of launching; `none` is for profilers, which serialise.
enum class Lead { block, hold, none };

/// The lead for an implementation: never a blocking kernel where the work waits by itself, nor
/// under a profiler, nor where every launch waits (CUDA_LAUNCH_BLOCKING). `variable` reads the
/// environment.
Lead lead_for(bool syncs_internally, const std::function<const char*(const char*)>& variable);

struct CudaTimingOptions {
  Lead lead = Lead::block;
  std::chrono::milliseconds watchdog{5000};  // then the blocking kernel is let go
  double least_clock_share = 0.75;           // of the default clock; below, a sample is discarded
  int most_refusals = 10;                    // in a row; then NoAcceptedSample
};

/// The pause after so many discarded samples in a row: 50 ms, after the third growing to 500 ms.
std::chrono::milliseconds refusal_pause(int refusals);

/// Whether the clock was below `least_share` of `default_hz` for certain, with the steps of the
/// device's clock in the sample's favour: of a few microseconds nothing can be said.
bool throttled(const ClockSpan& span, double default_hz, double least_share);

/// Calls `bite`, on a thread of its own, when it stays armed longer than the limit.
class Watchdog {
 public:
  Watchdog(std::chrono::milliseconds limit, std::function<void()> bite);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  void arm();
  /// Whether it bit since arm().
  bool disarm();

 private:
  void watch();

  std::chrono::milliseconds limit_;
  std::function<void()> bite_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  bool bit_ = false;
  bool over_ = false;
  std::thread thread_;
};

struct CudaTimed {
  std::int64_t device_ns = 0;
  std::int64_t cpu_ns = 0;  // of this process, from the lead to the end; waiting may spin
};

class CudaTiming {
 public:
  using Launch = std::function<void(void* stream)>;
  using Sleep = std::function<void(std::chrono::milliseconds)>;

  CudaTiming(std::unique_ptr<CudaSteps> steps, Clock& clock, CudaTimingOptions options,
             Sleep sleep);
  ~CudaTiming();

  /// Device time of what `launch` puts on the stream, with a cold L2 cache, whatever the clock.
  /// Throws std::runtime_error, with the option to set, when the watchdog had to bite.
  CudaTimed time(const Launch& launch);
  /// The same, at a clock that counts: while it is throttled, the sample is discarded and taken
  /// again after a pause; `again` comes before each repetition. Throws NoAcceptedSample.
  CudaTimed accepted(const Launch& launch, const std::function<void()>& again);
  /// Once and waited for: no flush, no lead, no clock.
  void run(const Launch& launch);

  void* stream() { return steps_->stream(); }
  /// How many samples accepted() threw away.
  std::int64_t discarded() const { return discarded_; }
  /// Mean clock of the samples that it accepted; nothing when none could tell.
  std::optional<double> mean_clock_hz() const;

 private:
  void put(const Launch& launch);

  std::unique_ptr<CudaSteps> steps_;
  Clock& clock_;
  CudaTimingOptions options_;
  Sleep sleep_;
  std::unique_ptr<Watchdog> watchdog_;  // with Lead::block; ends before the steps that it calls
  std::optional<ClockSpan> last_clock_;
  std::int64_t discarded_ = 0;
  double clock_sum_hz_ = 0;
  std::int64_t clock_count_ = 0;
};

}  // namespace ashlar::measure
