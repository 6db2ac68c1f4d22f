#include "harness/report/tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/table_parts.hpp"

namespace ashlar::report {

namespace {

/// Which experiments a table holds.
struct Kinds {
  bool timed = false;
  bool studies = false;
};

bool has_rows(const RunView& run, Kinds kinds) {
  return (kinds.timed && !run.timed.empty()) || (kinds.studies && !run.studies.empty());
}

std::string heading(int level, const std::string& text, Format format) {
  if (format == Format::markdown) return std::string(level, '#') + ' ' + text + "\n\n";
  return fmt::format("\\{}*{{{}}}\n\n", level == 2 ? "section" : "subsection", escape_latex(text));
}

std::string paragraph(const std::string& text, Format format) {
  if (text.empty()) return "";
  return (format == Format::markdown ? text : escape_latex(text)) + "\n\n";
}

template <class View>
std::string experiment_text(const View& view, const TableOptions& options) {
  const Declared& declared = view.declared;
  std::vector<model::Point> points;
  for (const auto& row : view.rows) points.push_back(row.point);
  std::string out = heading(3, declared.suite + " / " + declared.experiment, options.format);
  out += paragraph(declared.about, options.format);
  if (const std::string constant = axis_columns(declared, points).constant; !constant.empty())
    out += paragraph("At " + constant + ".", options.format);
  std::vector<Grid> grids;
  if (options.layout == Layout::wide) {
    grids = wide_grids(view);
  } else {
    grids.push_back(long_grid(view));
  }
  for (const Grid& grid : grids)
    out += (options.format == Format::markdown ? to_markdown(grid) : to_latex(grid)) + "\n";
  return out;
}

std::string text_of(const std::vector<RunView>& runs, const TableOptions& options, Kinds kinds) {
  std::string out;
  for (const RunView& run : runs) {
    if (!has_rows(run, kinds)) continue;
    out += heading(2, machine_text(run), options.format);
    out += paragraph(run_text(run), options.format);
    out += paragraph(run.roof.text(), options.format);
    if (kinds.timed) {
      for (const TimedView& view : run.timed) out += experiment_text(view, options);
    }
    if (kinds.studies) {
      for (const StudyView& view : run.studies) out += experiment_text(view, options);
    }
  }
  out.pop_back();  // one line break at the end, not two
  return out;
}

std::string rows_of(const std::vector<RunView>& runs, Format format, Kinds kinds) {
  Rows rows;
  const auto append = [&](Rows more) {
    rows.insert(rows.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
  };
  for (const RunView& run : runs) {
    if (kinds.timed) {
      for (const TimedView& view : run.timed) append(long_rows(run, view));
    }
    if (kinds.studies) {
      for (const StudyView& view : run.studies) append(long_rows(run, view));
    }
  }
  return format == Format::csv ? to_csv(rows) : to_json(rows);
}

std::string typeset(const record::RecordSet& records, const TableOptions& options, Kinds kinds) {
  const std::vector<RunView> runs = view(records, options.filter);
  bool any = false;
  for (const RunView& run : runs) any = any || has_rows(run, kinds);
  if (!any) {
    const bool timed_there = kinds.timed && !records.cases.empty();
    const bool studies_there = kinds.studies && !records.studies.empty();
    if (timed_there || studies_there) throw NothingToShow(kAllFiltered);
    throw NothingToShow(fmt::format("the records hold no {}", kinds.timed && kinds.studies
                                                                  ? "case and no study"
                                                              : kinds.timed ? "timed case"
                                                                            : "study"));
  }
  if (options.format == Format::csv || options.format == Format::json)
    return rows_of(runs, options.format, kinds);
  return text_of(runs, options, kinds);
}

}  // namespace

std::string timing_table(const record::RecordSet& records, const TableOptions& options) {
  return typeset(records, options, {true, false});
}

std::string study_table(const record::RecordSet& records, const TableOptions& options) {
  return typeset(records, options, {false, true});
}

std::string tables(const record::RecordSet& records, const TableOptions& options) {
  return typeset(records, options, {true, true});
}

}  // namespace ashlar::report
