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

constexpr Outcome kOrder[] = {Outcome::contradicted, Outcome::reproduced, Outcome::direction_only,
                              Outcome::inconclusive, Outcome::not_run,    Outcome::out_of_reach};
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
  if (!verdict.unit.empty()) text += ' ' + verdict.unit;
  return text;
}

std::string id_text(const Verdict& verdict) {
  return verdict.required ? verdict.id + " (required)" : verdict.id;
}

std::string reason_text(const Verdict& verdict) {
  std::string text = verdict.reason;
  if (verdict.cells > 1) {
    text += fmt::format("{}{} of {} cells as expected", text.empty() ? "" : "; ",
                        verdict.cells_reproduced, verdict.cells);
  }
  if (verdict.reach == claims::Reach::scaled) text += text.empty() ? "scaled" : " (scaled)";
  if (verdict.reach == claims::Reach::model) text += text.empty() ? "by a model" : " (by a model)";
  return text;
}

/// As wrap(), but a word longer than the column is cut.
std::vector<std::string> fit(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  for (const std::string& line : wrap(text, width)) {
    std::string rest = line;
    while (display_width(rest) > width) {
      // Only ids and paths are that long, and they are ASCII; other text may stand out.
      const bool ascii =
          std::all_of(rest.begin(), rest.end(), [](unsigned char c) { return c < 0x80; });
      if (!ascii) break;
      std::size_t cut = rest.find_last_of("-/_.,", width - 1);
      cut = cut == std::string::npos || cut == 0 ? width : cut + 1;
      lines.push_back(rest.substr(0, cut));
      rest.erase(0, cut);
    }
    lines.push_back(rest);
  }
  return lines;
}

using Cells = std::array<std::string, 5>;
using Widths = std::array<std::size_t, 5>;
constexpr std::array<const char*, 5> kHeaders = {"claim", "reported", "expected", "measured",
                                                 "reason"};

Cells cells_of(const Line& line) {
  return {id_text(*line.verdict), reported_text(line), expected_text(*line.verdict),
          measured_text(*line.verdict), reason_text(*line.verdict)};
}

/// Columns as wide as their text up to a limit; the reason takes what is left.
Widths widths_for(const std::vector<Cells>& rows, std::size_t width) {
  const std::size_t room = std::max<std::size_t>(width, 72) - 2 - 4 * 2;
  const Widths limits = {room * 24 / 100, room * 14 / 100, room * 14 / 100, room * 25 / 100, room};
  Widths widths{};
  std::size_t used = 0;
  for (std::size_t c = 0; c < 4; ++c) {
    widths[c] = display_width(kHeaders[c]);
    for (const Cells& row : rows) widths[c] = std::max(widths[c], display_width(row[c]));
    widths[c] = std::min(widths[c], limits[c]);
    used += widths[c];
  }
  widths[4] = room - used;
  return widths;
}

/// One row over as many lines as its tallest cell needs.
std::string row_text(const Cells& cells, const Widths& widths) {
  std::array<std::vector<std::string>, 5> parts;
  std::size_t height = 1;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    parts[c] = fit(cells[c], widths[c]);
    height = std::max(height, parts[c].size());
  }
  std::string out;
  for (std::size_t h = 0; h < height; ++h) {
    std::string line = "  ";
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string text = h < parts[c].size() ? parts[c][h] : "";
      line += pad(text, widths[c]) + (c + 1 < cells.size() ? "  " : "");
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
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

std::string suite_text(const Judged& judged, const VerdictOptions& options) {
  const std::vector<Line> lines = lines_of(judged);
  std::string out = paint(title_of(judged.file), Colour::bold, options.colour) + ": " +
                    claims::summarize(judged.verdicts).headline() + '\n';
  std::vector<Cells> all;
  for (const Line& line : lines) {
    const bool measured =
        line.verdict->outcome != Outcome::not_run && line.verdict->outcome != Outcome::out_of_reach;
    if (measured || options.every) all.push_back(cells_of(line));
  }
  const Widths widths = widths_for(all, options.width);
  if (!all.empty()) {
    Cells headers;
    std::copy(kHeaders.begin(), kHeaders.end(), headers.begin());
    out += '\n' + paint(row_text(headers, widths), Colour::grey, options.colour);
  }
  for (const Outcome outcome : kOrder) {
    std::vector<Line> group;
    for (const Line& line : lines) {
      if (line.verdict->outcome == outcome) group.push_back(line);
    }
    if (group.empty()) continue;
    out += '\n' +
           paint(fmt::format("{} ({})", claims::name_of(outcome), group.size()), colour_of(outcome),
                 options.colour) +
           '\n';
    const bool unmeasured = outcome == Outcome::not_run || outcome == Outcome::out_of_reach;
    if (unmeasured && !options.every) {
      out += gathered(group, options.width);
      continue;
    }
    for (const Line& line : group) out += row_text(cells_of(line), widths);
  }
  return out;
}

Grid grid_of(const Judged& judged) {
  Grid grid;
  grid.title = title_of(judged.file);
  grid.columns.push_back({"verdict", Align::left});
  for (const char* header : kHeaders) grid.columns.push_back({header, Align::left});
  const std::vector<Line> lines = lines_of(judged);
  for (const Outcome outcome : kOrder) {
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

std::string verdict_table(const std::vector<Judged>& suites, Format format) {
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
    const Grid grid = grid_of(judged);
    if (!out.empty()) out += '\n';
    out += format == Format::markdown ? to_markdown(grid) : to_latex(grid);
  }
  return out.empty() ? "no claims to judge\n" : out;
}

}  // namespace ashlar::report
