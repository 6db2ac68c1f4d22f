#include "harness/gate/anchor.hpp"

#include <time.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "harness/statistics/random.hpp"

namespace ashlar::gate {

namespace {

constexpr std::size_t kAnchorEntries = std::size_t{64} << 10;  // 256 KiB

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

WorkAnchor::WorkAnchor(std::int64_t wanted_ns) : next_(kAnchorEntries) {
  // Sattolo's shuffle: one cycle through all entries, so that the walk sees the whole table.
  std::iota(next_.begin(), next_.end(), 0u);
  statistics::SplitMix64 random(1);
  for (std::size_t i = next_.size() - 1; i > 0; --i) std::swap(next_[i], next_[random.index(i)]);
  constexpr std::int64_t kTrial = 20'000;
  double least_ns = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 20; ++repeat) {
    steps_ = kTrial;
    least_ns = std::min(least_ns, run().cpu_ns);
  }
  const double each_ns = std::max(least_ns, 1.0) / static_cast<double>(kTrial);
  steps_ = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(static_cast<double>(wanted_ns) / each_ns));
}

/// Arithmetic that no cache can delay beside a walk that every cache can.
void WorkAnchor::work(std::int64_t steps) {
  std::uint32_t at = static_cast<std::uint32_t>(state_ % kAnchorEntries);
  std::uint64_t mixed = state_;
  for (std::int64_t i = 0; i < steps; ++i) {
    if (i % 8 == 0) at = next_[at];
    mixed = statistics::mix64(mixed + static_cast<std::uint64_t>(i));
  }
  // The next run starts where this one ended, and the compiler cannot drop what state_ depends on.
  state_ = (mixed | 1u) ^ (std::uint64_t{at} << 20);
}

Times WorkAnchor::run() {
  const std::int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  const std::int64_t wall = clock_ns(CLOCK_MONOTONIC);
  work(steps_);
  const std::int64_t wall_ns = clock_ns(CLOCK_MONOTONIC) - wall;
  return {static_cast<double>(wall_ns),
          static_cast<double>(clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu)};
}

std::int64_t cpu_clock_step_ns() {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    std::int64_t now = start;
    while (now == start) now = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    least = std::min(least, now - start);
  }
  return least;
}

}  // namespace ashlar::gate
