// Studies as grids: one per metric (wide), or one row per case (long).
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "harness/report/table_parts.hpp"

namespace ashlar::report {

namespace {

constexpr const char* kNone = "–";

/// Declared metrics first, then those that only the records know.
std::vector<Declared::Metric> metrics_of(const StudyView& view) {
  std::set<std::string> present;
  for (const StudyRow& row : view.rows) {
    for (const StudyCell& cell : row.cells) {
      for (const auto& [name, value] : cell.metrics) present.insert(name);
    }
  }
  std::vector<Declared::Metric> metrics;
  for (const Declared::Metric& metric : view.declared.metrics) {
    metrics.push_back(metric);
    present.erase(metric.name);
  }
  for (const std::string& name : present) metrics.push_back({name, "", ""});
  return metrics;
}

std::string metric_cell(const StudyCell& cell, const std::string& metric, Footnotes& footnotes) {
  const auto found = cell.metrics.find(metric);
  if (cell.status != record::Status::ok) return word_of(cell.status) + footnotes.mark(cell.reason);
  return found == cell.metrics.end() ? kNone : plain_text(found->second);
}

std::string title_of(const Declared::Metric& metric) {
  std::string title = metric.name;
  if (!metric.unit.empty()) title += fmt::format(" ({})", metric.unit);
  if (!metric.better.empty()) title += fmt::format(", {} is better", metric.better);
  return title;
}

std::string seeds_note(const StudyView& view) {
  std::size_t fewest = SIZE_MAX;
  std::size_t most = 0;
  for (const StudyRow& row : view.rows) {
    for (const StudyCell& cell : row.cells) {
      if (cell.status != record::Status::ok) continue;
      fewest = std::min(fewest, cell.seeds);
      most = std::max(most, cell.seeds);
    }
  }
  if (most == 0) return "";
  return fmt::format(
      "Median [least, largest] over {}.",
      fewest == most ? count_of(most, "seed") : fmt::format("{} to {} seeds", fewest, most));
}

void close(Grid& grid, const Footnotes& footnotes, const StudyView& view) {
  grid.notes = footnotes.lines();
  if (std::string note = seeds_note(view); !note.empty()) grid.notes.push_back(std::move(note));
}

}  // namespace

std::vector<Grid> wide_grids(const StudyView& view, const TableOptions& options) {
  if (!shows(options, Quantity::metric)) return {};
  const std::vector<model::Point> points = points_of(view);
  const AxisColumns axes = axis_columns(view.declared, points);
  const Shown shown = shown_columns(view);
  std::vector<Grid> grids;
  for (const Declared::Metric& metric : metrics_of(view)) {
    Grid grid;
    Footnotes footnotes;
    grid.title = title_of(metric);
    grid.columns = columns_of(axes, view.declared, points);
    for (const std::string& name : shown.implementations)
      grid.columns.push_back({name, Align::right});
    for (const StudyRow& row : view.rows) {
      std::vector<std::string> cells = cells_of(axes, row.point);
      for (const std::string& name : shown.implementations) {
        const StudyCell* cell = row.find(name);
        cells.push_back(cell == nullptr ? kNone : metric_cell(*cell, metric.name, footnotes));
      }
      grid.rows.push_back(std::move(cells));
    }
    close(grid, footnotes, view);
    if (grids.empty() && !shown.note.empty()) grid.notes.push_back(shown.note);
    grids.push_back(std::move(grid));
  }
  return grids;
}

Grid long_grid(const StudyView& view) {
  const std::vector<model::Point> points = points_of(view);
  const AxisColumns axes = axis_columns(view.declared, points);
  const std::vector<Declared::Metric> metrics = metrics_of(view);
  Grid grid;
  Footnotes footnotes;
  grid.columns = columns_of(axes, view.declared, points);
  grid.columns.push_back({"implementation", Align::left});
  grid.columns.push_back({"seeds", Align::right});
  for (const Declared::Metric& metric : metrics)
    grid.columns.push_back({title_of(metric), Align::right});
  for (const StudyRow& row : view.rows) {
    for (const StudyCell& cell : row.cells) {
      std::vector<std::string> cells = cells_of(axes, row.point);
      cells.push_back(cell.implementation);
      cells.push_back(std::to_string(cell.seeds));
      for (const Declared::Metric& metric : metrics)
        cells.push_back(metric_cell(cell, metric.name, footnotes));
      grid.rows.push_back(std::move(cells));
    }
  }
  close(grid, footnotes, view);
  return grid;
}

}  // namespace ashlar::report
