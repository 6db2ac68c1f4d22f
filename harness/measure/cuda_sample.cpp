#include <algorithm>
#include <cstdlib>
#include <thread>

#include "harness/measure/cuda_timer.hpp"
#include "harness/measure/cuda_timing.hpp"
#include "harness/measure/nvml.hpp"
#include "harness/measure/throttle.hpp"

namespace ashlar::measure {
namespace {

/// By the system's library, which is started once per process.
GpuPace pace_of_device() {
  static const PaceReader reader(cuda_device().pci_bus_id, system_nvml());
  return reader.read();
}

class CudaSampleTimer final : public Timer {
 public:
  CudaSampleTimer(Clock& clock, CudaTimingOptions options)
      : timing_(make_cuda_steps(), clock, options,
                [](std::chrono::milliseconds pause) { std::this_thread::sleep_for(pause); }),
        watch_(pace_of_device, clock) {}

  Sample take(model::Trial& trial, std::int64_t batch) override {
    // Once without the blocking kernel: what an implementation loads or allocates at first would
    // wait behind it.
    if (!warm_) run_once(trial);
    watch_.look();
    trial.reset();
    CudaTimed sum;
    for (std::int64_t i = 0; i < batch; ++i) {
      const CudaTimed one = timing_.accepted([&trial](void* stream) { trial.execute(stream); },
                                             [&trial] { trial.reset(); });
      sum.device_ns += one.device_ns;
      sum.cpu_ns += one.cpu_ns;
    }
    watch_.look();
    return {(sum.device_ns + batch / 2) / batch, (sum.cpu_ns + batch / 2) / batch, 0, 0};
  }

  void run_once(model::Trial& trial) override {
    trial.reset();
    timing_.run([&trial](void* stream) { trial.execute(stream); });
    warm_ = true;
  }

  TimerNotes notes() const override {
    TimerNotes notes = watch_.notes();
    notes.metrics["discarded_samples"] = static_cast<double>(timing_.discarded());
    if (const auto hz = timing_.mean_clock_hz()) notes.metrics["sm_clock_mhz"] = *hz * 1e-6;
    if (timing_.discarded() > 0 &&
        std::find(notes.flags.begin(), notes.flags.end(), "throttled") == notes.flags.end())
      notes.flags.emplace_back("throttled");
    return notes;
  }

 private:
  CudaTiming timing_;
  ThrottleWatch watch_;
  bool warm_ = false;
};

}  // namespace

std::unique_ptr<Timer> make_cuda_timer(Clock& clock, bool syncs_internally) {
  CudaTimingOptions options;
  options.lead = lead_for(syncs_internally, [](const char* name) { return std::getenv(name); });
  return std::make_unique<CudaSampleTimer>(clock, options);
}

}  // namespace ashlar::measure
