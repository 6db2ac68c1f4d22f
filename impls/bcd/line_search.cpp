#include "impls/bcd/line_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ashlar::bcd {
namespace {

struct Trial {
  double step;
  double excess;  // f(step) - f(0) - step * slope
};

/// Of slope t + c t^2 with c so that it meets the trial.
double quadratic_minimum(const Trial& trial, double slope) {
  return -slope * trial.step * trial.step / (2 * trial.excess);
}

/// Of slope t + b t^2 + a t^3 through both trials. NaN where it has none.
double cubic_minimum(const Trial& last, const Trial& before, double slope) {
  const double last_share = last.excess / (last.step * last.step);  // b + a step
  const double before_share = before.excess / (before.step * before.step);
  const double a = (last_share - before_share) / (last.step - before.step);
  const double b = last_share - a * last.step;
  // The root that is a minimum, in the form that does not cancel where b > 0, and holds for a = 0.
  const double root = std::sqrt(b * b - 3 * a * slope);
  return b > 0 ? -slope / (b + root) : (root - b) / (3 * a);
}

}  // namespace

LineSearchResult search_line(const std::function<double(double)>& along, double value, double slope,
                             const LineSearchOptions& options) {
  LineSearchResult result{0, value, 0, false};
  if (!(slope < 0) || !std::isfinite(value)) return result;
  const double resolution = 16 * std::numeric_limits<double>::epsilon() * std::abs(value);
  Trial before{0, 0};
  double step = 1;
  while (result.trials < options.most_trials && (step == 1 || -step * slope > resolution)) {
    const double there = along(step);
    ++result.trials;
    const bool decreases = there < value && there <= value + options.sufficient * step * slope;
    const bool unseen = step == 1 && -slope <= resolution && there <= value + resolution;
    if (decreases || unseen) {
      return {step, there, result.trials, true};
    }
    const Trial last{step, there - value - step * slope};
    double next = step / 10;
    if (std::isfinite(last.excess)) {
      next = before.step > 0 ? cubic_minimum(last, before, slope) : quadratic_minimum(last, slope);
      next = std::isfinite(next) ? std::clamp(next, step * 1e-3, step / 2) : step / 2;
      before = last;
    }
    step = next;
  }
  return result;
}

}  // namespace ashlar::bcd
