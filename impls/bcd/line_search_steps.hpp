#pragma once
// search_line() of line_search.hpp for whatever computes f along the line: a host's function, or a
// team of threads on a GPU, of which each goes through the same steps. Internal.
#include <cmath>

#include "impls/bcd/line_search.hpp"
#include "impls/core/cuda/host_device.hpp"

namespace ashlar::bcd::kernel {

struct LineTrial {
  double step = 0;
  double excess = 0;  // f(step) - f(0) - step * slope
};

/// Of slope t + c t^2 with c so that it meets the trial.
ASHLAR_HOST_DEVICE double quadratic_minimum(const LineTrial& trial, double slope) {
  return -slope * trial.step * trial.step / (2 * trial.excess);
}

/// Of slope t + b t^2 + a t^3 through both trials. NaN where it has none.
ASHLAR_HOST_DEVICE double cubic_minimum(const LineTrial& last, const LineTrial& before,
                                        double slope) {
  const double last_share = last.excess / (last.step * last.step);  // b + a step
  const double before_share = before.excess / (before.step * before.step);
  const double a = (last_share - before_share) / (last.step - before.step);
  const double b = last_share - a * last.step;
  // The root that is a minimum, in the form that does not cancel where b > 0, and holds for a = 0.
  const double root = sqrt(b * b - 3 * a * slope);
  return b > 0 ? -slope / (b + root) : (root - b) / (3 * a);
}

ASHLAR_HOST_DEVICE bool is_finite(double value) { return value - value == 0; }

/// The next step to try after one that was not accepted; `before` becomes it.
ASHLAR_HOST_DEVICE double next_step(const LineTrial& last, LineTrial& before, double slope) {
  if (!is_finite(last.excess)) return last.step / 10;
  double next =
      before.step > 0 ? cubic_minimum(last, before, slope) : quadratic_minimum(last, slope);
  before = last;
  if (!is_finite(next)) return last.step / 2;
  if (next < last.step * 1e-3) return last.step * 1e-3;
  return next > last.step / 2 ? last.step / 2 : next;
}

template <class Along>
ASHLAR_KERNEL_CODE LineSearchResult search_line_steps(const Along& along, double value,
                                                      double slope,
                                                      const LineSearchOptions& options) {
  constexpr double kEpsilon = 0x1p-52;
  LineSearchResult result{0, value, 0, false};
  if (!(slope < 0) || !is_finite(value)) return result;
  const double resolution = 16 * kEpsilon * fabs(value);
  LineTrial before;
  double step = 1;
  while (result.trials < options.most_trials && (step == 1 || -step * slope > resolution)) {
    const double there = along(step);
    ++result.trials;
    const bool decreases = there < value && there <= value + options.sufficient * step * slope;
    const bool unseen = step == 1 && -slope <= resolution && there <= value + resolution;
    if (decreases || unseen) return {step, there, result.trials, true};
    step = next_step({step, there - value - step * slope}, before, slope);
  }
  return result;
}

}  // namespace ashlar::bcd::kernel
