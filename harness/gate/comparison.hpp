#pragma once
// How long to measure, what to measure again, and which of the cases fail the job. It sees fresh
// pairs of processes through an interface, so that tests can script what they measure.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/gate/decision.hpp"
#include "harness/gate/group.hpp"

namespace ashlar::gate {

struct Effort {
  double margin = 0.04879016416943205;  // ln 1.05
  int groups = 12;                      // per case before the first look
  int pairs = 3;                        // of fresh processes, which share the groups
  std::uint64_t seed = 1;
};

/// Where groups come from: each visit is a fresh pair of processes.
class Pairs {
 public:
  virtual ~Pairs() = default;
  /// `groups` of each of these cases from one fresh pair, in the order of `cases`. A case that was
  /// lost (a crash, a wrong answer) or is not to be had comes back without groups, and is not asked
  /// for again.
  virtual std::vector<PairData> visit(const std::vector<std::size_t>& cases, int groups) = 0;
  /// By what clock the case is judged; known after its first visit.
  virtual Metric metric(std::size_t index) const = 0;
  /// Why times that other processes lengthen cannot be trusted since the first visit; nothing when
  /// the machine is quiet. Asked after each visit.
  virtual std::optional<std::string> unquiet() const = 0;
  /// False when unclear cases must do with what they have: time is up.
  virtual bool time_left() const = 0;
  /// The user wants it to end now; visits come back with what they have.
  virtual bool stopping() const = 0;
};

/// What was measured in one go, from the first look to the last, and what it says.
struct Measured {
  std::vector<PairData> pairs;
  Estimate estimate;
  Verdict verdict = Verdict::unclear;
};

struct Judgement {
  bool measured = false;  // false: lost or left out; Pairs knows why
  Metric metric = Metric::wall_time;
  double margin = 0;
  Verdict verdict = Verdict::unclear;
  std::string reason;  // of unclear and disturbed
  Measured first;
  std::optional<Measured> confirmation;  // of what was slower at first
  double p_adjusted = 1;                 // of "no change", Benjamini-Hochberg over all cases
  std::optional<double> p_holm;          // of "not slower than the margin", over the confirmations
};

struct Comparison {
  std::vector<Judgement> cases;
  double anchor = 0;  // median over all groups of all cases: the run's own disturbance
  bool disturbed = false;
  double moved = 0;  // median change over all cases
  /// A sentence where all cases moved together: the compiler, the layout, or a common routine.
  std::optional<std::string> moved_together;
};

/// Measures `count` cases whose ids seed their bootstraps. Throws what `pairs` throws.
///
/// First look after effort.pairs pairs; cases that are unclear or disturbed then get half as many
/// more, and then as many more again. A case that is slower is measured once more, from nothing
/// and with twice the groups; only if both say slower is it.
Comparison compare(Pairs& pairs, const std::vector<std::string>& ids, const Effort& effort);

}  // namespace ashlar::gate
