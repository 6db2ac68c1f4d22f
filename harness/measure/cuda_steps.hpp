#pragma once
// What a timed execution asks of a device, step by step. The order of the steps, the watchdog and
// the judgement of the clock are host code (cuda_timing.hpp), which tests drive with a script in
// the device's place.
#include <cstdint>
#include <memory>
#include <optional>

namespace ashlar::measure {

/// A multiprocessor's cycles between two readings, and the time by the device's own clock, which
/// steps by up to a microsecond.
struct ClockSpan {
  std::int64_t cycles = 0;
  std::int64_t elapsed_ns = 0;
};

/// Every step but synchronize() and event_ns() is put on the stream and returns at once. All may
/// throw std::runtime_error, except release().
class CudaSteps {
 public:
  virtual ~CudaSteps() = default;
  virtual void* stream() = 0;
  /// Overwrites a buffer of the L2 cache's size.
  virtual void flush() = 0;
  virtual void synchronize() = 0;
  /// A kernel that waits for release(): what follows stands in line before any of it begins.
  virtual void block() = 0;
  /// Lets the blocking kernel end; from any thread, also when none is there.
  virtual void release() noexcept = 0;
  /// A kernel of some 20 microseconds, in place of the blocking one.
  virtual void hold() = 0;
  virtual void clock_start() = 0;
  virtual void clock_stop() = 0;
  virtual void event_start() = 0;
  virtual void event_stop() = 0;
  /// Between the events, which have happened.
  virtual std::int64_t event_ns() = 0;
  /// Between the readings of one multiprocessor, which have happened; nothing when no
  /// multiprocessor was read twice.
  virtual std::optional<ClockSpan> clock_span() = 0;
  /// The multiprocessors' clock that the device is sold with.
  virtual double default_clock_hz() = 0;
};

/// Device 0. Throws std::runtime_error when cuda_unavailable().
std::unique_ptr<CudaSteps> make_cuda_steps();

}  // namespace ashlar::measure
