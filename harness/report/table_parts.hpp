#pragma once
// The grids and rows that the tables are made of; not for other folders.
#include <map>
#include <string>
#include <vector>

#include "harness/report/grid.hpp"
#include "harness/report/tables.hpp"
#include "harness/report/view.hpp"

namespace ashlar::report {

/// Numbered reasons below a table: equal reasons share a number.
class Footnotes {
 public:
  /// " [1]", or nothing for an empty reason.
  std::string mark(const std::string& reason);
  /// "[1] reason", in order.
  std::vector<std::string> lines() const;

 private:
  std::vector<std::string> reasons_;
};

/// Axes with one value over all rows stand in the heading instead of a column.
struct AxisColumns {
  std::vector<std::string> shown;
  std::string constant;  // "dtype = f32, causal = false"
};
AxisColumns axis_columns(const Declared& declared, const std::vector<model::Point>& points);
/// The columns of the shown axes, with units, and the cells of one point.
std::vector<Column> columns_of(const AxisColumns& axes, const Declared& declared,
                               const std::vector<model::Point>& points);
std::vector<std::string> cells_of(const AxisColumns& axes, const model::Point& point);

/// The implementations that get columns, and a note on the others: those that are unsupported at
/// every point for one reason say it in a line instead of in every cell. Where that leaves none,
/// all get columns.
struct Shown {
  std::vector<std::string> implementations;
  std::string note;
};
Shown shown_columns(const TimedView& view);
Shown shown_columns(const StudyView& view);

/// Whether the options ask for it; without a choice they ask for all.
bool shows(const TableOptions& options, Quantity quantity);
/// The grids of what the options show; without any, none. Of the options only `layout` and `show`
/// matter.
std::vector<Grid> wide_grids(const TimedView& view, const TableOptions& options);
Grid long_grid(const TimedView& view);
std::vector<Grid> wide_grids(const StudyView& view, const TableOptions& options);
Grid long_grid(const StudyView& view);

/// The axis values by name. Names carry their unit, so that a column can stand alone.
model::Json point_json(const Declared& declared, const model::Point& point);

/// Objects with every field, one per case (and metric, for studies).
Rows long_rows(const RunView& run, const TimedView& view);
Rows long_rows(const RunView& run, const StudyView& view);

}  // namespace ashlar::report
