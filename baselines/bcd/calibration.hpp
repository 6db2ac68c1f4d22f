#pragma once
// Every peer has a stopping rule of its own; they are timed at one measured gap. Before timing, the
// loosest tolerance whose answer is good enough is looked for, and that setting is timed from a
// cold start.
#include <functional>
#include <stdexcept>

namespace ashlar::bcd::baselines {

/// From the loosest to the tightest, each `ratio` times the one before.
struct ToleranceGrid {
  double loosest = 1e-1;
  double tightest = 1e-15;
  double ratio = 0.31622776601683794;  // half a decade
};

struct Calibration {
  double tolerance = 0;
  double gap = 0;  // measured there
};

/// `gap_at` solves with a tolerance and measures f(x) - f*. Throws std::runtime_error "did not
/// reach a gap of ...: best gap ... at tolerance ..." where no tolerance of the grid gives a gap of
/// at most `target`.
Calibration loosest_tolerance(const std::function<double(double tolerance)>& gap_at, double target,
                              const ToleranceGrid& grid = {});

}  // namespace ashlar::bcd::baselines
