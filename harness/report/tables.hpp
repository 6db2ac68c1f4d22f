#pragma once
// Tables of times and of study metrics. Pure functions of records.
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/file.hpp"
#include "harness/report/grid.hpp"
#include "harness/report/view.hpp"

namespace ashlar::report {

/// The records, or those of them that pass the filter, hold nothing of the kind asked for. The
/// message says which.
class NothingToShow : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr const char* kAllFiltered =
    "no record passes the filter; without filter there are some";

/// wide: rows are points and columns implementations, one table per quantity. compact: the same
/// without headings and without notes on samples, for a page that has headings of its own. long_:
/// one row per case with everything. CSV and JSON are always long, with every field.
enum class Layout { wide, compact, long_ };
/// Throws std::invalid_argument with the nearest known name.
Layout parse_layout(std::string_view text);

/// What a wide or compact table shows; `metric` is all of a study.
enum class Quantity { time, rate, bandwidth, speedup, memory, metric };
/// Throws std::invalid_argument with the nearest known name.
Quantity parse_quantity(std::string_view text);

struct TableOptions {
  Format format = Format::markdown;
  Layout layout = Layout::wide;
  /// In the order of the enumeration; empty: all but bandwidth. Not for long tables.
  std::vector<Quantity> show;
  Filter filter;
};

/// Timed experiments: median time with its interval, GFLOP/s and share of the peak measured in the
/// same run, speed-up over each declared baseline with the geometric mean, peak extra memory,
/// rounds and samples. Several runs give several tables, each under its machine and run id. Throws
/// NothingToShow; std::invalid_argument for a filter that view() refuses, or for quantities of a
/// long table.
std::string timing_table(const record::RecordSet& records, const TableOptions& options = {});
/// Studies: each declared metric, median and range over seeds. Throws as above.
std::string study_table(const record::RecordSet& records, const TableOptions& options = {});
/// Both, for `ashlar table`. Throws only when there is neither.
std::string tables(const record::RecordSet& records, const TableOptions& options = {});

}  // namespace ashlar::report
