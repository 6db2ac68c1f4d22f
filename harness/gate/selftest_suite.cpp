#include "harness/gate/selftest_suite.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "harness/measure/clock.hpp"
#include "harness/statistics/random.hpp"

namespace ashlar::gate {

namespace {

constexpr std::size_t kTableEntries = std::size_t{32} << 10;  // 128 KiB
constexpr std::size_t kStreamEntries = std::size_t{1} << 20;  // 8 MiB

struct Load {
  std::int64_t steps = 0;
  std::uint64_t seed = 0;
  std::vector<std::uint32_t> next;    // a cycle through a table that fits a private cache
  std::vector<std::uint64_t> stream;  // more than one
};

struct Sum {
  double value = 0;
  explicit Sum(const Load&) {}
  std::vector<model::TensorView> tensors() {
    return {{"sum", model::ElementType::f64, {1}, &value}};
  }
};

/// Fewer bits than a double holds, so that sums are compared exactly.
double as_number(std::uint64_t word) { return static_cast<double>(word >> 12); }

std::uint64_t arithmetic(const Load& load, std::int64_t steps) {
  std::uint64_t word = load.seed;
  for (std::int64_t i = 0; i < steps; ++i)
    word = statistics::mix64(word + static_cast<std::uint64_t>(i));
  return word;
}

std::uint64_t cache(const Load& load, std::int64_t steps) {
  std::uint32_t at = 0;
  std::uint64_t sum = load.seed;
  for (std::int64_t i = 0; i < steps; ++i) {
    at = load.next[at];
    sum = sum * 31 + at;
  }
  return sum;
}

std::uint64_t mixed(const Load& load, std::int64_t steps) {
  std::uint32_t at = 0;
  std::uint64_t word = load.seed;
  for (std::int64_t i = 0; i < steps; ++i) {
    if (i % 4 == 0) at = load.next[at];
    word = statistics::mix64(word + at);
  }
  return word;
}

std::uint64_t stream(const Load& load, std::int64_t steps) {
  std::uint64_t sum = load.seed;
  std::size_t at = 0;
  for (std::int64_t i = 0; i < 8 * steps; ++i) {
    sum += load.stream[at] ^ static_cast<std::uint64_t>(i);
    at = at + 1 == kStreamEntries ? 0 : at + 1;
  }
  return sum;
}

std::uint64_t threads(const Load& load, std::int64_t steps) {
  std::uint64_t other = 0;
  std::thread helper([&] { other = arithmetic(load, steps / 2); });
  const std::uint64_t own = arithmetic(load, steps - steps / 2);
  helper.join();
  return 31 * own + other;
}

Load make_load(const model::Point& point, std::uint64_t seed) {
  Load load;
  load.steps = point.integer("steps");
  load.seed = seed;
  load.next.resize(kTableEntries);
  std::iota(load.next.begin(), load.next.end(), 0u);
  statistics::SplitMix64 random(seed);
  for (std::size_t i = kTableEntries - 1; i > 0; --i)
    std::swap(load.next[i], load.next[random.index(i)]);
  load.stream.resize(kStreamEntries);
  for (std::uint64_t& word : load.stream) word = random.next();
  return load;
}

using Work = std::uint64_t (*)(const Load&, std::int64_t);

/// The work, and then `extra` of it again for nothing.
auto with_extra(Work work, double extra) {
  return [work, extra](const Load& load, Sum& sum) {
    sum.value = as_number(work(load, load.steps));
    const auto more =
        static_cast<std::int64_t>(std::llround(extra * static_cast<double>(load.steps)));
    if (more == 0) return;
    volatile std::uint64_t unused = work(load, more);
    static_cast<void>(unused);
  };
}

}  // namespace

model::Registry selftest_registry(const std::vector<std::int64_t>& steps, double extra) {
  model::Suite suite(kSelftestSuite, "Work of a known amount");
  const std::vector<model::Value> values(steps.begin(), steps.end());
  // Every implementation has another sum, so each is an experiment with an oracle of its own.
  const auto declare = [&](const char* name, Work work, int own_threads) {
    suite.experiment<Load, Sum>(name)
        .about("work of a known amount")
        .axis("steps", values)
        .problem(make_load)
        .oracle(
            "the same work once more",
            [work](const Load& load) {
              return model::Expected{{"sum", {}, {as_number(work(load, load.steps))}}};
            },
            [](const model::Point&) {
              return model::Tolerances{{"", {.max_abs = 0}}};
            })
        .add(model::Tier::reference, "work", with_extra(work, extra), {.threads = own_threads});
  };
  declare("arithmetic", arithmetic, 1);
  declare("cache", cache, 1);
  declare("mixed", mixed, 1);
  declare("stream", stream, 1);
  declare("threads", threads, 2);
  model::Registry registry;
  registry.push_back(std::move(suite));
  return registry;
}

std::int64_t steps_lasting(std::int64_t nanoseconds) {
  constexpr std::int64_t kTrial = 50'000;
  const Load load = make_load(model::Point({{"steps", kTrial}}), 1);
  std::int64_t least_ns = std::numeric_limits<std::int64_t>::max();
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::int64_t start = measure::system_clock().cpu_ns();
    volatile std::uint64_t unused = mixed(load, kTrial);
    static_cast<void>(unused);
    least_ns = std::min(least_ns, measure::system_clock().cpu_ns() - start);
  }
  return std::max<std::int64_t>(1, nanoseconds * kTrial / std::max<std::int64_t>(least_ns, 1));
}

}  // namespace ashlar::gate
