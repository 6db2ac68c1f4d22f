#pragma once
// Gradients and scores by a team of threads. Internal; selection.hpp has what they equal.
#include <cmath>

#include "impls/bcd/cuda_batch_losses.hpp"

namespace ashlar::bcd::kernel {

ASHLAR_HOST_DEVICE bool looks_at_gradient(Selection selection) {
  return selection != Selection::random && selection != Selection::cyclic &&
         selection != Selection::lipschitz;
}
ASHLAR_HOST_DEVICE bool estimates_lipschitz(const BatchRun& run) {
  return run.update == Update::line_search;
}

/// The L_i that are believed now.
ASHLAR_HOST_DEVICE const double* lipschitz_of(const BatchProblem& problem, const BatchRun& run,
                                              const TeamMemory& memory) {
  return estimates_lipschitz(run) ? memory.estimates : problem.lipschitz;
}

ASHLAR_HOST_DEVICE double device_nonnegative_gain(double x, double gradient, double lipschitz) {
  const double newton = -gradient / lipschitz;
  const double step = newton < -x ? -x : newton;
  return 0.0 - (gradient * step + 0.5 * lipschitz * step * step);  // never -0
}

/// Of a coordinate, for variable blocks.
ASHLAR_HOST_DEVICE double coordinate_score(const BatchProblem& problem, const BatchRun& run,
                                           const TeamMemory& memory, Index i, double g) {
  const double* const lipschitz = lipschitz_of(problem, run, memory);
  switch (run.selection) {
    case Selection::gsl:
      return fabs(g) / sqrt(problem.row_sums[i]);
    case Selection::gsd:
      return fabs(g) / sqrt(lipschitz[i]);
    case Selection::gsq_nonnegative:
      return device_nonnegative_gain(run.x[i], g, lipschitz[i]);
    default:
      return fabs(g);
  }
}

/// Of a block, for fixed partitions.
ASHLAR_HOST_DEVICE double block_score(const BatchProblem& problem, const BatchRun& run,
                                      const TeamMemory& memory, Index place) {
  const double* const lipschitz = lipschitz_of(problem, run, memory);
  double sum = 0;
  double largest = 0;
  for (std::int64_t at = run.block_starts[place]; at < run.block_starts[place + 1]; ++at) {
    const Index i = run.members[at];
    const double g = memory.gradient[i];
    if (run.selection == Selection::gsq_nonnegative) {
      sum += device_nonnegative_gain(run.x[i], g, lipschitz[i]);
    } else if (run.selection == Selection::gsd) {
      sum += run.squares ? g * g / lipschitz[i] : fabs(g) / sqrt(lipschitz[i]);
    } else {
      sum += run.squares ? g * g : fabs(g);
      if (lipschitz[i] > largest) largest = lipschitz[i];
    }
  }
  if (run.selection != Selection::gsl) return sum;
  const double constant = estimates_lipschitz(run) ? largest : run.constants[place];
  return sum / (run.squares ? constant : sqrt(constant));
}

/// The gradient at x, and for variable blocks the scores.
template <class Team>
ASHLAR_KERNEL_CODE void look_at_gradient(Team& team, const BatchProblem& problem,
                                         const BatchRun& run, const TeamMemory& memory) {
  team.each([&](const Worker& w) {
    for (Index number = w.rank(); number < problem.size; number += w.count()) {
      const SlicedPlace place = sliced_place(problem, number);
      const double g = sliced_derivative(problem, place, run.x, memory.slopes);
      memory.gradient[place.i] = g;
      if (run.variable) memory.ranks[place.i] = coordinate_score(problem, run, memory, place.i, g);
    }
  });
}

}  // namespace ashlar::bcd::kernel
