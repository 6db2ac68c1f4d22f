#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "harness/claims/forms.hpp"
#include "harness/statistics/interval.hpp"

namespace ashlar::claims::detail {

namespace {

using statistics::kNaN;

/// The steps of one run that differ only in the axis `along`, in its order.
struct Chain {
  std::string label;
  Point at;
  std::vector<const Step*> steps;
  std::string missing;
};

std::vector<Chain> chains_of(const Question& question, const std::vector<Step>& steps) {
  const std::string& along = question.check.along.text;
  std::vector<Chain> chains;
  std::map<std::pair<const Run*, std::string>, std::size_t> places;
  for (const Step& step : steps) {
    const std::string label = question.label(step, along);
    const auto [it, fresh] = places.emplace(std::pair(step.run, label), chains.size());
    if (fresh) chains.push_back({label, question.point(step, along), {}, ""});
    Chain& chain = chains[it->second];
    const Value* value = step.rest.find(along);
    if (value == nullptr) {
      chain.missing = fmt::format("no axis '{}' in these points", along);
    } else if (!step.missing.empty() && chain.missing.empty()) {
      // The same words for every chain, so that they can be gathered.
      chain.missing = fmt::format("{} at {}={}", step.missing, along, value->text());
    }
    chain.steps.push_back(&step);
  }
  for (Chain& chain : chains) {
    if (!chain.missing.empty()) continue;
    std::sort(chain.steps.begin(), chain.steps.end(),
              [&](const Step* a, const Step* b) { return a->rest.at(along) < b->rest.at(along); });
  }
  return chains;
}

/// What the form follows along the axis: the metric, or its ratio to that of `to`.
Series followed(const Question& question, const std::vector<Side>& sides, const Step& step) {
  Series series = question.series(step, 0, sides[0]);
  if (sides.size() == 1) return series;
  return ratio_series(series, question.series(step, 1, sides[1]), same_point(sides[0], sides[1]));
}

Measured least_of(const Measured& a, const Measured& b) {
  const auto least = [](double x, double y) { return std::isnan(y) ? y : std::min(x, y); };
  return {least(a.low, b.low), least(a.estimate, b.estimate), least(a.high, b.high)};
}

Measured greatest_of(const Measured& a, const Measured& b) {
  const auto greatest = [](double x, double y) { return std::isnan(y) ? y : std::max(x, y); };
  return {greatest(a.low, b.low), greatest(a.estimate, b.estimate), greatest(a.high, b.high)};
}

/// From one value to the next, in the sense of the trend.
Cell monotone_cell(const Question& question, const std::vector<Side>& sides, const Chain& chain,
                   const Confidence& confidence) {
  const Check& check = question.check;
  Cell cell;
  cell.label = chain.label;
  Series before;
  for (std::size_t i = 0; i < chain.steps.size(); ++i) {
    Series here = followed(question, sides, *chain.steps[i]);
    if (!here.usable()) return missing_cell(question.label(*chain.steps[i]), here.problem);
    cell.samples = i == 0 ? here.samples() : std::min(cell.samples, here.samples());
    if (i > 0) {
      const Series& above = check.rises ? here : before;
      const Series& below = check.rises ? before : here;
      const Measured change = check.difference ? difference_of(above, below, false, confidence)
                                               : ratio_of(above, below, false, confidence);
      if (!cell.value || std::isnan(change.low) || change.low < cell.value->low)
        cell.note = fmt::format("weakest step {} = {} to {}", check.along.text,
                                chain.steps[i - 1]->rest.at(check.along.text).text(),
                                chain.steps[i]->rest.at(check.along.text).text());
      cell.value = cell.value ? least_of(*cell.value, change) : change;
    }
    before = std::move(here);
  }
  return cell;
}

/// The weakest step of each seed's curve; the interval is the range over seeds.
Cell monotone_curve_cell(const Question& question, const std::vector<Side>& sides,
                         const Step& step) {
  const Check& check = question.check;
  const std::string label = question.label(step);
  const Curves curves = curves_of(step.entries[0], question.metric_of(sides[0]), check.curve->curve,
                                  check.along.text);
  if (!curves.problem.empty()) return missing_cell(label, curves.problem);
  Series weakest;
  weakest.kind = Kind::exact;
  for (const CurveData& curve : curves.seeds) {
    if (curve.y.size() < 2) return missing_cell(label, "a curve has fewer than two points");
    double least = kInf;
    for (std::size_t i = 1; i < curve.y.size(); ++i) {
      const double above = check.rises ? curve.y[i] : curve.y[i - 1];
      const double below = check.rises ? curve.y[i - 1] : curve.y[i];
      const double change = check.difference ? above - below : quotient(above, below);
      least = std::isnan(change) || std::isnan(least) ? kNaN : std::min(least, change);
    }
    weakest.clusters.push_back({curve.seed, {least}});
  }
  Cell cell;
  cell.label = label;
  cell.value = interval_of(weakest, {});
  return cell;
}

Cell slope_cell(const Question& question, const std::vector<Side>& sides, const Chain& chain,
                const Confidence& confidence) {
  std::vector<double> x;
  std::vector<Series> y;
  for (const Step* step : chain.steps) {
    const Value& value = step->rest.at(question.check.along.text);
    if (!value.is_number())
      return missing_cell(chain.label,
                          fmt::format("axis '{}' has no numbers", question.check.along.text));
    x.push_back(value.number());
    y.push_back(followed(question, sides, *step));
    if (!y.back().usable()) return missing_cell(question.label(*step), y.back().problem);
  }
  Cell cell;
  cell.label = chain.label;
  cell.samples = y.front().samples();
  for (const Series& series : y) cell.samples = std::min(cell.samples, series.samples());
  cell.value = slope_of(x, y, confidence);
  if (std::isnan(cell.value->estimate)) cell.note = "a power law needs positive, finite values";
  return cell;
}

/// Where the ratio stands beside the level: -1 surely below, +1 surely above, 0 unknown.
int side_of_level(const Measured& ratio, double level) {
  if (ratio.low > level) return 1;
  return ratio.high < level ? -1 : 0;
}

/// Where the estimates pass the level, between neighbours, in logarithms.
double crossing(const std::vector<double>& x, const std::vector<double>& ratio, double level) {
  for (std::size_t i = 1; i < x.size(); ++i) {
    const double a = std::log(ratio[i - 1] / level);
    const double b = std::log(ratio[i] / level);
    if (!(a * b <= 0) || a == b) continue;
    const double part = a / (a - b);
    if (x[i - 1] > 0) return x[i - 1] * std::pow(x[i] / x[i - 1], part);
    return x[i - 1] + part * (x[i] - x[i - 1]);
  }
  return kNaN;
}

Cell crossover_cell(const Question& question, const std::vector<Side>& sides, const Chain& chain,
                    const Confidence& confidence) {
  const Check& check = question.check;
  const int before = check.rises ? -1 : 1;  // the side on which the ratio begins
  std::vector<double> x;
  std::vector<double> estimates;
  Measured at{-kInf, kNaN, kInf};
  bool passed = false;
  Cell cell;
  cell.label = chain.label;
  for (const Step* step : chain.steps) {
    const Series above = question.series(*step, 0, sides[0]);
    const Series below = question.series(*step, 1, sides[1]);
    for (const Series* series : {&above, &below})
      if (!series->usable()) return missing_cell(question.label(*step), series->problem);
    const Value& value = step->rest.at(check.along.text);
    if (!value.is_number())
      return missing_cell(chain.label, fmt::format("axis '{}' has no numbers", check.along.text));
    const Measured ratio = ratio_of(above, below, same_point(sides[0], sides[1]), confidence);
    x.push_back(value.number());
    estimates.push_back(ratio.estimate);
    const int side = side_of_level(ratio, check.level);
    if (side == before && passed) {
      cell.outcome = Outcome::contradicted;
      cell.note = fmt::format("the ratio passes {} in the other sense before {} = {}", check.level,
                              check.along.text, value.text());
    }
    if (side == before) at.low = x.back();
    if (side == -before && !passed) at.high = x.back();
    if (side == -before) passed = true;
  }
  at.estimate = crossing(x, estimates, check.level);
  if (!cell.outcome) cell.value = at;
  return cell;
}

/// |measured / reported - 1| as an interval.
Measured deviation(const Measured& measured, double reported) {
  const double low = std::abs(quotient(measured.low, reported) - 1);
  const double high = std::abs(quotient(measured.high, reported) - 1);
  const bool across = measured.low <= reported && reported <= measured.high;
  return {across ? 0 : std::min(low, high), std::abs(quotient(measured.estimate, reported) - 1),
          std::max(low, high)};
}

/// The measured series at each reported x, on an axis or on curves; the first problem ends it.
std::vector<Series> at_points(const Question& question, const std::vector<Side>& sides,
                              const std::vector<const Step*>& steps, std::string& missing) {
  const Check& check = question.check;
  std::vector<Series> values;
  Curves curves;
  if (check.curve) {
    curves = curves_of(steps[0]->entries[0], question.metric_of(sides[0]), check.curve->curve, "");
    missing = curves.problem;
  }
  for (const auto& [x, y] : check.points) {
    if (!missing.empty()) break;
    Series here;
    here.kind = Kind::seeded;
    if (check.curve) {
      for (const CurveData& curve : curves.seeds) {
        const auto value = curve_at(curve, x);
        if (value) here.clusters.push_back({curve.seed, {*value}});
        if (!value) missing = fmt::format("the curve does not reach {}", x);
      }
    } else {
      const auto step = std::find_if(steps.begin(), steps.end(), [&, at = x](const Step* one) {
        return one->rest.at(check.along.text) == Value(at);
      });
      if (step == steps.end()) {
        missing = fmt::format("no case with {}={}", check.along.text, x);
      } else {
        here = question.series(**step, 0, sides[0]);
        missing = here.problem;
      }
    }
    values.push_back(std::move(here));
  }
  return values;
}

Cell fits_cell(const Question& question, const std::vector<Side>& sides, const std::string& label,
               const std::vector<const Step*>& steps, const Confidence& confidence) {
  const auto& points = question.check.points;
  std::string missing;
  const std::vector<Series> values = at_points(question, sides, steps, missing);
  if (!missing.empty()) return missing_cell(label, missing);
  Cell cell;
  cell.label = label;
  cell.samples = values.front().samples();
  for (const Series& series : values) cell.samples = std::min(cell.samples, series.samples());
  for (std::size_t i = question.check.normalise ? 1 : 0; i < points.size(); ++i) {
    const Measured measured =
        question.check.normalise
            ? ratio_of(values[i], values[0], question.check.curve.has_value(), confidence)
            : interval_of(values[i], confidence);
    const double reported =
        question.check.normalise ? quotient(points[i].second, points[0].second) : points[i].second;
    const Measured off = deviation(measured, reported);
    if (!cell.value || std::isnan(off.estimate) || off.estimate > cell.value->estimate)
      cell.note = fmt::format("farthest off at {}", points[i].first);
    cell.value = cell.value ? greatest_of(*cell.value, off) : off;
  }
  return cell;
}

std::size_t least_length(Form form) { return form == Form::slope ? 3 : form == Form::fits ? 1 : 2; }

Cell chain_cell(const Question& question, const std::vector<Side>& sides, const Chain& chain,
                const Confidence& confidence) {
  const Form form = question.check.form;
  if (!chain.missing.empty()) return missing_cell(chain.label, chain.missing);
  if (chain.steps.size() < least_length(form))
    return missing_cell(chain.label, fmt::format("form '{}' needs {} values of '{}', there are {}",
                                                 name_of(form), least_length(form),
                                                 question.check.along.text, chain.steps.size()));
  if (form == Form::slope) return slope_cell(question, sides, chain, confidence);
  if (form == Form::crossover) return crossover_cell(question, sides, chain, confidence);
  if (form == Form::fits) return fits_cell(question, sides, chain.label, chain.steps, confidence);
  return monotone_cell(question, sides, chain, confidence);
}

}  // namespace

std::vector<Cell> chain_cells(const Question& question, const std::vector<Side>& sides,
                              const std::vector<Step>& steps) {
  const Check& check = question.check;
  std::vector<Cell> cells;
  if (check.curve && (check.form == Form::monotone || check.form == Form::fits)) {
    const Confidence confidence = confidence_for(
        question.claim.id, steps.size() * std::max<std::size_t>(1, check.points.size()));
    for (const Step& step : steps) {
      if (!step.missing.empty()) {
        cells.push_back(missing_cell(question.label(step), step.missing));
      } else if (check.form == Form::monotone) {
        cells.push_back(monotone_curve_cell(question, sides, step));
      } else {
        cells.push_back(fits_cell(question, sides, question.label(step), {&step}, confidence));
      }
      cells.back().at = question.point(step);
    }
    return cells;
  }
  const std::vector<Chain> chains = chains_of(question, steps);
  // A slope is one interval per chain; the others look at every step.
  const std::size_t intervals = check.form == Form::slope ? chains.size() : steps.size();
  const Confidence confidence =
      confidence_for(question.claim.id, check.over == Over::geomean ? 1 : intervals);
  for (const Chain& chain : chains) {
    cells.push_back(chain_cell(question, sides, chain, confidence));
    cells.back().at = chain.at;
  }
  return cells;
}

}  // namespace ashlar::claims::detail
