#include "harness/report/view.hpp"

#include <algorithm>
#include <regex>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/view_parts.hpp"

namespace ashlar::report {

using model::Json;

namespace {

std::optional<std::regex> compile(const std::optional<std::string>& text, const char* option) {
  if (!text) return std::nullopt;
  try {
    return std::regex(*text, std::regex::ECMAScript);
  } catch (const std::regex_error& error) {
    throw std::invalid_argument(
        fmt::format("{} '{}' is not a regular expression: {}", option, *text, error.what()));
  }
}

bool listed(const std::vector<std::string>& list, const std::string& name) {
  return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
}

class Sieve {
 public:
  explicit Sieve(const Filter& filter)
      : filter_(filter),
        only_(compile(filter.only, "--only")),
        skip_(compile(filter.skip, "--skip")) {}

  /// For case and study records alike.
  template <class Record>
  bool passes(const Record& record) const {
    if (!listed(filter_.runs, record.run_id) || !listed(filter_.suites, record.suite) ||
        !listed(filter_.experiments, record.experiment))
      return false;
    for (const auto& [axis, admitted] : filter_.where) {
      const model::Value* value = record.point.find(axis);
      if (value == nullptr || std::find(admitted.begin(), admitted.end(), *value) == admitted.end())
        return false;
    }
    if (only_ && !std::regex_search(record.key.str(), *only_)) return false;
    return !skip_ || !std::regex_search(record.key.str(), *skip_);
  }
  bool run(const std::string& id) const { return listed(filter_.runs, id); }

 private:
  const Filter& filter_;
  std::optional<std::regex> only_;
  std::optional<std::regex> skip_;
};

/// What the records can be asked for, from the cases and studies themselves.
struct Known {
  std::set<std::string> runs;
  std::set<std::string> suites;
  std::set<std::string> experiments;
  std::map<std::string, std::set<model::Value>> axes;

  explicit Known(const record::RecordSet& records) {
    for (const auto& run : records.runs) runs.insert(run.run_id);
    for (const auto& record : records.cases) add(record);
    for (const auto& record : records.studies) add(record);
  }
  template <class Record>
  void add(const Record& record) {
    runs.insert(record.run_id);
    suites.insert(record.suite);
    experiments.insert(record.experiment);
    for (const auto& [axis, value] : record.point.axes()) axes[axis].insert(value);
  }
};

void require_known(const char* what, const std::vector<std::string>& asked,
                   const std::set<std::string>& known) {
  for (const std::string& name : asked) {
    if (known.contains(name)) continue;
    throw std::invalid_argument(fmt::format("no {} '{}' in these records{}", what, name,
                                            model::suggestion(name, {known.begin(), known.end()})));
  }
}

/// A misspelt word would pass nothing, or everything else, and look like a result.
void require_known(const Filter& filter, const Known& known) {
  if (known.suites.empty()) return;  // nothing to hold the words against
  require_known("run", filter.runs, known.runs);
  require_known("suite", filter.suites, known.suites);
  require_known("experiment", filter.experiments, known.experiments);
  std::set<std::string> names;
  for (const auto& [axis, values] : known.axes) names.insert(axis);
  for (const auto& [axis, admitted] : filter.where) {
    require_known("axis", {axis}, names);
    const std::set<model::Value>& present = known.axes.at(axis);
    for (const model::Value& value : admitted) {
      if (present.contains(value)) continue;
      std::vector<std::string> texts;
      texts.reserve(present.size());
      for (const model::Value& one : present) texts.push_back(one.text());
      throw std::invalid_argument(
          fmt::format("axis '{}' has no value '{}' in these records; it has {}", axis, value.text(),
                      fmt::join(texts, ", ")));
    }
  }
}

/// Records of one experiment: point -> implementation -> records, in order of appearance.
template <class Record>
struct Group {
  std::string suite;
  std::string experiment;
  std::vector<std::string> implementations;
  std::map<model::Point, std::map<std::string, std::vector<const Record*>>> points;
};

template <class Records>
auto group(const Records& records, const std::string& run_id, const Sieve& sieve) {
  using Record = typename Records::value_type;
  std::vector<Group<Record>> groups;
  for (const Record& record : records) {
    if (record.run_id != run_id || !sieve.passes(record)) continue;
    auto found = std::find_if(groups.begin(), groups.end(), [&](const Group<Record>& candidate) {
      return candidate.suite == record.suite && candidate.experiment == record.experiment;
    });
    if (found == groups.end()) {
      groups.push_back({record.suite, record.experiment, {}, {}});
      found = std::prev(groups.end());
    }
    auto& names = found->implementations;
    if (std::find(names.begin(), names.end(), record.implementation) == names.end())
      names.push_back(record.implementation);
    found->points[record.point][record.implementation].push_back(&record);
  }
  return groups;
}

/// Rows in table order, each with its cells in table order.
template <class View, class TableRow, class Record, class Make>
View arrange(const Group<Record>& group, const record::RunRecord* run, Make make) {
  View view;
  view.declared = declaration(run, group.suite, group.experiment);
  view.implementations = table_order(view.declared, group.implementations);
  for (const auto& [point, by_implementation] : group.points) {
    TableRow row;
    row.point = point;
    for (const std::string& name : view.implementations) {
      const auto found = by_implementation.find(name);
      if (found != by_implementation.end()) row.cells.push_back(make(found->second));
    }
    view.rows.push_back(std::move(row));
  }
  std::stable_sort(view.rows.begin(), view.rows.end(), [&](const TableRow& a, const TableRow& b) {
    return point_before(view.declared, a.point, b.point);
  });
  return view;
}

/// Run ids in the order in which they appear.
std::vector<std::string> run_ids(const record::RecordSet& records, const Sieve& sieve) {
  std::vector<std::string> ids;
  const auto add = [&](const std::string& id) {
    if (sieve.run(id) && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  for (const auto& run : records.runs) add(run.run_id);
  for (const auto& record : records.cases) add(record.run_id);
  for (const auto& record : records.studies) add(record.run_id);
  return ids;
}

/// Those of the tables, and those that only a figure asks for.
std::vector<std::string> all_baselines(const Declared& declared) {
  std::vector<std::string> names = declared.baselines;
  for (const Json& figure : declared.figures) {
    if (figure.value("kind", "") != "speedup" || !figure.contains("over")) continue;
    for (const Json& name : figure["over"]) {
      if (name.is_string() && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name.get<std::string>());
    }
  }
  return names;
}

RunView view_of(const record::RecordSet& records, const std::string& run_id, const Sieve& sieve) {
  RunView view;
  view.run_id = run_id;
  for (const auto& run : records.runs) {
    if (run.run_id == run_id && view.run == nullptr) view.run = &run;
  }
  for (const auto& event : records.events) {
    if (event.run_id == run_id) view.events.push_back(&event);
  }
  view.roof = Roof(view.run, view.events);
  for (const auto& group : group(records.cases, run_id, sieve)) {
    view.timed.push_back(arrange<TimedView, Row>(
        group, view.run, [&](const auto& list) { return make_cell(list, view.roof); }));
    TimedView& timed = view.timed.back();
    const std::vector<std::string> baselines = all_baselines(timed.declared);
    for (Row& row : timed.rows) add_speedups(row, baselines);
  }
  for (const auto& group : group(records.studies, run_id, sieve)) {
    view.studies.push_back(arrange<StudyView, StudyRow>(
        group, view.run, [](const auto& list) { return make_study_cell(list); }));
  }
  return view;
}

}  // namespace

std::vector<RunView> view(const record::RecordSet& records, const Filter& filter) {
  const bool asks = !(filter.runs.empty() && filter.suites.empty() && filter.experiments.empty() &&
                      filter.where.empty());
  if (asks) require_known(filter, Known(records));
  const Sieve sieve(filter);
  std::vector<RunView> views;
  for (const std::string& id : run_ids(records, sieve))
    views.push_back(view_of(records, id, sieve));
  return views;
}

std::string run_text(const RunView& run) {
  if (run.run == nullptr) return fmt::format("run {} (its run record is missing)", run.run_id);
  return fmt::format("run {} of {}, mode {}, seed {}", run.run_id, run.run->started, run.run->mode,
                     run.run->seed);
}

}  // namespace ashlar::report
