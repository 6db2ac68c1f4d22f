#include "harness/report/verdicts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/record/record.hpp"
#include "harness/report/grid.hpp"
#include "harness/report/units.hpp"

namespace ashlar::report {

using claims::Claim;
using claims::Outcome;
using claims::Verdict;
using model::Json;

namespace {

/// What asks for a look comes first.
constexpr Outcome kOrder[] = {Outcome::contradicted, Outcome::inconclusive, Outcome::direction_only,
                              Outcome::reproduced,   Outcome::not_run,      Outcome::out_of_reach};
constexpr std::size_t kMostIds = 8;

Colour colour_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::reproduced:
      return Colour::green;
    case Outcome::direction_only:
      return Colour::blue;
    case Outcome::contradicted:
      return Colour::red;
    case Outcome::inconclusive:
      return Colour::yellow;
    case Outcome::not_run:
    case Outcome::out_of_reach:
      return Colour::grey;
  }
  return Colour::grey;
}

struct Line {
  const Claim* claim = nullptr;  // null where the file does not know the verdict's id
  const Verdict* verdict = nullptr;
};

std::vector<Line> lines_of(const Judged& judged) {
  std::map<std::string, const Claim*> by_id;
  for (const Claim& claim : judged.file.claims) by_id[claim.id] = &claim;
  std::vector<Line> lines;
  for (const Verdict& verdict : judged.verdicts) {
    const auto found = by_id.find(verdict.id);
    lines.push_back({found == by_id.end() ? nullptr : found->second, &verdict});
  }
  return lines;
}

std::string reported_text(const Line& line) { return line.claim ? line.claim->reported : ""; }

std::string range_text(const claims::Range& range) {
  const bool from = std::isfinite(range.low);
  const bool to = std::isfinite(range.high);
  if (from && to && range.low == range.high) return number(range.low);
  if (from && to) return fmt::format("{} to {}", number(range.low), number(range.high));
  if (from) return "≥ " + number(range.low);
  if (to) return "≤ " + number(range.high);
  return "any";
}

std::string expected_text(const Verdict& verdict) {
  if (verdict.expect) return range_text(*verdict.expect);
  if (verdict.direction) return fmt::format("{} (direction)", range_text(*verdict.direction));
  return "";
}

std::string measured_text(const Verdict& verdict) {
  if (!verdict.measured) return "";
  Measured measured{verdict.measured->estimate, verdict.measured->low, verdict.measured->high,
                    true};
  if (verdict.measured->low == verdict.measured->high) measured.low = measured.high = std::nullopt;
  std::string text = plain_text(measured);
  if (verdict.unit.empty()) return text;
  if (verdict.unit != "x") return fmt::format("{} {}", text, verdict.unit);
  const std::size_t end = std::min(text.find(' '), text.size());  // of the estimate: "1.45x [..]"
  return fmt::format("{}x{}", text.substr(0, end), text.substr(end));
}

std::string id_text(const Verdict& verdict) {
  return verdict.required ? verdict.id + " (required)" : verdict.id;
}

/// "scaled" or "by a model": the verdict is of another question than the paper's.
std::string reach_text(const Verdict& verdict) {
  if (verdict.reach == claims::Reach::scaled) return "scaled";
  if (verdict.reach == claims::Reach::model) return "by a model";
  return "";
}

std::string reason_text(const Verdict& verdict) {
  const std::string reach = reach_text(verdict);
  if (reach.empty() || verdict.reason.empty()) return verdict.reason + reach;
  return fmt::format("{} ({})", verdict.reason, reach);
}

constexpr std::array<const char*, 5> kHeaders = {"claim", "reported", "expected", "measured",
                                                 "reason"};
using Cells = std::array<std::string, 5>;

Cells cells_of(const Line& line) {
  return {id_text(*line.verdict), reported_text(line), expected_text(*line.verdict),
          measured_text(*line.verdict), reason_text(*line.verdict)};
}

constexpr std::size_t kIndent = 2;
constexpr std::size_t kGap = 2;
constexpr std::size_t kReason = 4;         // indent of what stands below a claim
constexpr std::size_t kMostReported = 28;  // what is longer stands below

std::string indented(const std::string& text, std::size_t width, bool dim, bool colour) {
  std::string out;
  for (const std::string& part : wrap(text, std::max(width, 2 * kReason) - kReason))
    out += std::string(kReason, ' ') + paint(part, Colour::grey, dim && colour) + '\n';
  return out;
}

/// The four columns of one group, as wide as what stands in them; nothing is cut. `stacked`: there
/// is no room for columns at all.
struct Columns {
  std::array<std::size_t, 4> widths{};
  bool stacked = false;
  bool holds(const std::string& reported) const { return display_width(reported) <= widths[1]; }
};

Columns columns_for(const std::vector<Cells>& rows, const std::string& title, std::size_t width) {
  Columns columns;
  columns.widths[0] = std::max(display_width(title), kIndent) - kIndent;
  for (std::size_t c = 1; c < 4; ++c) columns.widths[c] = display_width(kHeaders[c]);
  for (const Cells& row : rows)
    for (const std::size_t c : {0, 2, 3})
      columns.widths[c] = std::max(columns.widths[c], display_width(row[c]));
  const std::size_t others =
      kIndent + columns.widths[0] + columns.widths[2] + columns.widths[3] + 3 * kGap;
  columns.stacked = others + columns.widths[1] > width;
  if (columns.stacked) return columns;
  const std::size_t most = std::min(width - others, kMostReported);
  for (const Cells& row : rows)
    if (display_width(row[1]) <= most)
      columns.widths[1] = std::max(columns.widths[1], display_width(row[1]));
  return columns;
}

/// One line; what was reported stands below where it is a sentence.
std::string column_text(const Cells& cells, const Columns& columns, const VerdictOptions& options) {
  const bool fits = columns.holds(cells[1]);
  std::string line(kIndent, ' ');
  for (std::size_t c = 0; c < 4; ++c)
    line += pad(c == 1 && !fits ? "" : cells[c], columns.widths[c]) + std::string(kGap, ' ');
  line.erase(line.find_last_not_of(' ') + 1);
  line += '\n';
  if (!fits) line += indented("reported: " + cells[1], options.width, true, options.colour);
  return line;
}

/// The same without columns, for narrow terminals.
std::string stacked_text(const Cells& cells, std::size_t width) {
  std::vector<std::string> parts;
  for (std::size_t c = 1; c < 4; ++c)
    if (!cells[c].empty()) parts.push_back(fmt::format("{} {}", kHeaders[c], cells[c]));
  std::string out = std::string(kIndent, ' ') + cells[0] + '\n';
  if (!parts.empty())
    out += indented(fmt::format("{}", fmt::join(parts, "; ")), width, false, false);
  return out;
}

/// The group's name over the ids, then the claims, each with its reason below.
std::string group_text(const std::vector<Line>& group, const std::string& title, Colour colour,
                       const VerdictOptions& options) {
  std::vector<Cells> rows;
  rows.reserve(group.size());
  for (const Line& line : group) rows.push_back(cells_of(line));
  const Columns columns = columns_for(rows, title, options.width);
  std::string out = paint(title, colour, options.colour);
  if (!columns.stacked) {
    Cells headers{std::string(), kHeaders[1], kHeaders[2], kHeaders[3], std::string()};
    std::string line = column_text(headers, columns, options);
    line.erase(0, display_width(title));
    line.pop_back();
    out += paint(line, Colour::grey, options.colour);
  }
  out += '\n';
  for (std::size_t i = 0; i < group.size(); ++i) {
    const Verdict& verdict = *group[i].verdict;
    out += columns.stacked ? stacked_text(rows[i], options.width)
                           : column_text(rows[i], columns, options);
    if (!verdict.reason.empty())
      out += indented(verdict.reason, options.width, true, options.colour);
    std::string reach = reach_text(verdict);
    if (reach.empty()) continue;
    if (group[i].claim && !group[i].claim->because.empty()) reach += ": " + group[i].claim->because;
    out += indented(reach, options.width, true, options.colour);
  }
  return out;
}

/// "reason: id, id, id and 12 more", for outcomes without a measurement.
std::string gathered(const std::vector<Line>& lines, std::size_t width) {
  std::vector<std::string> reasons;
  std::map<std::string, std::vector<std::string>> ids;
  for (const Line& line : lines) {
    const std::string reason = line.verdict->reason.empty() ? "no reason" : line.verdict->reason;
    if (!ids.contains(reason)) reasons.push_back(reason);
    ids[reason].push_back(id_text(*line.verdict));
  }
  std::string out;
  const std::size_t room = std::max<std::size_t>(width, 40) - 4;
  for (const std::string& reason : reasons) {
    std::vector<std::string>& list = ids[reason];
    for (const std::string& part : wrap(fmt::format("{} ({})", reason, list.size()), room))
      out += "  " + part + '\n';
    std::string names;
    const std::size_t shown = std::min(list.size(), kMostIds);
    for (std::size_t i = 0; i < shown; ++i) names += (i == 0 ? "" : ", ") + list[i];
    if (shown < list.size()) names += fmt::format(" and {} more", list.size() - shown);
    for (const std::string& part : wrap(names, room)) out += "    " + part + '\n';
  }
  return out;
}

/// Whose claims these are: the paper's of the suite, or as the file's title says.
std::string title_of(const claims::ClaimFile& file) {
  return file.title.empty() ? file.suite : file.suite + ", " + file.title;
}

/// "suite: 3 of 12 claims reproduced, ...", wrapped.
std::string headline_text(const Judged& judged, const VerdictOptions& options) {
  const std::string title = title_of(judged.file);
  std::string out;
  for (std::string& line :
       wrap(title + ": " + claims::summarize(judged.verdicts).headline(), options.width)) {
    if (out.empty() && line.rfind(title, 0) == 0)
      line = paint(title, Colour::bold, options.colour) + line.substr(title.size());
    out += line + '\n';
  }
  return out;
}

/// "reproduced (9; 1 by a model)": the headline counts the two apart.
std::string group_title(Outcome outcome, const std::vector<Line>& group) {
  const auto models =
      static_cast<std::size_t>(std::count_if(group.begin(), group.end(), [](const Line& line) {
        return line.verdict->reach == claims::Reach::model;
      }));
  if (models == 0) return fmt::format("{} ({})", claims::name_of(outcome), group.size());
  return fmt::format("{} ({}; {} by a model)", claims::name_of(outcome), group.size() - models,
                     models);
}

bool unmeasured(Outcome outcome) {
  return outcome == Outcome::not_run || outcome == Outcome::out_of_reach;
}

std::string suite_text(const Judged& judged, const VerdictOptions& options) {
  const std::vector<Line> lines = lines_of(judged);
  std::string out = headline_text(judged, options);
  for (const Outcome outcome : kOrder) {
    std::vector<Line> group;
    for (const Line& line : lines) {
      if (line.verdict->outcome == outcome) group.push_back(line);
    }
    if (group.empty()) continue;
    const std::string title = group_title(outcome, group);
    out += '\n';
    if (unmeasured(outcome) && !options.every) {
      out += paint(title, colour_of(outcome), options.colour) + '\n';
      out += gathered(group, options.width);
    } else {
      out += group_text(group, title, colour_of(outcome), options);
    }
  }
  return out;
}

Grid grid_of(const Judged& judged, bool every) {
  Grid grid;
  grid.title = title_of(judged.file);
  grid.columns.push_back({"verdict", Align::left});
  for (const char* header : kHeaders) grid.columns.push_back({header, Align::left});
  const std::vector<Line> lines = lines_of(judged);
  for (const Outcome outcome : kOrder) {
    if (unmeasured(outcome) && !every) continue;  // the headline below counts them
    for (const Line& line : lines) {
      if (line.verdict->outcome != outcome) continue;
      std::vector<std::string> row{std::string(claims::name_of(outcome))};
      for (std::string& cell : cells_of(line)) row.push_back(std::move(cell));
      grid.rows.push_back(std::move(row));
    }
  }
  grid.notes.push_back(claims::summarize(judged.verdicts).headline());
  return grid;
}

void add_range(Json& row, const std::string& name, const std::optional<claims::Range>& range) {
  row[name + "_low"] = range ? record::number_to_json(range->low) : Json();
  row[name + "_high"] = range ? record::number_to_json(range->high) : Json();
}

Json row_of(const Judged& judged, const Line& line) {
  const Verdict& verdict = *line.verdict;
  Json row;
  row["suite"] = judged.file.suite;
  row["title"] = judged.file.title.empty() ? Json() : Json(judged.file.title);
  row["claim"] = verdict.id;
  row["verdict"] = std::string(claims::name_of(verdict.outcome));
  row["reach"] = std::string(claims::name_of(verdict.reach));
  row["required"] = verdict.required;
  row["says"] = line.claim ? Json(line.claim->says) : Json();
  row["source"] = line.claim ? Json(line.claim->source) : Json();
  row["setting"] = line.claim ? Json(line.claim->setting) : Json();
  row["reported"] = reported_text(line);
  add_range(row, "reported", line.claim ? line.claim->reported_value : std::nullopt);
  add_range(row, "expected", verdict.expect);
  add_range(row, "direction", verdict.direction);
  const auto& measured = verdict.measured;
  row["measured"] = measured ? record::number_to_json(measured->estimate) : Json();
  row["measured_low"] = measured ? record::number_to_json(measured->low) : Json();
  row["measured_high"] = measured ? record::number_to_json(measured->high) : Json();
  row["unit"] = verdict.unit;
  row["reason"] = verdict.reason;
  row["cells"] = verdict.cells;
  row["cells_judged"] = verdict.cells_judged;
  row["cells_reproduced"] = verdict.cells_reproduced;
  row["case_ids"] = Json::array();
  for (const claims::Evidence& evidence : verdict.evidence)
    row["case_ids"].push_back(evidence.case_id);
  return row;
}

}  // namespace

std::string verdict_text(const std::vector<Judged>& suites, const VerdictOptions& options) {
  std::string out;
  for (const Judged& judged : suites) {
    if (judged.verdicts.empty()) continue;
    if (!out.empty()) out += '\n';
    out += suite_text(judged, options);
  }
  return out.empty() ? "no claims to judge\n" : out;
}

std::string verdict_table(const std::vector<Judged>& suites, Format format, bool every) {
  if (format == Format::csv || format == Format::json) {
    Rows rows;
    for (const Judged& judged : suites) {
      for (const Line& line : lines_of(judged)) rows.push_back(row_of(judged, line));
    }
    return format == Format::csv ? to_csv(rows) : to_json(rows);
  }
  std::string out;
  for (const Judged& judged : suites) {
    if (judged.verdicts.empty()) continue;
    const Grid grid = grid_of(judged, every);
    if (!out.empty()) out += '\n';
    out += format == Format::markdown ? to_markdown(grid) : to_latex(grid);
  }
  return out.empty() ? "no claims to judge\n" : out;
}

}  // namespace ashlar::report
