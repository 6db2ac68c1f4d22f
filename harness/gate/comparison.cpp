#include "harness/gate/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "harness/statistics/statistics.hpp"

namespace ashlar::gate {

namespace {

constexpr double kSignificance = 0.05;  // of the false discovery rate and of the family-wise error
constexpr double kMostSwitched = 0.25;  // of a quiet case's samples
constexpr std::size_t kFewestToMoveTogether = 5;

/// Measures and decides; one object per call of compare().
class Judge {
 public:
  Judge(Pairs& pairs, const std::vector<std::string>& ids, const Effort& effort)
      : pairs_(pairs), ids_(ids), effort_(effort), result_{} {
    result_.cases.resize(ids.size());
  }

  Comparison run() {
    std::vector<std::size_t> all(ids_.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    for (std::size_t i : all) result_.cases[i].measured = true;
    measure(all, effort_.pairs, &first);
    confirm();
    look_at_run();
    adjust_for_many();
    return std::move(result_);
  }

 private:
  using Stage = Measured& (*)(Judgement&);
  static Measured& first(Judgement& judgement) { return judgement.first; }
  static Measured& confirmation(Judgement& judgement) { return *judgement.confirmation; }

  /// Pairs until the cases are clear: a look after `fewest`, then after half as many more, then
  /// after as many more again.
  void measure(std::vector<std::size_t> cases, int fewest, Stage stage) {
    const int looks[] = {fewest, (fewest + 1) / 2, fewest};
    for (std::size_t look = 0; look < std::size(looks) && !cases.empty(); ++look) {
      if (pairs_.stopping() || (look > 0 && !pairs_.time_left())) break;
      for (int pair = 0; pair < looks[look] && !cases.empty() && !pairs_.stopping(); ++pair)
        visit(cases, stage);
      std::vector<std::size_t> open;
      for (const std::size_t index : cases) {
        const Verdict verdict = look_at(index, stage);
        if (verdict == Verdict::unclear || verdict == Verdict::disturbed) open.push_back(index);
      }
      cases = std::move(open);
    }
  }

  /// One fresh pair; cases that it lost leave `cases`.
  void visit(std::vector<std::size_t>& cases, Stage stage) {
    const int groups = (effort_.groups + effort_.pairs - 1) / effort_.pairs;
    std::vector<PairData> data = pairs_.visit(cases, groups);
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      Judgement& judgement = result_.cases[cases[i]];
      const bool lost = data[i].groups.empty() && !pairs_.stopping();
      judgement.measured = !lost;
      if (!data[i].groups.empty()) stage(judgement).pairs.push_back(std::move(data[i]));
      if (!lost) left.push_back(cases[i]);
    }
    cases = std::move(left);
  }

  Verdict look_at(std::size_t index, Stage stage) {
    Judgement& judgement = result_.cases[index];
    Measured& measured = stage(judgement);
    const std::uint64_t seed = statistics::seed_of(ids_[index]) ^ effort_.seed;
    judgement.metric = pairs_.metric(index);
    // The margin follows from the times, so they are looked at first.
    if (judgement.margin == 0) {
      judgement.margin =
          margin_for(estimate(measured.pairs, effort_.margin, seed).base_ns, effort_.margin);
    }
    measured.estimate = estimate(measured.pairs, judgement.margin, seed);
    measured.verdict = decide(measured.estimate, judgement.margin);
    judgement.verdict = measured.verdict;
    judgement.reason = reason_of(measured, judgement.margin);
    hold_back_unquiet(judgement, measured);
    return measured.verdict;
  }

  static std::string reason_of(const Measured& measured, double margin) {
    const Estimate& estimate = measured.estimate;
    if (estimate.groups == 0) return "interrupted before it was measured";
    if (std::isnan(estimate.change.estimate)) return "shorter than the clock can see";
    if (measured.verdict == Verdict::disturbed) {
      return fmt::format("the driver's own work took {:.1f} % {} time in the head's turns",
                         std::abs(per_cent(estimate.anchor)),
                         estimate.anchor > 0 ? "more" : "less");
    }
    if (measured.verdict == Verdict::unclear) {
      return fmt::format("the interval is wider than the margin of {:.1f} % allows",
                         per_cent(margin));
    }
    return "";
  }

  /// Wall time is other processes' time too: it tells slower from disturbed on a quiet machine
  /// only.
  void hold_back_unquiet(Judgement& judgement, Measured& measured) {
    if (judgement.metric == Metric::cpu_time) return;
    if (measured.verdict != Verdict::slower && measured.verdict != Verdict::faster) return;
    std::optional<std::string> why = pairs_.unquiet();
    if (!why && measured.estimate.switched > kMostSwitched) {
      why = fmt::format("the scheduler interrupted {:.0f} % of its samples",
                        100 * measured.estimate.switched);
    }
    if (!why) return;
    judgement.reason = fmt::format("seems {}, but {}", name_of(measured.verdict), *why);
    judgement.verdict = measured.verdict = Verdict::unclear;
  }

  void confirm() {
    std::vector<std::size_t> suspects;
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      if (!result_.cases[i].measured || result_.cases[i].verdict != Verdict::slower) continue;
      result_.cases[i].confirmation.emplace();
      suspects.push_back(i);
    }
    measure(suspects, 2 * effort_.pairs, &confirmation);
    for (const std::size_t index : suspects) {
      Judgement& judgement = result_.cases[index];
      if (!judgement.measured) continue;
      if (judgement.confirmation->pairs.empty()) {
        judgement.confirmation.reset();
        judgement.verdict = Verdict::unclear;
        judgement.reason = "seems slower, but was not measured again: interrupted";
        continue;
      }
      if (judgement.verdict == Verdict::slower) continue;
      const Estimate& again = judgement.confirmation->estimate;
      judgement.reason = fmt::format("{} at first, {} when measured again{}{}",
                                     percent_text(judgement.first.estimate.change.estimate),
                                     percent_text(again.change.estimate),
                                     judgement.reason.empty() ? "" : ": ", judgement.reason);
      if (judgement.verdict != Verdict::disturbed) judgement.verdict = Verdict::unclear;
    }
  }

  /// The run's own anchor, and whether all cases moved together.
  void look_at_run() {
    std::vector<double> anchors;
    std::vector<double> changes;
    for (const Judgement& judgement : result_.cases) {
      if (!judgement.measured) continue;
      for (const PairData& pair : judgement.first.pairs) {
        const std::vector<double> more = log_anchors(pair);
        anchors.insert(anchors.end(), more.begin(), more.end());
      }
      if (!std::isnan(judgement.first.estimate.change.estimate))
        changes.push_back(judgement.first.estimate.change.estimate);
    }
    if (anchors.empty()) return;
    result_.anchor = statistics::median(anchors);
    result_.disturbed = !(std::abs(result_.anchor) <= effort_.margin / 2);
    if (!changes.empty()) result_.moved = statistics::median(changes);
    const bool together =
        changes.size() >= kFewestToMoveTogether && std::abs(result_.moved) > effort_.margin / 2;
    if (together) {
      // On its own this is no disturbance: the anchor, which nobody's commit can slow, was quiet,
      // and a commit that slows a common routine looks just like this.
      result_.moved_together = fmt::format(
          "all cases moved together, by {} in the middle: the compiler, the layout of the "
          "program or a routine that all share{}",
          percent_text(result_.moved), result_.disturbed ? ", or the disturbance" : "");
    }
    if (!result_.disturbed) return;
    for (Judgement& judgement : result_.cases) {
      if (!judgement.measured || judgement.verdict != Verdict::slower) continue;
      judgement.verdict = Verdict::disturbed;
      judgement.reason = "seems slower, but the whole run was disturbed";
    }
  }

  void adjust_for_many() {
    std::vector<std::size_t> measured;
    std::vector<double> p;
    std::vector<std::size_t> confirmed;
    std::vector<double> p_beyond;
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      Judgement& judgement = result_.cases[i];
      if (!judgement.measured) continue;
      measured.push_back(i);
      p.push_back(judgement.first.estimate.p);
      if (!judgement.confirmation) continue;
      confirmed.push_back(i);
      p_beyond.push_back(judgement.confirmation->estimate.p_beyond);
    }
    const std::vector<double> discovery = statistics::benjamini_hochberg(p);
    for (std::size_t i = 0; i < measured.size(); ++i)
      result_.cases[measured[i]].p_adjusted = discovery[i];
    // The family is what was measured again, and the evidence what that measurement saw: it is
    // independent of the selection, so cases that were never suspected cost nothing.
    const std::vector<double> family = statistics::holm(p_beyond);
    for (std::size_t i = 0; i < confirmed.size(); ++i) {
      Judgement& judgement = result_.cases[confirmed[i]];
      judgement.p_holm = family[i];
      if (judgement.verdict != Verdict::slower || family[i] <= kSignificance) continue;
      judgement.verdict = Verdict::unclear;
      judgement.reason =
          fmt::format("slower twice, but {} suspects can show that by chance (Holm's p = {:.2f})",
                      confirmed.size(), family[i]);
    }
  }

  Pairs& pairs_;
  const std::vector<std::string>& ids_;
  Effort effort_;
  Comparison result_;
};

}  // namespace

Comparison compare(Pairs& pairs, const std::vector<std::string>& ids, const Effort& effort) {
  return Judge(pairs, ids, effort).run();
}

}  // namespace ashlar::gate
