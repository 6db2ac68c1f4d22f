#pragma once
// How many rounds a point gets: fresh processes are added until every ratio at the point is tight,
// or something else ends it. Pure functions of what was measured, so that a resumed run decides as
// the run that was cut short did.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::run {

/// What one implementation's samples lasted, in nanoseconds, by round. Sample i of every
/// implementation of a point and round was taken in sweep i.
using Times = std::map<int, std::vector<double>>;
/// By implementation.
using PointTimes = std::map<std::string, Times>;

/// The least certain ratio at a point.
struct Width {
  std::string implementation;
  std::string baseline;
  /// Half of the 95 % interval, relative: 0.02 is 2 %; at least what whole nanoseconds resolve.
  /// Infinite where one round says nothing of the spread between processes.
  double half = 0;
};

/// Ratios of each implementation to the first of `baselines` that has samples, else to the fastest.
/// Each round gives one value, the median of its paired log ratios; the interval is Student's over
/// the rounds below `rounds`, since the unit of replication is the process. An implementation that
/// lacks one of the baseline's rounds (it crashed there, it was left out) is passed over: more
/// rounds would not help it. Nothing where no ratio is left.
std::optional<Width> widest_ratio(const PointTimes& times, int rounds,
                                  const std::vector<std::string>& baselines);

/// Why a point gets no further round.
enum class Stop { tight, max_rounds, budget, interrupted, no_ratio };
/// As records write it: "tight", "max-rounds", ...
std::string_view name_of(Stop stop);

struct RoundRule {
  int least = 2;  // a single process says nothing of the spread between processes
  int most = 2;
  double tight = 0.02;  // half width of every ratio, relative
};

/// After `rounds` rounds: why the point is done, or nothing when another round should follow. What
/// the clock and the user say (budget, interrupted) comes from elsewhere.
std::optional<Stop> enough(const RoundRule& rule, int rounds, const std::optional<Width>& widest);

/// Open points, the least certain first; equal ones in the order of the plan.
std::vector<std::size_t> widest_first(const std::map<std::size_t, double>& half_by_point);

}  // namespace ashlar::run
