#include "harness/measure/sample.hpp"

#include <catch2/catch.hpp>

#include "harness/measure/memory.hpp"

using namespace ashlar::measure;

namespace {

/// Time moves only when an execution moves it.
class ScriptedClock final : public Clock {
 public:
  std::int64_t now_ns() override { return now_; }
  std::int64_t cpu_ns() override { return now_ * 2; }  // two threads
  void advance(std::int64_t ns) { now_ += ns; }

 private:
  std::int64_t now_ = 1000;
};

class ScriptedTrial final : public ashlar::model::Trial {
 public:
  ScriptedTrial(ScriptedClock& clock, std::int64_t each_ns) : clock_(clock), each_ns_(each_ns) {}
  void prepare() override {}
  void execute(ashlar::model::Stream) override {
    ++executions;
    clock_.advance(each_ns_);
  }
  void reset() override { ++resets; }
  bool in_place() const override { return false; }
  void poison() override {}
  void fetch() override {}
  std::vector<ashlar::model::TensorView> answer() override { return {}; }
  ashlar::model::Outcome outcome() const override { return {}; }

  int executions = 0;
  int resets = 0;

 private:
  ScriptedClock& clock_;
  std::int64_t each_ns_;
};

std::vector<std::int64_t> repeated(std::int64_t value, std::size_t count) {
  return std::vector<std::int64_t>(count, value);
}

}  // namespace

TEST_CASE("a sample is the batch's mean, wall and CPU time side by side, reset once before") {
  ScriptedClock clock;
  ScriptedTrial trial(clock, 300);
  const auto timer = make_cpu_timer(clock);
  const Sample sample = timer->take(trial, 10);
  CHECK(sample.wall_ns == 300);
  CHECK(sample.cpu_ns == 600);
  CHECK(trial.executions == 10);
  CHECK(trial.resets == 1);
}

TEST_CASE("batches grow until a sample lasts at least 50 microseconds") {
  CHECK(next_batch(1, 50'000) == 1);
  CHECK(next_batch(1, 1'000'000) == 1);
  CHECK(next_batch(1, 30'000) == 2);
  CHECK(next_batch(100, 49'000) == 123);
  CHECK(next_batch(1, 100) == 10);  // at most tenfold: the first execution may be the slowest
  CHECK(next_batch(7, 0) == 70);
  // From an execution that was slow once and takes 5 ns from then on.
  std::int64_t batch = next_batch(1, 40'000);
  while (next_batch(batch, batch * 5) != batch) batch = next_batch(batch, batch * 5);
  CHECK(batch * 5 >= kShortestSample_ns);
  CHECK(batch * 5 <= 2 * kShortestSample_ns);
}

TEST_CASE("slow implementations take fewer samples") {
  CHECK(fewest_samples(1'000'000) == 15);
  CHECK(fewest_samples(500'000'000) == 5);
  CHECK(fewest_samples(2'000'000'000) == 3);
}

TEST_CASE("sampling stops when the median's interval is tight, and says so") {
  StopRule rule;
  rule.least_time_ns = 0;
  CHECK_FALSE(stop_reason(rule, {}, 1));
  CHECK_FALSE(stop_reason(rule, repeated(1'000'000, 14), 1));
  CHECK(stop_reason(rule, repeated(1'000'000, 15), 1) == "converged");
  rule.least_time_ns = 1'000'000'000;
  CHECK_FALSE(stop_reason(rule, repeated(1'000'000, 15), 1));
}

TEST_CASE("noise runs into the limits, and says which") {
  StopRule rule;
  rule.least_time_ns = 0;
  std::vector<std::int64_t> noisy;
  for (int i = 0; i < 200; ++i) noisy.push_back(i % 2 == 0 ? 1'000'000 : 2'000'000);
  CHECK_FALSE(stop_reason(rule, std::span(noisy).first(100), 1));
  CHECK(stop_reason(rule, noisy, 1) == "max-samples");
  rule.most_time_ns = 100'000'000;
  CHECK(stop_reason(rule, std::span(noisy).first(100), 1) == "max-time");
}

TEST_CASE("flags say what disturbed the samples") {
  const std::vector<Sample> quiet(15, Sample{1'000'000, 1'000'000, 0, 0});
  CHECK(flags_of(quiet).empty());
  std::vector<Sample> disturbed = quiet;
  disturbed[3].involuntary_switches = 2;
  disturbed[4].page_faults = 1;
  const std::vector<std::string> flags = flags_of(disturbed);
  CHECK(flags == std::vector<std::string>{"involuntary-switches", "page-faults"});
  CHECK(flags_of(std::span(quiet).first(4)) == std::vector<std::string>{"few-samples"});
  CHECK(flags_of(std::vector<Sample>(15, Sample{7, 7, 0, 0})) ==
        std::vector<std::string>{"coarse"});
}

TEST_CASE("peak memory sees what was used and given back") {
  use_returning_allocator();
  const PeakMemory memory;
  constexpr std::int64_t kBytes = 64 << 20;
  {
    const std::vector<char> block(kBytes, 'x');
    CHECK(block.back() == 'x');
  }
  const auto peak = memory.peak_bytes();
  if (!peak) {
    WARN("the kernel does not reset the high-water mark here");
    return;
  }
  // The kernel counts resident pages per CPU and adds up in batches, so it may be off by some
  // pages.
  CHECK(*peak >= kBytes - (1 << 20));
  CHECK(*peak < kBytes * 3 / 2);
}
