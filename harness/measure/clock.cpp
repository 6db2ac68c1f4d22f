#include "harness/measure/clock.hpp"

#include <ctime>

namespace ashlar::measure {

namespace {

std::int64_t read_ns(clockid_t id) {
  timespec time{};
  clock_gettime(id, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  std::int64_t now_ns() override { return read_ns(CLOCK_MONOTONIC); }
  std::int64_t cpu_ns() override { return read_ns(CLOCK_PROCESS_CPUTIME_ID); }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace ashlar::measure
