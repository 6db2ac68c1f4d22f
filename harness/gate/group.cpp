#include "harness/gate/group.hpp"

#include <algorithm>
#include <limits>

namespace ashlar::gate {

std::string_view name_of(Metric metric) {
  switch (metric) {
    case Metric::cpu_time:
      return "cpu";
    case Metric::wall_time:
      return "wall";
    case Metric::device_time:
      return "device";
  }
  return "wall";
}

double value_of(const Times& times, Metric metric) {
  return metric == Metric::cpu_time ? times.cpu_ns : times.wall_ns;
}

void take_group(Side& base, Side& head, Anchor& anchor, Metric metric, int runs, bool head_first,
                PairData& pair) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  Group group{kNone, kNone, kNone, kNone};
  for (int slot = 0; slot < 2 * runs; ++slot) {
    const bool head_now = (((slot + 1) / 2) % 2 == 1) != head_first;
    double& anchor_least = head_now ? group.anchor_head_ns : group.anchor_base_ns;
    double& least = head_now ? group.head_ns : group.base_ns;
    anchor_least = std::min(anchor_least, value_of(anchor.run(), metric));
    const Taken taken = (head_now ? head : base).sample();
    least = std::min(least, value_of(taken.times, metric));
    ++pair.samples;
    if (taken.switched) ++pair.switched;
  }
  pair.groups.push_back(group);
}

}  // namespace ashlar::gate
