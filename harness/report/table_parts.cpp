// What wide and long tables share: footnotes and axis columns.
#include "harness/report/table_parts.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ashlar::report {

namespace {

/// The reason for which an implementation is unsupported wherever it has a cell.
template <class View>
std::optional<std::string> unsupported_everywhere(const View& view, const std::string& name) {
  std::optional<std::string> reason;
  for (const auto& row : view.rows) {
    const auto* cell = row.find(name);
    if (cell == nullptr) continue;
    if (cell->status != record::Status::unsupported) return std::nullopt;
    if (reason && *reason != cell->reason) return std::nullopt;
    reason = cell->reason;
  }
  return reason;
}

template <class View>
Shown shown_of(const View& view) {
  Shown shown;
  std::vector<std::pair<std::string, std::vector<std::string>>> others;  // by their reason
  for (const std::string& name : view.implementations) {
    const auto reason = unsupported_everywhere(view, name);
    if (!reason) {
      shown.implementations.push_back(name);
      continue;
    }
    auto known = std::find_if(others.begin(), others.end(),
                              [&](const auto& other) { return other.first == *reason; });
    if (known == others.end()) known = others.insert(others.end(), {*reason, {}});
    known->second.push_back(name);
  }
  if (shown.implementations.empty()) return {view.implementations, ""};
  std::vector<std::string> parts;
  parts.reserve(others.size());
  for (const auto& [reason, names] : others)
    parts.push_back(fmt::format("{} ({})", enumeration(names), reason));
  if (!parts.empty())
    shown.note = fmt::format("Unsupported at every point: {}.", fmt::join(parts, "; "));
  return shown;
}

}  // namespace

bool shows(const TableOptions& options, Quantity quantity) {
  // What moves little memory for its arithmetic, as most suites do, says nothing by its bandwidth.
  if (options.show.empty()) return quantity != Quantity::bandwidth;
  return std::find(options.show.begin(), options.show.end(), quantity) != options.show.end();
}

Shown shown_columns(const TimedView& view) { return shown_of(view); }
Shown shown_columns(const StudyView& view) { return shown_of(view); }

std::string Footnotes::mark(const std::string& reason) {
  if (reason.empty()) return "";
  auto found = std::find(reasons_.begin(), reasons_.end(), reason);
  if (found == reasons_.end()) {
    reasons_.push_back(reason);
    found = std::prev(reasons_.end());
  }
  return fmt::format(" [{}]", found - reasons_.begin() + 1);
}

std::vector<std::string> Footnotes::lines() const {
  std::vector<std::string> lines;
  for (const std::string& reason : reasons_)
    lines.push_back(fmt::format("[{}] {}", lines.size() + 1, reason));
  return lines;
}

AxisColumns axis_columns(const Declared& declared, const std::vector<model::Point>& points) {
  AxisColumns axes;
  if (points.empty()) return axes;
  std::vector<std::string> constants;
  for (const auto& [axis, first] : points.front().axes()) {
    const std::string& name = axis;
    const model::Value& value = first;
    const bool constant =
        points.size() > 1 && std::all_of(points.begin(), points.end(), [&](const auto& point) {
          const model::Value* other = point.find(name);
          return other != nullptr && *other == value;
        });
    if (!constant) {
      axes.shown.push_back(name);
      continue;
    }
    const auto unit = std::find_if(declared.axes.begin(), declared.axes.end(),
                                   [&](const auto& known) { return known.name == name; });
    constants.push_back(fmt::format("{} = {}", name, value.text()));
    if (unit != declared.axes.end() && !unit->unit.empty()) constants.back() += ' ' + unit->unit;
  }
  axes.constant = fmt::format("{}", fmt::join(constants, ", "));
  return axes;
}

std::vector<Column> columns_of(const AxisColumns& axes, const Declared& declared,
                               const std::vector<model::Point>& points) {
  std::vector<Column> columns;
  for (const std::string& name : axes.shown) {
    std::string header = name;
    for (const auto& axis : declared.axes) {
      if (axis.name == name && !axis.unit.empty()) header += fmt::format(" ({})", axis.unit);
    }
    const bool numbers = std::all_of(points.begin(), points.end(), [&](const auto& point) {
      const model::Value* value = point.find(name);
      return value != nullptr && value->is_number();
    });
    columns.push_back({header, numbers ? Align::right : Align::left});
  }
  if (columns.empty()) columns.push_back({"point", Align::left});
  return columns;
}

std::vector<std::string> cells_of(const AxisColumns& axes, const model::Point& point) {
  std::vector<std::string> cells;
  for (const std::string& name : axes.shown) {
    const model::Value* value = point.find(name);
    cells.push_back(value == nullptr ? "" : value->text());
  }
  if (cells.empty()) cells.push_back(point.axes().empty() ? "all" : point.text());
  return cells;
}

}  // namespace ashlar::report
