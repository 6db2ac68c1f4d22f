// The host's side of timing on a GPU, with a script in the device's place.
#include "harness/measure/cuda_timing.hpp"

#include <atomic>
#include <deque>

#include <catch2/catch.hpp>

namespace ashlar::measure {
namespace {

using Catch::Contains;
using std::chrono::milliseconds;
using Words = std::vector<std::string>;

constexpr double kDefault_hz = 2e9;
constexpr ClockSpan kFullSpeed{2'000'000, 1'000'000};
constexpr ClockSpan kThrottled{1'000'000, 1'000'000};

/// Writes down what it is asked, and answers from lists. Its blocking kernel really blocks: a
/// synchronize() before the release waits.
class ScriptedSteps final : public CudaSteps {
 public:
  explicit ScriptedSteps(Words& log) : log_(log) {}

  void* stream() override { return this; }
  void flush() override { log_.emplace_back("flush"); }
  void synchronize() override {
    std::unique_lock lock(mutex_);
    released_.wait(lock, [this] { return !blocked_; });
    log_.emplace_back("synchronize");
  }
  void block() override {
    const std::lock_guard lock(mutex_);
    if (fail_at_block) throw std::runtime_error("launch failed");
    blocked_ = true;
    log_.emplace_back("block");
  }
  void release() noexcept override {
    const std::lock_guard lock(mutex_);
    if (blocked_) log_.emplace_back("release");
    blocked_ = false;
    released_.notify_all();
  }
  void hold() override { log_.emplace_back("hold"); }
  void clock_start() override { log_.emplace_back("clock start"); }
  void clock_stop() override { log_.emplace_back("clock stop"); }
  void event_start() override { log_.emplace_back("event start"); }
  void event_stop() override { log_.emplace_back("event stop"); }
  std::int64_t event_ns() override { return 1000; }
  std::optional<ClockSpan> clock_span() override {
    if (clocks.empty()) return kFullSpeed;
    const auto next = clocks.front();
    if (clocks.size() > 1) clocks.pop_front();
    return next;
  }
  double default_clock_hz() override { return kDefault_hz; }

  std::deque<std::optional<ClockSpan>> clocks;  // the last one repeats
  bool fail_at_block = false;

 private:
  Words& log_;
  std::mutex mutex_;
  std::condition_variable released_;
  bool blocked_ = false;
};

/// Ten nanoseconds of CPU time pass between two looks.
class ScriptedClock final : public Clock {
 public:
  std::int64_t now_ns() override { return 0; }
  std::int64_t cpu_ns() override { return cpu_ns_ += 10; }

 private:
  std::int64_t cpu_ns_ = 0;
};

struct Bench {
  explicit Bench(CudaTimingOptions options = {}) {
    auto made = std::make_unique<ScriptedSteps>(log);
    steps = made.get();
    timing = std::make_unique<CudaTiming>(std::move(made), clock, options,
                                          [this](milliseconds pause) { pauses.push_back(pause); });
  }
  CudaTiming::Launch work() {
    return [this](void*) { log.emplace_back("work"); };
  }

  Words log;
  std::vector<milliseconds> pauses;
  ScriptedClock clock;
  ScriptedSteps* steps = nullptr;
  std::unique_ptr<CudaTiming> timing;
};

CudaTimingOptions with(Lead lead, milliseconds watchdog = milliseconds(60'000)) {
  CudaTimingOptions options;
  options.lead = lead;
  options.watchdog = watchdog;
  return options;
}

}  // namespace

TEST_CASE("the steps of a sample come in order, all in line before the blocking kernel ends") {
  Bench bench(with(Lead::block));
  const CudaTimed timed = bench.timing->time(bench.work());
  CHECK(bench.log == Words{"flush", "synchronize", "block", "clock start", "event start", "work",
                           "event stop", "clock stop", "release", "synchronize"});
  CHECK(timed.device_ns == 1000);
  CHECK(timed.cpu_ns == 10);
}

TEST_CASE("work that waits by itself has the short kernel before it, a profiler nothing") {
  Bench held(with(Lead::hold));
  held.timing->time(held.work());
  CHECK(held.log == Words{"flush", "synchronize", "hold", "clock start", "event start", "work",
                          "event stop", "clock stop", "synchronize"});
  Bench plain(with(Lead::none));
  plain.steps->clocks = {kThrottled};
  plain.timing->accepted(plain.work(), [] {});
  CHECK(plain.log ==
        Words{"flush", "synchronize", "event start", "work", "event stop", "synchronize"});
}

TEST_CASE("executing once has no flush, no lead, no clock") {
  Bench bench(with(Lead::block));
  bench.timing->run(bench.work());
  CHECK(bench.log == Words{"work", "synchronize"});
}

TEST_CASE("the watchdog lets work go that waits behind the blocking kernel, and says what to set") {
  Bench bench(with(Lead::block, milliseconds(200)));
  const auto waits = [&](void*) {
    bench.log.emplace_back("work");
    bench.steps->synchronize();
  };
  CHECK_THROWS_WITH(bench.timing->time(waits), Contains("set syncs_internally"));
  CHECK(bench.log == Words{"flush", "synchronize", "block", "clock start", "event start", "work",
                           "release", "synchronize", "event stop", "clock stop", "synchronize"});
  // The next sample is as any other.
  bench.log.clear();
  CHECK(bench.timing->time(bench.work()).device_ns == 1000);
  CHECK(bench.log.size() == 10);
}

TEST_CASE("a failing launch leaves no blocking kernel behind") {
  Bench bench(with(Lead::block));
  CHECK_THROWS_WITH(bench.timing->time([](void*) { throw std::runtime_error("no memory"); }),
                    "no memory");
  CHECK(bench.log.back() == "release");
  bench.steps->fail_at_block = true;
  CHECK_THROWS_WITH(bench.timing->time(bench.work()), "launch failed");
  bench.steps->fail_at_block = false;
  CHECK(bench.timing->time(bench.work()).device_ns == 1000);  // the guard is disarmed
}

TEST_CASE("a watchdog bites once per arming and not after disarm") {
  std::atomic<int> bites{0};
  Watchdog watchdog(milliseconds(5), [&] { ++bites; });
  for (int i = 0; i < 3; ++i) {
    watchdog.arm();
    while (bites <= i) std::this_thread::sleep_for(milliseconds(1));
    CHECK(watchdog.disarm());
  }
  Watchdog patient(milliseconds(60'000), [&] { bites = 100; });
  patient.arm();
  CHECK_FALSE(patient.disarm());
  patient.arm();  // and is torn down armed
  CHECK(bites == 3);
}

TEST_CASE("a throttled sample is discarded and taken again after a pause") {
  Bench bench;
  bench.steps->clocks = {kThrottled, kThrottled, kFullSpeed};
  int resets = 0;
  const CudaTimed timed = bench.timing->accepted(bench.work(), [&] { ++resets; });
  CHECK(timed.device_ns == 1000);
  CHECK(bench.pauses == std::vector<milliseconds>(2, milliseconds(50)));
  CHECK(resets == 2);
  CHECK(bench.timing->discarded() == 2);
  CHECK(bench.timing->mean_clock_hz() == 2e9);
}

TEST_CASE("pauses grow after three failures in a row, and it gives up") {
  Bench bench;
  bench.steps->clocks = {kThrottled};
  CHECK_THROWS_AS(bench.timing->accepted(bench.work(), [] {}), NoAcceptedSample);
  std::vector<int> pauses;
  for (const milliseconds pause : bench.pauses) pauses.push_back(static_cast<int>(pause.count()));
  CHECK(pauses == std::vector<int>{50, 50, 50, 100, 200, 400, 500, 500, 500});
  CHECK(bench.timing->discarded() == 10);
  CHECK_FALSE(bench.timing->mean_clock_hz().has_value());
  // One accepted sample and the count begins anew.
  bench.pauses.clear();
  bench.steps->clocks = {kThrottled, kFullSpeed, kThrottled, kFullSpeed};
  bench.timing->accepted(bench.work(), [] {});
  bench.timing->accepted(bench.work(), [] {});
  CHECK(bench.pauses == std::vector<milliseconds>(2, milliseconds(50)));
  CHECK_THROWS_WITH(
      [&] {
        bench.steps->clocks = {kThrottled};
        bench.timing->accepted(bench.work(), [] {});
      }(),
      "no accepted samples: 10 in a row at less than 75 % of the device's clock of 2000 MHz");
}

TEST_CASE("the clock is judged in the sample's favour where its steps are too coarse to tell") {
  const auto bad = [](std::int64_t cycles, std::int64_t ns) {
    return throttled({cycles, ns}, kDefault_hz, 0.75);
  };
  CHECK(bad(1'499'000, 1'000'000 + 2200));
  CHECK_FALSE(bad(1'501'000, 1'000'000 + 2200));
  CHECK_FALSE(bad(1, 2200));  // shorter than the steps of the device's clock
  CHECK(bad(1000, 10'000));   // 100 MHz for certain
  CHECK_FALSE(bad(12'000, 10'000));
  Bench unknown;
  unknown.steps->clocks = {std::nullopt};
  CHECK_NOTHROW(unknown.timing->accepted(unknown.work(), [] {}));
  CHECK_FALSE(unknown.timing->mean_clock_hz().has_value());
}

TEST_CASE("no blocking kernel where somebody waits: the work, a profiler, or every launch") {
  const auto lead = [](bool syncs, const std::string& name, const char* value) {
    return lead_for(syncs, [&](const char* asked) { return name == asked ? value : nullptr; });
  };
  CHECK(lead(false, "", "") == Lead::block);
  CHECK(lead(true, "", "") == Lead::hold);
  CHECK(lead(false, "CUDA_LAUNCH_BLOCKING", "1") == Lead::hold);
  CHECK(lead(false, "CUDA_LAUNCH_BLOCKING", "0") == Lead::block);
  CHECK(lead(false, "CUDA_INJECTION64_PATH", "/tool.so") == Lead::none);
  CHECK(lead(true, "NVTX_INJECTION64_PATH", "/tool.so") == Lead::none);
  CHECK(lead(false, "NSYS_PROFILING_SESSION_ID", "7") == Lead::none);
}

}  // namespace ashlar::measure
