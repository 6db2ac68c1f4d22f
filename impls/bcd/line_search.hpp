#pragma once
// Backtracking along a line or a projected arc.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), section 7 (Newton updates "with line search");
// the acceptance constant and the interpolations are those of the published experiments.
#include <functional>

namespace ashlar::bcd {

struct LineSearchOptions {
  double sufficient = 1e-10;  // of the decrease that the slope promises
  int most_trials = 60;
};

struct LineSearchResult {
  double step = 0;   // alpha; 0 where no trial was accepted: nothing shall move
  double value = 0;  // f there
  int trials = 0;    // values of f that were asked for
  bool accepted = false;
};

/// Looks for a step along `along`, alpha -> f(x(alpha)) with x(0) = x: alpha = 1 first; then the
/// minimum of the quadratic through f(0), its slope and the last trial; from then on of the cubic
/// through those and the last two trials. Accepts where
///   f(alpha) <= f(0) + sufficient * alpha * slope.
/// `slope` is g'd, < 0: along a projected arc it is that of the direction before projection.
///
/// and f(alpha) < f(0).
///
/// Ours, where the published rule may run away: interpolated steps are kept within 1e-3 and 1/2 of
/// the last one (it does not bound them); a value that is not finite counts as too large and the
/// step is cut by 10; where even the slope is below what f(0) can resolve (16 ulp), a full step to
/// an f that equals f(0) to that resolution is accepted. The step is 0 after most_trials, where
/// alpha * slope has fallen below that resolution, and where the slope is not below 0.
LineSearchResult search_line(const std::function<double(double)>& along, double value, double slope,
                             const LineSearchOptions& options = {});

}  // namespace ashlar::bcd
