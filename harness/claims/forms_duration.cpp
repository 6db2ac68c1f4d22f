// How long a part of a run took, by its own account.
#include <algorithm>
#include <compare>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "harness/claims/forms.hpp"

namespace ashlar::claims::detail {

namespace {

constexpr const char* kFilters[] = {"--only", "--skip", "--where", "--tier"};

/// Of an event about a point: which, and what round of it.
struct PointRound {
  std::string experiment;
  std::string point;
  std::int64_t round = 0;
  auto operator<=>(const PointRound&) const = default;
};

std::optional<PointRound> point_round(const record::EventRecord& event, const Check& check,
                                      const std::string& suite) {
  if (event.details.value("suite", "") != suite) return std::nullopt;
  const std::string experiment = event.details.value("experiment", "");
  const bool wanted = std::any_of(check.experiments.begin(), check.experiments.end(),
                                  [&](const Name& name) { return name.text == experiment; });
  if (!wanted || !event.details.contains("point")) return std::nullopt;
  return PointRound{experiment, event.details["point"].dump(),
                    event.details.value("round", std::int64_t{0})};
}

/// A run of some experiments alone says nothing of them all.
bool holds_all(const Run& run, const Check& check, const std::string& suite) {
  std::set<std::string> declared;
  if (run.record->experiments.is_array()) {
    for (const model::Json& one : run.record->experiments) {
      if (one.is_object() && one.value("suite", "") == suite)
        declared.insert(one.value("experiment", ""));
    }
  }
  return std::all_of(check.experiments.begin(), check.experiments.end(),
                     [&](const Name& name) { return declared.contains(name.text); });
}

/// Filters and shards leave points or implementations out, and the record still lists all
/// experiments.
bool left_something_out(const Run& run) {
  const auto is_filter = [](const std::string& word) {
    return std::any_of(std::begin(kFilters), std::end(kFilters), [&](const char* filter) {
      return word == filter || word.starts_with(std::string(filter) + '=');
    });
  };
  const auto& words = run.record->argv;
  if (std::any_of(words.begin(), words.end(), is_filter)) return true;
  return std::any_of(run.events.begin(), run.events.end(), [](const record::EventRecord* event) {
    if (event->event != "plan" || !event->details.contains("settings")) return false;
    const model::Json& settings = event->details["settings"];
    return settings.contains("shard") && !settings["shard"].is_null();
  });
}

/// A run that was gone on with ends anew.
bool has_ended(const Run& run) {
  bool ended = false;
  for (const record::EventRecord* event : run.events) {
    if (event->event == "resumed") ended = false;
    if (event->event == "finished") ended = !event->details.value("interrupted", false);
  }
  return ended;
}

/// First rounds alone: how many more there are hangs on the budget.
Cell duration_cell(const Run& run, const Check& check, const std::string& suite) {
  const std::string label = "run " + run.id;
  std::map<PointRound, double> finished;
  std::map<PointRound, std::string> dropped;
  for (const record::EventRecord* event : run.events) {
    const bool ends = event->event == "point-finished";
    if (!ends && event->event != "dropped") continue;
    const auto at = point_round(*event, check, suite);
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
                                 const std::string& suite, std::string& nothing) {
  std::vector<Cell> cells;
  for (const Run* run : runs) {
    if (run->record == nullptr || run->record->mode != check.mode) continue;
    if (left_something_out(*run) || !holds_all(*run, check, suite)) continue;
    cells.push_back(duration_cell(*run, check, suite));
  }
  if (cells.empty()) {
    nothing = fmt::format(
        "no run of mode {} with all these experiments, without filters and shards", check.mode);
  }
  return cells;
}

}  // namespace ashlar::claims::detail
