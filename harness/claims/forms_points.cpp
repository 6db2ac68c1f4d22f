#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/forms.hpp"
#include "harness/claims/names.hpp"

namespace ashlar::claims::detail {

namespace {

using record::Status;

/// The first problem of two series, or nothing.
const std::string* problem_of(const Series& a, const Series& b) {
  if (!a.usable()) return &a.problem;
  if (!b.usable()) return &b.problem;
  return nullptr;
}

Cell value_cell(std::string label, const Measured& value, std::size_t samples) {
  Cell cell;
  cell.label = std::move(label);
  cell.value = value;
  cell.samples = samples;
  return cell;
}

Cell decided_cell(std::string label, bool holds, std::string note) {
  Cell cell;
  cell.label = std::move(label);
  cell.outcome = holds ? Outcome::reproduced : Outcome::contradicted;
  cell.note = std::move(note);
  return cell;
}

/// ratio, within and count: one number per step.
Cell number_cell(const Question& question, const std::vector<Side>& sides, const Step& step,
                 const Confidence& confidence) {
  const Check& check = question.check;
  const std::string label = question.label(step);
  const Series first = question.series(step, 0, sides[0]);
  if (!first.usable()) return missing_cell(label, first.problem);
  if (sides.size() == 1)
    return value_cell(label, scaled(interval_of(first, confidence), 1 / check.per),
                      first.samples());
  const Series second = question.series(step, 1, sides[1]);
  if (!second.usable()) return missing_cell(label, second.problem);
  const bool same = same_point(sides[0], sides[1]);
  const Measured value = check.minus ? difference_of(first, second, same, confidence)
                                     : ratio_of(first, second, same, confidence);
  return value_cell(label, scaled(value, 1 / check.per),
                    std::min(first.samples(), second.samples()));
}

/// The advantage of each over the next; the cell's interval is that of the least one.
Cell ordering_cell(const Question& question, const std::vector<Side>& sides, const Step& step,
                   const Confidence& confidence) {
  const std::string label = question.label(step);
  const auto better = question.better();
  if (!better)
    return missing_cell(label, fmt::format("nothing says whether a lower or a higher '{}' is "
                                           "better; write better = \"lower\" or \"higher\"",
                                           question.check.metric.text));
  Cell cell;
  for (std::size_t i = 0; i + 1 < sides.size(); ++i) {
    const Series good = question.series(step, i, sides[i]);
    const Series next = question.series(step, i + 1, sides[i + 1]);
    if (const std::string* problem = problem_of(good, next)) return missing_cell(label, *problem);
    const bool up = *better == Better::higher;
    const Series& above = up ? good : next;
    const Series& below = up ? next : good;
    const Measured advantage = question.check.difference
                                   ? difference_of(above, below, true, confidence)
                                   : ratio_of(above, below, true, confidence);
    const std::size_t samples = std::min(good.samples(), next.samples());
    cell.samples = cell.value ? std::min(cell.samples, samples) : samples;
    if (!cell.value || std::isnan(advantage.low) || advantage.low < cell.value->low)
      cell.note = fmt::format("closest pair {} over {}", sides[i].implementation.text,
                              sides[i + 1].implementation.text);
    // std::min keeps a NaN on its left side only; an unknown pair makes the cell unknown.
    const auto least = [](double a, double b) { return std::isnan(b) ? b : std::min(a, b); };
    cell.value = !cell.value ? advantage
                             : Measured{least(cell.value->low, advantage.low),
                                        least(cell.value->estimate, advantage.estimate),
                                        least(cell.value->high, advantage.high)};
  }
  cell.label = label;
  return cell;
}

bool equal_within(double a, double b, double tolerance) {
  if (a == b) return true;
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

Cell equal_cell(const Question& question, const std::vector<Side>& sides, const Step& step) {
  const Check& check = question.check;
  const std::string label = question.label(step);
  const Series left = question.series(step, 0, sides[0]);
  if (!left.usable()) return missing_cell(label, left.problem);
  Series right = left;
  if (check.value) {
    for (Cluster& cluster : right.clusters)
      std::fill(cluster.values.begin(), cluster.values.end(), *check.value);
  } else {
    right = question.series(step, 1, sides[1]);
    if (!right.usable()) return missing_cell(label, right.problem);
  }
  std::size_t compared = 0;
  for (const Cluster& one : left.clusters) {
    for (const Cluster& other : right.clusters) {
      if (one.id != other.id) continue;
      ++compared;
      if (!equal_within(one.values[0], other.values[0], check.tolerance))
        return decided_cell(label, false,
                            fmt::format("{:.17g} is not {:.17g}", one.values[0], other.values[0]));
    }
  }
  if (compared == 0) return missing_cell(label, "the two sides have no round or seed in common");
  return decided_cell(label, true, "");
}

std::optional<std::string> status_fault(const Entry& entry, const std::vector<Status>& wanted) {
  const auto fault = [&](const auto& records) -> std::optional<std::string> {
    for (const auto* one : records)
      if (std::find(wanted.begin(), wanted.end(), one->status) == wanted.end())
        return fmt::format("{} ended as {}", entry.implementation, record::name_of(one->status));
    return std::nullopt;
  };
  if (auto found = fault(entry.cases)) return found;
  return fault(entry.studies);
}

/// What is wrong with one case, nothing when the invariant holds; `unknown` when nobody looked.
std::optional<std::string> invariant_fault(const Question& question, const Step& step,
                                           const Entry& entry, std::string& unknown) {
  if (!question.check.statuses.empty()) return status_fault(entry, question.check.statuses);
  const std::string& metric = question.check.metric.text;
  if (metric.empty()) {
    for (const auto* check : entry.checks)
      if (!check->accepted)
        return fmt::format("{} was rejected by {}: {}", entry.implementation, check->oracle,
                           check->mismatch.value_or("no detail"));
    const Fate fate = fate_of(entry);
    if (fate.status == Status::wrong) return describe(entry, fate);
    if (entry.checks.empty()) unknown = fmt::format("{} has no oracle check", entry.implementation);
    return std::nullopt;
  }
  const Series series = series_of(entry, metric, std::nullopt, *step.run);
  if (!series.usable()) unknown = series.problem;
  for (const Cluster& cluster : series.clusters)
    for (const double value : cluster.values)
      if (value != 1) return fmt::format("{}: {} is {}", entry.implementation, metric, value);
  return std::nullopt;
}

Cell holds_cell(const Question& question, const Step& step) {
  const std::string label = question.label(step);
  std::string unknown = step.missing;  // a fault elsewhere decides all the same
  for (const Entry& entry : step.entries)
    if (const auto fault = invariant_fault(question, step, entry, unknown))
      return decided_cell(label, false, *fault);
  if (!unknown.empty()) return missing_cell(label, unknown);
  return decided_cell(label, true, "");
}

}  // namespace

Series Question::series(const Step& step, std::size_t side, const Side& which) const {
  return series_of(step.entries[side], metric_of(which), check.curve, *step.run);
}

Point Question::point(const Step& step, const std::string& without_axis) const {
  std::vector<std::pair<std::string, Value>> axes;
  for (const auto& [name, value] : step.rest.axes())
    if (name != without_axis && varying.contains(name)) axes.emplace_back(name, value);
  return Point(std::move(axes));
}

std::string Question::text(const Point& point) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : point.axes())
    parts.push_back(fmt::format("{}={}", name, value.text()));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string Question::label(const Step& step, const std::string& without_axis) const {
  std::string label = text(point(step, without_axis));
  if (several_runs) label += fmt::format("{}run {}", label.empty() ? "" : " in ", step.run->id);
  return label;
}

std::optional<Better> Question::better() const {
  if (check.better) return check.better;
  const std::string& metric = check.metric.text;
  if (check.curve && check.curve->first_below) return Better::lower;  // sooner
  if (check.curve && check.curve->first_above) return Better::lower;
  if (metric != "time" && is_sampled_metric(metric)) return Better::higher;
  if (is_builtin_metric(metric)) return Better::lower;
  if (declaration == nullptr) return std::nullopt;
  const auto it = declaration->metrics.find(metric);
  return it == declaration->metrics.end() ? std::nullopt : it->second.better;
}

std::set<std::string> varying_axes(const std::vector<const Run*>& runs,
                                   const std::string& experiment) {
  std::map<std::string, std::set<Value>> values;
  for (const Run* run : runs) {
    const auto points = run->experiments.find(experiment);
    if (points == run->experiments.end()) continue;
    for (const auto& [point, implementations] : points->second)
      for (const auto& [name, value] : point.axes()) values[name].insert(value);
  }
  std::set<std::string> varying;
  for (const auto& [name, seen] : values)
    if (seen.size() > 1) varying.insert(name);
  return varying;
}

std::vector<Side> sides_of(const Check& check) {
  std::vector<Side> sides;
  if (check.form == Form::ordering) {
    for (const Name& implementation : check.implementations) {
      Side side = check.of.value_or(Side{});
      side.implementation = implementation;
      sides.push_back(std::move(side));
    }
    return sides;
  }
  sides.push_back(check.of.value_or(Side{}));
  if (check.to) sides.push_back(*check.to);
  if (check.minus) sides.push_back(*check.minus);
  return sides;
}

bool same_point(const Side& a, const Side& b) {
  return std::all_of(a.axes.begin(), a.axes.end(), [&](const auto& axis) {
    return std::any_of(b.axes.begin(), b.axes.end(), [&](const auto& other) {
      return other.first.text == axis.first.text && other.second == axis.second;
    });
  });
}

Cell missing_cell(std::string label, std::string why) {
  Cell cell;
  cell.label = std::move(label);
  cell.missing = std::move(why);
  return cell;
}

std::vector<Cell> point_cells(const Question& question, const std::vector<Side>& sides,
                              const std::vector<Step>& steps) {
  const Form form = question.check.form;
  const std::size_t pairs = form == Form::ordering ? sides.size() - 1 : 1;
  const bool together = form == Form::count || question.check.over != Over::geomean;
  const Confidence confidence =
      confidence_for(question.claim.id, together ? steps.size() * pairs : pairs);
  std::vector<Cell> cells;
  for (const Step& step : steps) {
    if (form == Form::holds) {
      cells.push_back(holds_cell(question, step));
    } else if (!step.missing.empty()) {
      cells.push_back(missing_cell(question.label(step), step.missing));
    } else if (form == Form::ordering) {
      cells.push_back(ordering_cell(question, sides, step, confidence));
    } else if (form == Form::equal) {
      cells.push_back(equal_cell(question, sides, step));
    } else {
      cells.push_back(number_cell(question, sides, step, confidence));
    }
    cells.back().at = question.point(step);
  }
  return cells;
}

}  // namespace ashlar::claims::detail
