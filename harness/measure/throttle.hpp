#pragma once
// Whether a GPU was held back while a case was measured: what NVML says before the first sample,
// between samples and after the last. The timer's own look at the clock (cuda_timing.hpp) throws
// single samples away that ran far too slowly; this one tells why a device may have been slower
// throughout.
#include <cstdint>
#include <functional>
#include <optional>

#include "harness/measure/clock.hpp"
#include "harness/measure/nvml.hpp"
#include "harness/measure/sample.hpp"

namespace ashlar::measure {

/// What two looks and those between them say of a case.
///
/// Flag "throttled": for reasons of heat or of hardware clocks were lowered at one of the looks, or
/// for heat at any time between the first and the last. Flag "power-capped": clocks were lowered to
/// stay below the power limit, which large products on tensor cores do all the time on devices that
/// are in order; no fault, but what the same kernel reaches under another limit differs.
///
/// Metrics, each where it is known: gpu_temperature_celsius (highest seen), gpu_clock_mhz (lowest
/// seen, by NVML), thermal_slowdown_ms and power_capped_ms (time below the clocks asked for).
class ThrottleWatch {
 public:
  using Read = std::function<GpuPace()>;

  /// A look costs up to a millisecond, so they are at least kBetweenLooks_ns apart.
  static constexpr std::int64_t kBetweenLooks_ns = 20'000'000;

  ThrottleWatch(Read read, Clock& clock);

  /// Before the first sample and after each; never beside one. Most return at once.
  void look();
  TimerNotes notes() const;

 private:
  Read read_;
  Clock& clock_;
  std::optional<std::int64_t> looked_ns_;
  std::optional<GpuPace> first_;
  GpuPace last_;
  std::optional<int> hottest_celsius_;
  std::optional<int> slowest_mhz_;
  bool throttled_ = false;
  bool power_capped_ = false;
};

}  // namespace ashlar::measure
