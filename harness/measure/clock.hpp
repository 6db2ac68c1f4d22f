#pragma once
#include <cstdint>

namespace ashlar::measure {

/// Where time comes from; tests script it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ns() = 0;  // monotonic
  virtual std::int64_t cpu_ns() = 0;  // CPU time of all threads of this process
};

/// The machine's own clocks. One instance serves the whole process.
Clock& system_clock();

}  // namespace ashlar::measure
