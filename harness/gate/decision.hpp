#pragma once
// From groups to a verdict: pure functions, no clock and no process in them.
//
// A group is the smallest of a few runs of the base and the smallest of as many of the head, taken
// in turn. Other processes add time and never take any away, so the minimum forgets them; what is
// slow to change (frequency, a neighbour) is in both minima and leaves their ratio. The interval
// is never narrower than the spread between process pairs allows, as groups of one pair share that
// pair's memory layout, nor than the clock's resolution allows.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/statistics/interval.hpp"

namespace ashlar::gate {

/// What a logarithm of a ratio of times is as a change.
inline double per_cent(double log_ratio) { return 100 * std::expm1(log_ratio); }

enum class Verdict { same, faster, slower, unclear, disturbed };
std::string_view name_of(Verdict verdict);

/// Minima of one group, in nanoseconds per execution (`anchor_*`: per run of the anchor).
struct Group {
  double base_ns = 0;
  double head_ns = 0;
  double anchor_base_ns = 0;  // the driver's own work in the slots before the base's runs
  double anchor_head_ns = 0;
};

/// What one pair of fresh processes gave for one case.
struct PairData {
  std::vector<Group> groups;
  std::size_t samples = 0;
  std::size_t switched = 0;  // samples during which the scheduler took a CPU away

  bool operator==(const PairData&) const = default;
};
inline bool operator==(const Group& a, const Group& b) {
  return a.base_ns == b.base_ns && a.head_ns == b.head_ns && a.anchor_base_ns == b.anchor_base_ns &&
         a.anchor_head_ns == b.anchor_head_ns;
}

/// ln(head / base) of every group; NaN where a minimum is not positive.
std::vector<double> log_changes(const PairData& pair);
/// The same of the driver's own work: zero but for disturbance.
std::vector<double> log_anchors(const PairData& pair);

struct Estimate {
  /// Of ln(head / base): median over all groups. All NaN where a minimum was not positive.
  statistics::Interval change;
  double bootstrap_half = 0;  // half widths that the interval was made of
  double process_half = 0;
  double rounding_half = 0;
  double anchor = 0;    // median of the anchor's log ratios
  double p = 1;         // of "no change", two-sided: bootstrap, or the sign test below eight groups
  double p_beyond = 1;  // of "not slower than the margin", one-sided exact sign test
  double base_ns = 0;   // medians of the minima
  double head_ns = 0;
  double switched = 0;  // share of samples with an involuntary switch
  std::size_t groups = 0;
  std::size_t pairs = 0;
};

inline constexpr std::size_t kFewestForBootstrap = 8;  // groups; below: the exact sign test's

/// `seed` makes the bootstrap repeat exactly. Median and 2000-resample percentile interval below
/// 95 %; from fewer than kFewestForBootstrap groups the interval of the sign test. Each side is
/// widened to Student's t over the pairs' means, and by half a nanosecond of rounding per side.
Estimate estimate(std::span<const PairData> pairs, double margin, std::uint64_t seed);

/// By the interval alone: wholly above `margin` slower, wholly below -margin faster, within it
/// same, else unclear.
Verdict verdict_of(const statistics::Interval& change, double margin);
/// With the anchor: `disturbed` where the driver's own work differs by more than half the margin
/// between the two sides' slots.
Verdict decide(const Estimate& estimate, double margin);

/// "+8.1 %" of a log ratio; never "-0.0 %".
std::string percent_text(double log_ratio);

/// Cases shorter than this have at least kShortMargin as their margin.
inline constexpr double kShortCase_ns = 100'000;
double margin_for(double base_ns, double margin);

}  // namespace ashlar::gate
