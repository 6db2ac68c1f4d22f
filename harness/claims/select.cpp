#include "harness/claims/select.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/names.hpp"

namespace ashlar::claims::detail {

namespace {

using record::Status;

bool admitted(const Point& point, const std::vector<Constraint>& where) {
  return std::all_of(where.begin(), where.end(), [&](const Constraint& constraint) {
    const Value* value = point.find(constraint.axis.text);
    return value != nullptr && constraint.admits(*value);
  });
}

bool at_side(const Point& point, const Side& side) {
  return std::all_of(side.axes.begin(), side.axes.end(), [&](const auto& axis) {
    const Value* value = point.find(axis.first.text);
    return value != nullptr && *value == axis.second;
  });
}

Point without(const Point& point, const Side& side) {
  std::vector<std::pair<std::string, Value>> axes;
  for (const auto& [name, value] : point.axes()) {
    const bool fixed =
        std::any_of(side.axes.begin(), side.axes.end(),
                    [&, &axis = name](const auto& one) { return one.first.text == axis; });
    if (!fixed) axes.emplace_back(name, value);
  }
  return Point(std::move(axes));
}

std::string side_text(const Side& side) {
  std::string text = side.implementation.text;
  for (const auto& [name, value] : side.axes)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name.text, value.text());
  return text;
}

/// And not resumed since.
bool interrupted(const Run& run) {
  bool now = false;
  for (const auto* event : run.events) {
    if (event->event == "interrupted") now = true;
    if (event->event == "resumed") now = false;
  }
  return now;
}

bool runs_anywhere(const Points& points, const std::string& implementation) {
  return std::any_of(points.begin(), points.end(),
                     [&](const auto& point) { return point.second.contains(implementation); });
}

constexpr const char* kNotReached = "not reached before the run was interrupted";

/// Why a run did not get to a point, in words that are the same for every implementation there.
std::string unreached_text(const std::string& reason) {
  if (reason == "budget") return "dropped by the budget";
  if (reason == "interrupted") return kNotReached;
  return reason.empty() ? "dropped" : "dropped: " + reason;
}

/// "seqlen=4096|8192", "heads >= 16"
std::string constraint_text(const Constraint& constraint) {
  const std::string& axis = constraint.axis.text;
  if (!constraint.range) {
    std::vector<std::string> values;
    for (const Value& value : constraint.values) values.push_back(value.text());
    return fmt::format("{}={}", axis, fmt::join(values, "|"));
  }
  const Range& range = *constraint.range;
  if (std::isinf(range.high)) return fmt::format("{} >= {}", axis, range.low);
  if (std::isinf(range.low)) return fmt::format("{} <= {}", axis, range.high);
  return fmt::format("{} from {} to {}", axis, range.low, range.high);
}

/// Axes of `where` with listed values; a combination of these must have been measured.
std::vector<const Constraint*> listed(const Check& check) {
  std::vector<const Constraint*> axes;
  for (const Constraint& constraint : check.where)
    if (!constraint.range) axes.push_back(&constraint);
  return axes;
}

class Selector {
 public:
  Selector(const Check& check, const std::vector<Side>& sides, bool accept_any_status)
      : check_(check), sides_(sides), accept_any_status_(accept_any_status) {}

  Selection run(const std::vector<const Run*>& runs) {
    for (const Run* one : runs) {
      const auto points = one->experiments.find(check_.experiment.text);
      if (points != one->experiments.end()) add_run(*one, points->second);
    }
    forgive_unreached();
    demand_listed();
    if (selection_.steps.empty()) selection_.nothing = why_nothing(runs);
    return std::move(selection_);
  }

 private:
  void add_run(const Run& run, const Points& points) {
    // What each side has at each step of this run, in the order of the points.
    std::map<Point, std::vector<const Implementations*>> steps;
    for (const auto& [point, implementations] : points) {
      if (!admitted(point, check_.where)) continue;
      for (std::size_t side = 0; side < sides_.size(); ++side) {
        if (!at_side(point, sides_[side])) continue;
        auto& found = steps[without(point, sides_[side])];
        found.resize(sides_.size(), nullptr);
        found[side] = &implementations;
      }
    }
    for (const auto& [rest, found] : steps) add_step(run, rest, found);
  }

  void add_step(const Run& run, const Point& rest,
                const std::vector<const Implementations*>& found) {
    Step step;
    step.run = &run;
    step.rest = rest;
    std::vector<std::string> skipped;
    for (std::size_t side = 0; side < sides_.size(); ++side) {
      if (sides_[side].implementation.text.empty()) {
        add_all(found[side], step, skipped);
      } else {
        add_one(found[side], sides_[side], step, skipped);
      }
    }
    if (step.missing.empty() && !skipped.empty()) {
      for (std::string& reason : skipped) {
        skipped_.emplace_back(rest, reason);
        add_once(selection_.left_out, std::move(reason));
      }
      return;
    }
    if (step.entries.empty() && step.missing.empty()) return;
    for (const Entry& entry : step.entries) note_evidence(run, entry);
    selection_.steps.push_back(std::move(step));
  }

  /// A side that names no implementation takes all that were not left out.
  void add_all(const Implementations* implementations, Step& step,
               std::vector<std::string>& skipped) {
    if (implementations == nullptr) return;
    for (const auto& [name, entry] : *implementations) take(entry, {}, step, skipped);
    if (step.entries.empty()) return;
    for (std::string& reason : skipped) add_once(selection_.left_out, std::move(reason));
    skipped.clear();
  }

  void add_one(const Implementations* implementations, const Side& side, Step& step,
               std::vector<std::string>& skipped) {
    if (implementations == nullptr) {
      skipped.push_back(fmt::format("no case of {}", side_text(side)));
      return;
    }
    const std::string& name = side.implementation.text;
    const auto it = implementations->find(name);
    if (it != implementations->end()) {
      take(it->second, side, step, skipped);
    } else if (interrupted(*step.run) &&
               runs_anywhere(step.run->experiments.at(check_.experiment.text), name)) {
      miss(step, kNotReached);  // the interruption came while the point was measured
    } else {
      skipped.push_back(fmt::format("{} was not run", name));
    }
  }

  void take(const Entry& entry, const Side& side, Step& step, std::vector<std::string>& skipped) {
    const Fate fate = fate_of(entry);
    if (judged_anyway(fate.status, side)) {
      step.entries.push_back(entry);
    } else if (fate.status == Status::unsupported) {
      skipped.push_back(describe(entry, fate));
    } else if (fate.status == Status::dropped) {
      miss(step, unreached_text(fate.reason));
    } else {
      step.missing = describe(entry, fate);
      step.unreached = false;
    }
  }

  /// A failure says more than a point that was not reached.
  static void miss(Step& step, const std::string& why) {
    if (!step.missing.empty()) return;
    step.missing = why;
    step.unreached = true;
  }

  /// What one run did not reach is not missing when another run did.
  void forgive_unreached() {
    auto& steps = selection_.steps;
    std::vector<Point> reached;
    for (const Step& step : steps)
      if (!step.unreached) reached.push_back(step.rest);
    std::erase_if(steps, [&](const Step& step) {
      return step.unreached &&
             std::find(reached.begin(), reached.end(), step.rest) != reached.end();
    });
  }

  /// An answer has values, and a wrong one has norms: how wrong it is may be what the claim asks.
  /// Form holds also judges failures: by the statuses that it names, else a wrong answer.
  bool judged_anyway(Status status, const Side& side) const {
    if (status == Status::ok) return true;
    const std::string& metric = side.metric.empty() ? check_.metric.text : side.metric;
    if (status == Status::wrong && is_norm(metric)) return true;
    if (!accept_any_status_) return false;
    const auto& wanted = check_.statuses;
    if (wanted.empty()) return status == Status::wrong;
    if (std::find(wanted.begin(), wanted.end(), status) != wanted.end()) return true;
    return status != Status::unsupported && status != Status::dropped;
  }

  void note_evidence(const Run& run, const Entry& entry) {
    Evidence evidence;
    evidence.run_id = run.id;
    for (const auto* one : entry.cases) {
      evidence.case_id = one->case_id;
      evidence.key = one->key;
      evidence.rounds.push_back(one->round);
    }
    for (const auto* one : entry.studies) {
      evidence.case_id = one->case_id;
      evidence.key = one->key;
      evidence.rounds.push_back(static_cast<std::int64_t>(one->seed));
    }
    const auto same = [&](const Evidence& other) {
      return other.run_id == evidence.run_id && other.case_id == evidence.case_id;
    };
    auto& all = selection_.evidence;
    if (std::none_of(all.begin(), all.end(), same)) all.push_back(std::move(evidence));
  }

  /// Goes through every combination of listed values.
  void demand_listed() {
    const auto axes = listed(check_);
    if (axes.empty() || selection_.steps.empty()) return;
    std::vector<std::size_t> at(axes.size(), 0);
    while (true) {
      std::vector<std::pair<std::string, Value>> wanted;
      for (std::size_t i = 0; i < axes.size(); ++i)
        wanted.emplace_back(axes[i]->axis.text, axes[i]->values[at[i]]);
      demand(Point(std::move(wanted)));
      std::size_t i = axes.size();
      while (i > 0 && ++at[i - 1] == axes[i - 1]->values.size()) at[--i] = 0;
      if (i == 0) return;
    }
  }

  static bool matches(const Point& point, const Point& wanted) {
    return std::all_of(wanted.axes().begin(), wanted.axes().end(), [&](const auto& axis) {
      const Value* value = point.find(axis.first);
      return value != nullptr && *value == axis.second;
    });
  }

  void demand(const Point& wanted) {
    for (const Step& step : selection_.steps)
      if (matches(step.rest, wanted)) return;
    for (const auto& [rest, reason] : skipped_)
      if (matches(rest, wanted)) {
        selection_.absent.push_back({named(wanted), reason});
        return;
      }
    selection_.absent.push_back({named(wanted), "no case"});
  }

  /// Without the axes for which there is no choice.
  Point named(const Point& wanted) const {
    std::vector<std::pair<std::string, Value>> axes;
    for (const Constraint* axis : listed(check_))
      if (axis->values.size() > 1) axes.emplace_back(axis->axis.text, wanted.at(axis->axis.text));
    return axes.empty() ? wanted : Point(std::move(axes));
  }

  std::string why_nothing(const std::vector<const Run*>& runs) const {
    if (!selection_.left_out.empty())
      return fmt::format("{}", fmt::join(selection_.left_out, "; "));
    const bool any = std::any_of(runs.begin(), runs.end(), [&](const Run* run) {
      return run->experiments.contains(check_.experiment.text);
    });
    if (!any) return fmt::format("no records of experiment '{}'", check_.experiment.text);
    std::vector<std::string> wanted;
    for (const Constraint& constraint : check_.where)
      if (!any_point(runs, [&](const Point& point) { return admitted(point, {constraint}); }))
        wanted.push_back(constraint_text(constraint));
    if (wanted.empty()) {  // each alone is there, together they are not
      for (const Constraint& constraint : check_.where)
        wanted.push_back(constraint_text(constraint));
      for (const Side& side : sides_) wanted.push_back(side_text(side));
    }
    return fmt::format("no case with {}", fmt::join(wanted, ", "));
  }

  template <class Wanted>
  bool any_point(const std::vector<const Run*>& runs, Wanted wanted) const {
    return std::any_of(runs.begin(), runs.end(), [&](const Run* run) {
      const auto points = run->experiments.find(check_.experiment.text);
      return points != run->experiments.end() &&
             std::any_of(points->second.begin(), points->second.end(),
                         [&](const auto& point) { return wanted(point.first); });
    });
  }

  const Check& check_;
  const std::vector<Side>& sides_;
  bool accept_any_status_;
  Selection selection_;
  std::vector<std::pair<Point, std::string>> skipped_;
};

}  // namespace

Selection select(const Check& check, const std::vector<Side>& sides,
                 const std::vector<const Run*>& runs, bool accept_any_status) {
  return Selector(check, sides, accept_any_status).run(runs);
}

}  // namespace ashlar::claims::detail
