#include "baselines/bcd/calibration.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace ashlar::bcd::baselines {

Calibration loosest_tolerance(const std::function<double(double tolerance)>& gap_at, double target,
                              const ToleranceGrid& grid) {
  Calibration best{0, std::numeric_limits<double>::infinity()};
  const auto steps = std::lround(std::log(grid.tightest / grid.loosest) / std::log(grid.ratio));
  for (long step = 0; step <= steps; ++step) {
    const double tolerance = grid.loosest * std::pow(grid.ratio, static_cast<double>(step));
    const Calibration tried{tolerance, gap_at(tolerance)};
    if (tried.gap <= target) return tried;
    if (tried.gap < best.gap) best = tried;
  }
  throw std::runtime_error(
      fmt::format("did not reach a gap of {:.3g}: best gap {:.3g} at tolerance {:.1g}", target,
                  best.gap, best.tolerance));
}

}  // namespace ashlar::bcd::baselines
