#include "harness/report/diff.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/estimates.hpp"
#include "harness/report/export_parts.hpp"
#include "harness/report/table_parts.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::report {

using model::Json;
using record::CaseRecord;
using record::number_to_json;
using record::Status;

namespace {

constexpr const char* kWarning =
    "Across runs: no verdict. What changed may be the machine's mood as well as the code; `ashlar "
    "gate` tells "
    "them apart.";

/// One case; null where that run does not have it.
struct Pair {
  model::Point point;
  const Cell* before = nullptr;
  const Cell* after = nullptr;
  std::optional<Measured> ratio;       // time after / time before
  std::optional<Measured> normalised;  // the same, times how much faster the machine was

  bool both() const { return before != nullptr && after != nullptr; }
  const Cell& any() const { return before != nullptr ? *before : *after; }
};

struct Difference {
  Declared declared;
  std::vector<Pair> pairs;  // those of both runs in table order, then the others
};

std::vector<std::vector<double>> rounds_of(const Cell& cell) {
  std::vector<std::vector<double>> rounds;
  for (const CaseRecord* one : cell.records)
    if (one->status == Status::ok && !one->samples_ns.empty())
      rounds.emplace_back(one->samples_ns.begin(), one->samples_ns.end());
  return rounds;
}

Measured ratio_of(const Cell& before, const Cell& after) {
  const auto above = rounds_of(after);
  const auto below = rounds_of(before);
  const std::vector<std::span<const double>> numerator(above.begin(), above.end());
  const std::vector<std::span<const double>> denominator(below.begin(), below.end());
  statistics::BootstrapOptions options;
  options.seed = statistics::seed_of(after.case_id);
  return shown(statistics::clustered_ratio_of_medians(numerator, denominator, options));
}

Measured scaled(Measured value, double factor) {
  value.value *= factor;
  if (value.low) *value.low *= factor;
  if (value.high) *value.high *= factor;
  return value;
}

void compare(Pair& pair, const Roof& before, const Roof& after) {
  if (!pair.both() || !pair.before->ok() || !pair.after->ok()) return;
  pair.ratio = ratio_of(*pair.before, *pair.after);
  const CaseRecord& first = *pair.after->records.front();
  const std::string precision = first.work ? first.work->precision : "f32";
  if (const auto speed =
          calibration_ratio(before, after, pair.after->device, precision, first.threads))
    pair.normalised = scaled(*pair.ratio, *speed);
}

const Cell* find(const TimedView& view, const model::Point& point,
                 const std::string& implementation) {
  for (const Row& row : view.rows)
    if (row.point == point) return row.find(implementation);
  return nullptr;
}

const TimedView* find(const RunView& run, const Declared& declared) {
  const auto found = std::find_if(run.timed.begin(), run.timed.end(), [&](const TimedView& view) {
    return view.declared.suite == declared.suite && view.declared.experiment == declared.experiment;
  });
  return found == run.timed.end() ? nullptr : &*found;
}

void add_cells(Difference& into, const TimedView& view, const TimedView* other, bool is_before) {
  for (const Row& row : view.rows) {
    for (const Cell& cell : row.cells) {
      const Cell* match = other == nullptr ? nullptr : find(*other, row.point, cell.implementation);
      if (!is_before && match != nullptr) continue;  // both were added from the other side
      Pair pair;
      pair.point = row.point;
      (is_before ? pair.before : pair.after) = &cell;
      if (is_before) pair.after = match;
      into.pairs.push_back(pair);
    }
  }
}

std::vector<Difference> differences(const RunView& before, const RunView& after) {
  std::vector<Difference> all;
  for (const TimedView& view : before.timed) {
    Difference& difference = all.emplace_back();
    difference.declared = view.declared;
    const TimedView* other = find(after, view.declared);
    add_cells(difference, view, other, true);
    if (other != nullptr) add_cells(difference, *other, &view, false);
  }
  for (const TimedView& view : after.timed) {
    if (find(before, view.declared) != nullptr) continue;
    Difference& difference = all.emplace_back();
    difference.declared = view.declared;
    add_cells(difference, view, nullptr, false);
  }
  for (Difference& difference : all) {
    std::stable_partition(difference.pairs.begin(), difference.pairs.end(),
                          [](const Pair& pair) { return pair.both(); });
    for (Pair& pair : difference.pairs) compare(pair, before.roof, after.roof);
  }
  return all;
}

std::string time_or_word(const Cell* cell) {
  if (cell == nullptr) return "not in this run";
  if (cell->ok()) return short_time_text(*cell->time_ns);
  return cell->status == Status::ok ? "no samples" : word_of(cell->status);
}

std::string ratio_or_dash(const std::optional<Measured>& ratio) {
  return ratio ? ratio_text(*ratio) : "–";
}

std::string change_of(const Pair& pair) {
  if (pair.before == nullptr) return "only in B";
  if (pair.after == nullptr) return "only in A";
  if (pair.before->status == pair.after->status) return "";
  return fmt::format("was {}, is {}", word_of(pair.before->status), word_of(pair.after->status));
}

Grid grid_of(const Difference& difference) {
  std::vector<model::Point> points;
  for (const Pair& pair : difference.pairs) points.push_back(pair.point);
  const AxisColumns axes = axis_columns(difference.declared, points);
  Grid grid;
  grid.title = difference.declared.suite + " / " + difference.declared.experiment;
  grid.remark = axes.constant.empty() ? "" : "at " + axes.constant;
  grid.columns = columns_of(axes, difference.declared, points);
  grid.columns.push_back({"implementation", Align::left});
  for (const char* name : {"A", "B", "B / A", "B / A, normalised"})
    grid.columns.push_back({name, Align::right});
  grid.columns.push_back({"change", Align::left});
  std::size_t shared = 0;
  for (const Pair& pair : difference.pairs) {
    if (pair.both()) ++shared;
    std::vector<std::string> cells = cells_of(axes, pair.point);
    cells.push_back(pair.any().implementation);
    cells.push_back(time_or_word(pair.before));
    cells.push_back(time_or_word(pair.after));
    cells.push_back(ratio_or_dash(pair.ratio));
    cells.push_back(ratio_or_dash(pair.normalised));
    cells.push_back(change_of(pair));
    grid.rows.push_back(std::move(cells));
  }
  grid.notes.push_back(fmt::format("{} in both runs, {} in one only.", count_of(shared, "case"),
                                   difference.pairs.size() - shared));
  return grid;
}

void add_measured(Json& row, const std::string& name, const std::optional<Measured>& value) {
  const auto number_or_null = [](const std::optional<double>& number) {
    return number ? number_to_json(*number) : Json();
  };
  row[name] = value ? number_to_json(value->value) : Json();
  row[name + "_low"] = value ? number_or_null(value->low) : Json();
  row[name + "_high"] = value ? number_or_null(value->high) : Json();
}

Json row_of(const Difference& difference, const Pair& pair, const RunView& before,
            const RunView& after) {
  const auto status = [](const Cell* cell) {
    return cell == nullptr ? Json() : Json(std::string(record::name_of(cell->status)));
  };
  const auto median = [](const Cell* cell) {
    return cell == nullptr || !cell->ok() ? Json() : number_to_json(cell->time_ns->value);
  };
  Json row;
  row["across_runs"] = true;
  row["run_a"] = before.run_id;
  row["run_b"] = after.run_id;
  row["suite"] = difference.declared.suite;
  row["experiment"] = difference.declared.experiment;
  row["point"] = point_json(difference.declared, pair.point);
  row["implementation"] = pair.any().implementation;
  row["case_id"] = pair.any().case_id;
  row["key"] = pair.any().key;
  row["status_a"] = status(pair.before);
  row["status_b"] = status(pair.after);
  row["median_a_ns"] = median(pair.before);
  row["median_b_ns"] = median(pair.after);
  add_measured(row, "ratio", pair.ratio);
  add_measured(row, "normalised_ratio", pair.normalised);
  return row;
}

RunView only_run(const record::RecordSet& records, const Filter& filter, const char* which) {
  std::vector<RunView> runs = exported(records, filter);
  if (runs.size() == 1) return std::move(runs.front());
  throw std::invalid_argument(
      fmt::format("the {} records hold {} runs; a difference is between two", which, runs.size()));
}

}  // namespace

std::optional<double> calibration_ratio(const Roof& before, const Roof& after,
                                        const std::string& device, const std::string& precision,
                                        int threads) {
  std::vector<double> ratios;
  const auto add = [&](const std::optional<double>& a, const std::optional<double>& b) {
    if (a && b && *a > 0 && *b > 0) ratios.push_back(*b / *a);
  };
  add(before.peak(device, precision, threads), after.peak(device, precision, threads));
  add(before.bandwidth(device, threads), after.bandwidth(device, threads));
  if (ratios.empty()) return std::nullopt;
  return statistics::geometric_mean(ratios);
}

std::string diff_table(const record::RecordSet& before, const record::RecordSet& after,
                       Format format, const Filter& filter) {
  const RunView a = only_run(before, filter, "first");
  const RunView b = only_run(after, filter, "second");
  const std::vector<Difference> all = differences(a, b);
  if (all.empty())
    throw NothingToShow("neither run holds a timed case, and studies are not compared");
  if (format == Format::csv || format == Format::json) {
    Rows rows;
    for (const Difference& difference : all)
      for (const Pair& pair : difference.pairs) rows.push_back(row_of(difference, pair, a, b));
    return format == Format::csv ? to_csv(rows) : to_json(rows);
  }
  std::vector<std::string> lines = {kWarning,
                                    fmt::format("A: {}; {}.", machine_text(a), run_text(a)),
                                    fmt::format("B: {}; {}.", machine_text(b), run_text(b))};
  const bool normalised = std::any_of(all.begin(), all.end(), [](const Difference& one) {
    return std::any_of(one.pairs.begin(), one.pairs.end(),
                       [](const Pair& pair) { return pair.normalised.has_value(); });
  });
  lines.push_back(normalised ? "Normalised: multiplied by how much faster the machine was in B by "
                               "the calibrations of both runs."
                             : "Not normalised: a run without calibration.");
  std::string out;
  for (const std::string& line : lines)
    out += (format == Format::markdown ? line : escape_latex(line)) + "\n\n";
  for (const Difference& difference : all)
    out += (format == Format::markdown ? to_markdown(grid_of(difference))
                                       : to_latex(grid_of(difference))) +
           "\n";
  out.pop_back();
  return out;
}

}  // namespace ashlar::report
