#include "harness/measure/throttle.hpp"

#include <deque>

#include <catch2/catch.hpp>

namespace ashlar::measure {
namespace {

/// Stands still unless it is moved.
class StillClock final : public Clock {
 public:
  std::int64_t now_ns() override { return now; }
  std::int64_t cpu_ns() override { return 0; }
  std::int64_t now = 0;
};

/// Looks as often as there are paces, far enough apart.
TimerNotes watched(std::deque<GpuPace> paces) {
  StillClock clock;
  const std::size_t looks = paces.size();
  ThrottleWatch watch(
      [&] {
        const GpuPace pace = paces.front();
        paces.pop_front();
        return pace;
      },
      clock);
  for (std::size_t i = 0; i < looks; ++i) {
    watch.look();
    clock.now += ThrottleWatch::kBetweenLooks_ns;
  }
  REQUIRE(paces.empty());
  return watch.notes();
}

const GpuPace kFine{50, 1980, false, false, false, 0, 0};
using Flags = std::vector<std::string>;

}  // namespace

TEST_CASE("a device that nothing holds back is not flagged") {
  const TimerNotes notes = watched({kFine, {55, 1900, false, false, false, 0, 0}, kFine});
  CHECK(notes.flags.empty());
  CHECK(notes.metrics == std::map<std::string, double>{{"gpu_temperature_celsius", 55},
                                                       {"gpu_clock_mhz", 1900},
                                                       {"thermal_slowdown_ms", 0},
                                                       {"power_capped_ms", 0}});
}

TEST_CASE("heat or hardware at any look marks the case, whenever it was") {
  const GpuPace hot{88, 1200, false, true, false, 0, 0};
  const GpuPace braked{60, 1200, false, false, true, 0, 0};
  for (const GpuPace& slow : {hot, braked}) {
    CHECK(watched({slow, kFine, kFine}).flags == Flags{"throttled"});
    CHECK(watched({kFine, slow, kFine}).flags == Flags{"throttled"});
    CHECK(watched({kFine, kFine, slow}).flags == Flags{"throttled"});
  }
  CHECK(watched({hot, kFine}).metrics.at("gpu_temperature_celsius") == 88);
  CHECK(watched({hot, kFine}).metrics.at("gpu_clock_mhz") == 1200);
}

TEST_CASE("what happened between two looks is seen by the counters of time") {
  const GpuPace before{50, 1980, false, false, false, 5'000'000, 3'000'000};
  const GpuPace heat{50, 1980, false, false, false, 5'000'000, 4'500'000};
  const GpuPace power{50, 1980, false, false, false, 7'000'000, 3'000'000};
  CHECK(watched({before, before}).flags.empty());
  CHECK(watched({before, heat}).flags == Flags{"throttled"});
  CHECK(watched({before, heat}).metrics.at("thermal_slowdown_ms") == 1.5);
  CHECK(watched({before, power}).flags == Flags{"power-capped"});
  CHECK(watched({before, power}).metrics.at("power_capped_ms") == 2);
}

TEST_CASE("the limit of power is told apart from a fault") {
  const GpuPace capped{60, 1700, true, false, false, 0, 0};
  const GpuPace both{90, 1700, true, true, false, 0, 0};
  CHECK(watched({kFine, capped}).flags == Flags{"power-capped"});
  CHECK(watched({kFine, both}).flags == Flags{"throttled", "power-capped"});
}

TEST_CASE("a library that knows nothing says nothing, and no look none") {
  CHECK(watched({GpuPace(), GpuPace()}).flags.empty());
  CHECK(watched({GpuPace(), GpuPace()}).metrics.empty());
  CHECK(watched({}).metrics.empty());
}

TEST_CASE("looks are some way apart") {
  StillClock clock;
  int looks = 0;
  ThrottleWatch watch([&] { return ++looks, GpuPace(); }, clock);
  watch.look();
  watch.look();
  clock.now += ThrottleWatch::kBetweenLooks_ns - 1;
  watch.look();
  CHECK(looks == 1);
  clock.now += 1;
  watch.look();
  CHECK(looks == 2);
}

}  // namespace ashlar::measure
