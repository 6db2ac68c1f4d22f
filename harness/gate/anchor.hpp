#pragma once
// The driver's own fixed piece of work, run before every sample of either side. It is the same code
// in the same process in both sides' turns, so any difference between its minima there is the
// machine's doing, and none of the commit's.
#include <cstdint>
#include <memory>
#include <vector>

#include "harness/gate/group.hpp"
#include "harness/measure/clock.hpp"

namespace ashlar::gate {

class WorkAnchor final : public Anchor {
 public:
  /// Chooses the amount of work once, so that it takes about `wanted_ns`.
  explicit WorkAnchor(std::int64_t wanted_ns = 200'000);
  Times run() override;
  std::int64_t steps() const { return steps_; }

 private:
  void work(std::int64_t steps);

  std::vector<std::uint32_t> next_;  // a cycle through a table of the size of a private cache
  std::int64_t steps_ = 1000;
  std::uint64_t state_ = 1;
};

/// Smallest step by which this thread's CPU clock was seen to move, in nanoseconds: about a
/// microsecond or less where the kernel counts exactly, a tick of milliseconds where it does not.
std::int64_t cpu_clock_step_ns();

}  // namespace ashlar::gate
