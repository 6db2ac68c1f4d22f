#include "harness/claims/decide.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/names.hpp"

namespace ashlar::claims::detail {

namespace {

constexpr std::size_t kMostCellsNamed = 3;

/// Which cell speaks for all: by outcome, then by the distance from what was expected.
int rank_of(Outcome outcome, Over over) {
  static const std::map<Outcome, int> kWorstFirst = {{Outcome::contradicted, 0},
                                                     {Outcome::inconclusive, 1},
                                                     {Outcome::direction_only, 2},
                                                     {Outcome::reproduced, 3}};
  static const std::map<Outcome, int> kBestFirst = {{Outcome::reproduced, 0},
                                                    {Outcome::direction_only, 1},
                                                    {Outcome::inconclusive, 2},
                                                    {Outcome::contradicted, 3}};
  return (over == Over::any ? kBestFirst : kWorstFirst).at(outcome);
}

double distance(const Cell& cell, const Verdict& verdict) {
  const auto& wanted = verdict.expect ? verdict.expect : verdict.direction;
  if (!cell.value || !wanted) return 0;
  const double value = cell.value->estimate;
  if (value < wanted->low) return wanted->low - value;
  if (value > wanted->high) return value - wanted->high;
  // Inside: how near the nearer end is, so that "worst" is the tightest one.
  return -std::min(value - wanted->low, wanted->high - value);
}

bool is_missing(const Cell& cell) { return !cell.outcome && !cell.value; }

/// holds and equal have nothing to expect: in a smaller or other setting they show the direction.
Outcome outcome_of_cell(const Cell& cell, const Verdict& verdict) {
  const bool capped = verdict.reach == Reach::scaled && cell.outcome == Outcome::reproduced;
  if (cell.outcome) return capped ? Outcome::direction_only : *cell.outcome;
  return outcome_of(*cell.value, verdict.expect, verdict.direction);
}

/// Missing cells of one reason.
struct Gap {
  std::string reason;
  std::vector<const Cell*> cells;
};

std::vector<Gap> gaps_of(const std::vector<Cell>& cells) {
  std::vector<Gap> gaps;
  for (const Cell& cell : cells) {
    if (!is_missing(cell)) continue;
    auto gap = std::find_if(gaps.begin(), gaps.end(),
                            [&](const Gap& one) { return one.reason == cell.missing; });
    if (gap == gaps.end()) gap = gaps.insert(gaps.end(), {cell.missing, {}});
    gap->cells.push_back(&cell);
  }
  return gaps;
}

/// "seqlen=8192, 16384" where exactly the cells with these values are missing.
std::string by_one_axis(const Gap& gap, const std::vector<Cell>& all, const std::string& axis) {
  std::set<Value> values;
  for (const Cell* cell : gap.cells) {
    const Value* value = cell->at.find(axis);
    if (value == nullptr) return "";
    values.insert(*value);
  }
  const auto outside = [&](const Cell& cell) {
    const Value* value = cell.at.find(axis);
    return value != nullptr && values.contains(*value) &&
           (!is_missing(cell) || cell.missing != gap.reason);
  };
  if (std::any_of(all.begin(), all.end(), outside)) return "";
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const Value& value : values) texts.push_back(value.text());
  return fmt::format("{}={}", axis, fmt::join(texts, ", "));
}

std::string where_text(const Gap& gap, const std::vector<Cell>& all) {
  for (const auto& [axis, value] : gap.cells.front()->at.axes())
    if (std::string text = by_one_axis(gap, all, axis); !text.empty()) return text;
  std::vector<std::string> labels;
  for (const Cell* cell : gap.cells)
    if (!cell->label.empty()) labels.push_back(cell->label);
  const std::size_t shown = std::min(labels.size(), kMostCellsNamed);
  std::string text = fmt::format("{}", fmt::join(labels.begin(), labels.begin() + shown, "; "));
  if (shown < labels.size()) text += fmt::format(" and {} more", labels.size() - shown);
  return text;
}

/// What is missing, and where; empty when nothing is.
std::vector<std::string> missing_texts(const std::vector<Cell>& cells) {
  std::vector<std::string> texts;
  for (const Gap& gap : gaps_of(cells)) {
    const std::string where = where_text(gap, cells);
    texts.push_back(fmt::format("{} missing ({}){}", gap.cells.size(), gap.reason,
                                where.empty() ? "" : ": " + where));
  }
  return texts;
}

void nothing_judged(const std::vector<Cell>& cells, Verdict& verdict) {
  verdict.outcome = Outcome::not_run;
  if (gaps_of(cells).size() == 1) {
    verdict.reason = cells.front().missing;  // the same everywhere
    return;
  }
  verdict.reason = fmt::format("none of {} cells judged; {}", cells.size(),
                               fmt::join(missing_texts(cells), "; "));
}

/// "20 of 24 cells judged, 20 as expected" or, with all of them, "24 of 24 cells as expected".
std::string counts_text(const std::vector<const Cell*>& judged, const Verdict& verdict) {
  const bool exact = !verdict.direction && verdict.reach != Reach::scaled;  // holds, equal
  const auto wanted = verdict.expect || exact ? Outcome::reproduced : Outcome::direction_only;
  const auto hits = std::count_if(judged.begin(), judged.end(), [&](const Cell* cell) {
    return outcome_of_cell(*cell, verdict) == wanted;
  });
  const char* how = wanted == Outcome::reproduced ? "as expected" : "in the right direction";
  if (judged.size() < verdict.cells)
    return fmt::format("{} of {} cells judged, {} {}", judged.size(), verdict.cells, hits, how);
  return fmt::format("{} of {} cells {}", hits, verdict.cells, how);
}

/// Which cell it is, and what there is to say of it beside its value.
std::string cell_text(const Cell& cell, const std::string& which) {
  std::vector<std::string> notes;
  if (!cell.note.empty()) notes.push_back(cell.note);
  if (cell.value && unknown(*cell.value))
    notes.push_back(std::isfinite(cell.value->estimate)
                        ? fmt::format("few samples ({})", cell.samples)
                        : "undefined values");
  std::string note = fmt::format("{}", fmt::join(notes, ", "));
  if (cell.label.empty()) return note;
  if (!cell.value && note.empty()) return "";
  const char* where = cell.label.rfind("run ", 0) == 0 ? "in" : "at";
  return fmt::format("{}{} {}{}", which, where, cell.label, note.empty() ? "" : ": " + note);
}

/// over = all or any: the deciding cell.
void decide_by_cells(const std::vector<const Cell*>& judged, Over over, Verdict& verdict,
                     std::vector<std::string>& reasons) {
  const Cell* deciding = nullptr;
  for (const Cell* cell : judged) {
    const Outcome outcome = outcome_of_cell(*cell, verdict);
    const int rank = rank_of(outcome, over);
    const int best = deciding == nullptr ? 99 : rank_of(verdict.outcome, over);
    const bool further =
        deciding != nullptr && rank == best &&
        (distance(*cell, verdict) > distance(*deciding, verdict)) == (over == Over::all);
    if (rank < best || further) {
      deciding = cell;
      verdict.outcome = outcome;
    }
  }
  verdict.measured = deciding->value;
  const bool one = verdict.cells == 1;
  if (!one) reasons.insert(reasons.begin(), counts_text(judged, verdict));
  reasons.push_back(cell_text(*deciding, one ? "" : over == Over::any ? "best " : "worst "));
  // What is not there may decide otherwise, unless the cells that are decide whatever it is.
  const bool decided = over == Over::any ? verdict.outcome == Outcome::reproduced ||
                                               verdict.outcome == Outcome::direction_only
                                         : verdict.outcome == Outcome::contradicted;
  if (judged.size() < verdict.cells && !decided) verdict.outcome = Outcome::inconclusive;
}

/// over = geomean or max: one interval of all cells.
void decide_together(const std::vector<const Cell*>& judged, Over over, Verdict& verdict,
                     std::vector<std::string>& reasons) {
  if (judged.size() < verdict.cells) {
    verdict.outcome = Outcome::inconclusive;
    reasons.insert(reasons.begin(), counts_text(judged, verdict));
    return;
  }
  const char* what = over == Over::max ? "greatest" : "geometric mean";
  reasons.insert(reasons.begin(), fmt::format("{} of {} cells", what, verdict.cells));
  Measured sum{0, 0, 0};
  Measured most{-kInf, -kInf, -kInf};
  const auto n = static_cast<double>(judged.size());
  for (const Cell* cell : judged) {
    if (cell->outcome) {
      verdict.outcome = outcome_of_cell(*cell, verdict);
      reasons.push_back(cell_text(*cell, ""));
      return;
    }
    const Measured& value = *cell->value;
    if (unknown(value)) reasons.push_back(cell_text(*cell, ""));
    sum = {sum.low + std::log(value.low) / n, sum.estimate + std::log(value.estimate) / n,
           sum.high + std::log(value.high) / n};
    const auto greater = [](double a, double b) { return std::isnan(b) ? b : std::max(a, b); };
    most = {greater(most.low, value.low), greater(most.estimate, value.estimate),
            greater(most.high, value.high)};
  }
  verdict.measured = over == Over::max
                         ? most
                         : Measured{std::exp(sum.low), std::exp(sum.estimate), std::exp(sum.high)};
  verdict.outcome = outcome_of(*verdict.measured, verdict.expect, verdict.direction);
  if (over == Over::geomean && std::isnan(verdict.measured->estimate))
    reasons.emplace_back("undefined or negative values have no geometric mean");
}

/// How many cells lie inside: surely, and possibly. A missing cell may lie anywhere.
void decide_count(const std::vector<Cell>& cells, const Range& inside, Verdict& verdict,
                  std::vector<std::string>& reasons) {
  Measured number;
  for (const Cell& cell : cells) {
    if (is_missing(cell)) {
      number.high += 1;
      continue;
    }
    const Outcome outcome = outcome_of(*cell.value, inside, std::nullopt);
    if (outcome == Outcome::reproduced) number.low += 1;
    if (outcome != Outcome::contradicted) number.high += 1;
    if (inside.contains(cell.value->estimate)) number.estimate += 1;
  }
  verdict.measured = number;
  const bool whole = reasons.empty();
  verdict.outcome =
      whole ? outcome_of(number, verdict.expect, verdict.direction) : Outcome::inconclusive;
  reasons.insert(reasons.begin(), fmt::format("{} of {} cells inside, by their estimates",
                                              number.estimate, verdict.cells));
}

}  // namespace

void decide(const std::vector<Cell>& cells, const Check& check, Verdict& verdict) {
  std::vector<const Cell*> judged;
  for (const Cell& cell : cells)
    if (!is_missing(cell)) judged.push_back(&cell);
  verdict.cells = cells.size();
  verdict.cells_judged = judged.size();
  if (judged.empty()) {
    nothing_judged(cells, verdict);
    return;
  }
  std::vector<std::string> reasons = missing_texts(cells);
  if (check.form == Form::count) {
    decide_count(cells, *check.inside, verdict, reasons);
  } else {
    verdict.cells_reproduced =
        static_cast<std::size_t>(std::count_if(judged.begin(), judged.end(), [&](const Cell* cell) {
          return outcome_of_cell(*cell, verdict) == Outcome::reproduced;
        }));
    if (check.over == Over::all || check.over == Over::any) {
      decide_by_cells(judged, check.over, verdict, reasons);
    } else {
      decide_together(judged, check.over, verdict, reasons);
    }
  }
  std::erase(reasons, "");
  verdict.reason = fmt::format("{}", fmt::join(reasons, "; "));
}

}  // namespace ashlar::claims::detail
