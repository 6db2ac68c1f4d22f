// How long a part of a run took, by its own account.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "harness/claims/forms.hpp"

namespace ashlar::claims::detail {

namespace {

/// Of an event about a point: which, and what round of it.
struct PointRound {
  std::string experiment;
  std::string point;
  std::int64_t round = 0;
  auto operator<=>(const PointRound&) const = default;
};

std::optional<PointRound> point_round(const record::EventRecord& event, const Check& check) {
  const std::string experiment = event.details.value("experiment", "");
  const bool wanted = std::any_of(check.experiments.begin(), check.experiments.end(),
                                  [&](const Name& name) { return name.text == experiment; });
  if (!wanted || !event.details.contains("point")) return std::nullopt;
  return PointRound{experiment, event.details["point"].dump(),
                    event.details.value("round", std::int64_t{0})};
}

/// A run of some experiments alone says nothing of them all.
bool holds_all(const Run& run, const Check& check) {
  std::set<std::string> declared;
  if (run.record->experiments.is_array())
    for (const model::Json& one : run.record->experiments)
      if (one.is_object()) declared.insert(one.value("experiment", ""));
  return std::all_of(check.experiments.begin(), check.experiments.end(),
                     [&](const Name& name) { return declared.contains(name.text); });
}

bool has_ended(const Run& run) {
  return std::any_of(run.events.begin(), run.events.end(), [](const record::EventRecord* event) {
    return event->event == "finished" && !event->details.value("interrupted", false);
  });
}

/// First rounds alone: how many more there are hangs on the budget.
Cell duration_cell(const Run& run, const Check& check) {
  const std::string label = "run " + run.id;
  std::map<PointRound, double> finished;
  std::map<PointRound, std::string> dropped;
  for (const record::EventRecord* event : run.events) {
    const bool ends = event->event == "point-finished";
    if (!ends && event->event != "dropped") continue;
    const auto at = point_round(*event, check);
    if (!at || at->round != 0) continue;
    if (ends) {
      finished[*at] = event->details.value("seconds", 0.0);
    } else {
      dropped[*at] = event->details.value("why", "");
    }
  }
  for (const auto& [at, why] : dropped)
    if (!finished.contains(at))
      return missing_cell(label, why == "budget" ? "dropped by the budget: " + at.experiment
                                                 : "not reached: " + at.experiment);
  if (!has_ended(run)) return missing_cell(label, "the run did not end");
  double sum = 0;
  for (const auto& [at, seconds] : finished) sum += seconds;
  Cell cell;
  cell.label = label;
  cell.value = Measured{sum, sum, sum};
  cell.note = fmt::format("{} points", finished.size());
  return cell;
}

}  // namespace

std::vector<Cell> duration_cells(const Check& check, const std::vector<const Run*>& runs,
                                 std::string& nothing) {
  std::vector<Cell> cells;
  for (const Run* run : runs) {
    if (run->record == nullptr || run->record->mode != check.mode) continue;
    if (holds_all(*run, check)) cells.push_back(duration_cell(*run, check));
  }
  if (cells.empty())
    nothing = fmt::format("no run of mode {} with all these experiments", check.mode);
  return cells;
}

}  // namespace ashlar::claims::detail
