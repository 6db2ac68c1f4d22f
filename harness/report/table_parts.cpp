// What wide and long tables share: footnotes and axis columns.
#include "harness/report/table_parts.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ashlar::report {

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
