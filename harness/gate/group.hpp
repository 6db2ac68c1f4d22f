#pragma once
// One group: runs of both sides in turn, base, head, head, base, ..., the driver's own work before
// each.
#include <cstdint>

#include "harness/gate/decision.hpp"

namespace ashlar::gate {

/// Nanoseconds by both clocks.
struct Times {
  double wall_ns = 0;
  double cpu_ns = 0;
};

struct Taken {
  Times times;  // per execution
  bool switched = false;
};

/// One side of a comparison, ready to be sampled.
class Side {
 public:
  virtual ~Side() = default;
  virtual Taken sample() = 0;
};

/// A fixed piece of work in the driver itself: the same whoever's turn it is.
class Anchor {
 public:
  virtual ~Anchor() = default;
  virtual Times run() = 0;
};

enum class Metric { cpu_time, wall_time, device_time };
std::string_view name_of(Metric metric);
/// Device time travels in the place of wall time.
double value_of(const Times& times, Metric metric);

/// Runs each side `runs` times. Neighbouring runs are of different sides, and each side is first in
/// as many pairs of neighbours as the other (or one more). Counts into `pair`, too.
void take_group(Side& base, Side& head, Anchor& anchor, Metric metric, int runs, bool head_first,
                PairData& pair);

}  // namespace ashlar::gate
