#include "harness/report/tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/table_parts.hpp"

namespace ashlar::report {

namespace {

template <class Value>
Value parse_name(std::string_view text, const char* what,
                 const std::vector<std::pair<std::string, Value>>& names) {
  std::vector<std::string> known;
  for (const auto& [name, value] : names) {
    if (name == text) return value;
    known.push_back(name);
  }
  throw std::invalid_argument(
      fmt::format("unknown {} '{}'{}", what, text, model::suggestion(text, known)));
}

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

/// "At heads = 1, batch = 1.": the axes that have no column.
template <class View>
std::string constants_of(const View& view) {
  std::vector<model::Point> points;
  for (const auto& row : view.rows) points.push_back(row.point);
  return axis_columns(view.declared, points).constant;
}

template <class View>
std::vector<Grid> grids_of(const View& view, const TableOptions& options) {
  if (options.layout == Layout::long_) return {long_grid(view)};
  return wide_grids(view, options);
}

std::string grids_text(const std::vector<Grid>& grids, Format format) {
  std::string out;
  for (const Grid& grid : grids)
    out += (format == Format::markdown ? to_markdown(grid) : to_latex(grid)) + "\n";
  return out;
}

/// Empty where the experiment has nothing of what is asked for.
template <class View>
std::string experiment_text(const RunView& run, const View& view, const TableOptions& options) {
  const Declared& declared = view.declared;
  const std::vector<Grid> grids = grids_of(view, options);
  if (grids.empty()) return "";
  const std::string name = declared.suite + " / " + declared.experiment;
  const std::string constants = constants_of(view);
  if (options.layout == Layout::compact) {
    return grids_text(grids, options.format) +
           paragraph(fmt::format("{}{}. {}; {}.", name, constants.empty() ? "" : " at " + constants,
                                 machine_text(run), run_text(run)),
                     options.format);
  }
  std::string out = heading(3, name, options.format) + paragraph(declared.about, options.format);
  if (!constants.empty()) out += paragraph("At " + constants + ".", options.format);
  return out + grids_text(grids, options.format);
}

std::string run_heading(const RunView& run, const TableOptions& options) {
  if (options.layout == Layout::compact) return "";
  return heading(2, machine_text(run), options.format) + paragraph(run_text(run), options.format) +
         paragraph(run.roof.text(), options.format);
}

std::string text_of(const std::vector<RunView>& runs, const TableOptions& options, Kinds kinds) {
  std::string out;
  for (const RunView& run : runs) {
    std::string experiments;
    if (kinds.timed) {
      for (const TimedView& view : run.timed) experiments += experiment_text(run, view, options);
    }
    if (kinds.studies) {
      for (const StudyView& view : run.studies) experiments += experiment_text(run, view, options);
    }
    if (!experiments.empty()) out += run_heading(run, options) + experiments;
  }
  if (out.empty()) throw NothingToShow("the records have nothing of what --show asks for");
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
  const bool all_fields = options.format == Format::csv || options.format == Format::json;
  if (!options.show.empty() && (all_fields || options.layout == Layout::long_)) {
    throw std::invalid_argument(
        "--show chooses among the tables of a wide or compact layout in markdown or latex; "
        "a long one shows everything");
  }
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
  if (all_fields) return rows_of(runs, options.format, kinds);
  return text_of(runs, options, kinds);
}

}  // namespace

Layout parse_layout(std::string_view text) {
  return parse_name<Layout>(
      text, "layout",
      {{"wide", Layout::wide}, {"compact", Layout::compact}, {"long", Layout::long_}});
}

Quantity parse_quantity(std::string_view text) {
  return parse_name<Quantity>(text, "quantity",
                              {{"time", Quantity::time},
                               {"rate", Quantity::rate},
                               {"bandwidth", Quantity::bandwidth},
                               {"speedup", Quantity::speedup},
                               {"memory", Quantity::memory},
                               {"metric", Quantity::metric}});
}

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
