#include "harness/measure/cuda_timing.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace ashlar::measure {

namespace {

using std::chrono::milliseconds;

/// What the device's clock may be wrong by at each of the two readings.
constexpr std::int64_t kClockStep_ns = 1100;

/// Lets the blocking kernel go on every way out of a scope; made before the kernel is launched.
class Release {
 public:
  Release(CudaSteps& steps, Watchdog& watchdog) : steps_(steps), watchdog_(watchdog) {
    watchdog_.arm();
  }
  ~Release() { now(); }
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;
  /// Whether the watchdog was earlier.
  bool now() {
    if (!released_) {
      released_ = true;
      bit_ = watchdog_.disarm();
      steps_.release();
    }
    return bit_;
  }

 private:
  CudaSteps& steps_;
  Watchdog& watchdog_;
  bool released_ = false;
  bool bit_ = false;
};

}  // namespace

Lead lead_for(bool syncs_internally, const std::function<const char*(const char*)>& variable) {
  const auto set = [&](const char* name) {
    const char* const value = variable(name);
    return value != nullptr && *value != '\0' && std::string_view(value) != "0";
  };
  // By these nsys, ncu and compute-sanitizer come into a process.
  for (const char* name : {"CUDA_INJECTION64_PATH", "NVTX_INJECTION64_PATH",
                           "NSYS_PROFILING_SESSION_ID", "NV_NSIGHT_INJECTION_TRANSPORT_TYPE",
                           "NV_TPS_LAUNCH_TOKEN", "NV_SANITIZER_INJECTION_PORT_BASE"}) {
    if (set(name)) return Lead::none;
  }
  if (syncs_internally || set("CUDA_LAUNCH_BLOCKING")) return Lead::hold;
  return Lead::block;
}

milliseconds refusal_pause(int refusals) {
  constexpr int kFirst_ms = 50;
  constexpr int kMost_ms = 500;
  if (refusals <= 3) return milliseconds(kFirst_ms);
  return milliseconds(std::min(kMost_ms, kFirst_ms << std::min(refusals - 3, 5)));
}

bool throttled(const ClockSpan& span, double default_hz, double least_share) {
  const std::int64_t least_ns = span.elapsed_ns - 2 * kClockStep_ns;
  if (least_ns <= 0) return false;
  const double highest_hz = static_cast<double>(span.cycles) * 1e9 / static_cast<double>(least_ns);
  return highest_hz < least_share * default_hz;
}

Watchdog::Watchdog(milliseconds limit, std::function<void()> bite)
    : limit_(limit), bite_(std::move(bite)), thread_([this] { watch(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::arm() {
  {
    const std::lock_guard lock(mutex_);
    deadline_ = std::chrono::steady_clock::now() + limit_;
    bit_ = false;
  }
  changed_.notify_all();
}

bool Watchdog::disarm() {
  const std::lock_guard lock(mutex_);
  deadline_.reset();
  return bit_;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    if (!deadline_) {
      changed_.wait(lock);
    } else if (std::chrono::steady_clock::now() < *deadline_) {
      changed_.wait_until(lock, *deadline_);
    } else {
      deadline_.reset();
      bit_ = true;
      bite_();
    }
  }
}

CudaTiming::CudaTiming(std::unique_ptr<CudaSteps> steps, Clock& clock, CudaTimingOptions options,
                       Sleep sleep)
    : steps_(std::move(steps)), clock_(clock), options_(options), sleep_(std::move(sleep)) {
  if (options_.lead == Lead::block) {
    watchdog_ = std::make_unique<Watchdog>(options_.watchdog, [this] { steps_->release(); });
  }
}

CudaTiming::~CudaTiming() = default;

/// From the lead to the last reading, all in line on the stream.
void CudaTiming::put(const Launch& launch) {
  std::optional<Release> release;
  if (watchdog_) {
    release.emplace(*steps_, *watchdog_);
    steps_->block();
  } else if (options_.lead == Lead::hold) {
    steps_->hold();
  }
  // A profiler sets clocks itself, and would list the kernels that read them.
  const bool read_clock = options_.lead != Lead::none;
  if (read_clock) steps_->clock_start();
  steps_->event_start();
  launch(steps_->stream());
  steps_->event_stop();
  if (read_clock) steps_->clock_stop();
  if (!release || !release->now()) return;
  steps_->synchronize();
  throw std::runtime_error(
      "synchronises internally: it waited for the device while its own work stood behind the "
      "blocking kernel; set syncs_internally in its options");
}

CudaTimed CudaTiming::time(const Launch& launch) {
  steps_->flush();
  steps_->synchronize();
  const std::int64_t cpu_start = clock_.cpu_ns();
  put(launch);
  steps_->synchronize();
  const std::int64_t cpu_ns = clock_.cpu_ns() - cpu_start;
  last_clock_ = options_.lead == Lead::none ? std::nullopt : steps_->clock_span();
  return {steps_->event_ns(), cpu_ns};
}

CudaTimed CudaTiming::accepted(const Launch& launch, const std::function<void()>& again) {
  const double default_hz = steps_->default_clock_hz();
  for (int refusals = 0;;) {
    const CudaTimed timed = time(launch);
    if (!last_clock_ || !throttled(*last_clock_, default_hz, options_.least_clock_share)) {
      if (last_clock_ && last_clock_->elapsed_ns > 2 * kClockStep_ns) {
        clock_sum_hz_ += static_cast<double>(last_clock_->cycles) * 1e9 /
                         static_cast<double>(last_clock_->elapsed_ns);
        ++clock_count_;
      }
      return timed;
    }
    ++discarded_;
    if (++refusals == options_.most_refusals) {
      throw NoAcceptedSample(
          fmt::format("no accepted samples: {} in a row at less than {:.0f} % of the device's "
                      "clock of {:.0f} MHz",
                      refusals, 100 * options_.least_clock_share, default_hz * 1e-6));
    }
    sleep_(refusal_pause(refusals));
    again();
  }
}

void CudaTiming::run(const Launch& launch) {
  launch(steps_->stream());
  steps_->synchronize();
}

std::optional<double> CudaTiming::mean_clock_hz() const {
  if (clock_count_ == 0) return std::nullopt;
  return clock_sum_hz_ / static_cast<double>(clock_count_);
}

}  // namespace ashlar::measure
