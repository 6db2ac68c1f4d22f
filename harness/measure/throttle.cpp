#include "harness/measure/throttle.hpp"

#include <algorithm>
#include <utility>

namespace ashlar::measure {

namespace {

std::optional<double> difference_ms(const std::optional<std::int64_t>& before_ns,
                                    const std::optional<std::int64_t>& after_ns) {
  if (!before_ns || !after_ns) return std::nullopt;
  return static_cast<double>(*after_ns - *before_ns) * 1e-6;
}

}  // namespace

ThrottleWatch::ThrottleWatch(Read read, Clock& clock) : read_(std::move(read)), clock_(clock) {}

void ThrottleWatch::look() {
  const std::int64_t now_ns = clock_.now_ns();
  if (looked_ns_ && now_ns - *looked_ns_ < kBetweenLooks_ns) return;
  looked_ns_ = now_ns;
  last_ = read_();
  if (!first_) first_ = last_;
  if (last_.temperature_celsius)
    hottest_celsius_ =
        std::max(hottest_celsius_.value_or(*last_.temperature_celsius), *last_.temperature_celsius);
  if (last_.sm_clock_mhz)
    slowest_mhz_ = std::min(slowest_mhz_.value_or(*last_.sm_clock_mhz), *last_.sm_clock_mhz);
  throttled_ |= last_.thermal_slowdown.value_or(false) || last_.hardware_slowdown.value_or(false);
  power_capped_ |= last_.power_capped.value_or(false);
}

TimerNotes ThrottleWatch::notes() const {
  TimerNotes notes;
  if (!first_) return notes;
  const auto thermal_ms = difference_ms(first_->thermal_violation_ns, last_.thermal_violation_ns);
  const auto power_ms = difference_ms(first_->power_violation_ns, last_.power_violation_ns);
  const auto put = [&notes](const char* name, const auto& value) {
    if (value) notes.metrics[name] = static_cast<double>(*value);
  };
  put("gpu_temperature_celsius", hottest_celsius_);
  put("gpu_clock_mhz", slowest_mhz_);
  put("thermal_slowdown_ms", thermal_ms);
  put("power_capped_ms", power_ms);
  if (throttled_ || thermal_ms.value_or(0) > 0) notes.flags.emplace_back("throttled");
  if (power_capped_ || power_ms.value_or(0) > 0) notes.flags.emplace_back("power-capped");
  return notes;
}

}  // namespace ashlar::measure
