#pragma once
// Selection rules by a team of threads. Internal; selection.hpp has what they equal.
#include <cmath>

#include "impls/bcd/cuda_batch_losses.hpp"
#include "impls/bcd/cuda_batch_top.hpp"

namespace ashlar::bcd::kernel {

struct ChosenBlock {
  const Index* members = nullptr;
  Index size = 0;    // 0 where the rule finds nothing to do
  Index place = -1;  // in a fixed partition
  bool diverged = false;
};

ASHLAR_HOST_DEVICE bool looks_at_gradient(Selection selection) {
  return selection != Selection::random && selection != Selection::cyclic &&
         selection != Selection::lipschitz;
}
ASHLAR_HOST_DEVICE bool estimates_lipschitz(const BatchRun& run) {
  return run.update == Update::line_search;
}

ASHLAR_HOST_DEVICE double device_nonnegative_gain(double x, double gradient, double lipschitz) {
  const double newton = -gradient / lipschitz;
  const double step = newton < -x ? -x : newton;
  return 0.0 - (gradient * step + 0.5 * lipschitz * step * step);  // never -0
}

/// Of a coordinate, for variable blocks.
ASHLAR_HOST_DEVICE double coordinate_score(const BatchProblem& problem, const BatchRun& run,
                                           const TeamMemory& memory, Index i, double g) {
  const double* const lipschitz = estimates_lipschitz(run) ? memory.estimates : problem.lipschitz;
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
  const bool estimated = estimates_lipschitz(run);
  const double* const lipschitz = estimated ? memory.estimates : problem.lipschitz;
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
  const double constant = estimated ? largest : run.constants[place];
  return sum / (run.squares ? constant : sqrt(constant));
}

/// The gradient at x, and for variable blocks the scores.
template <class Team>
ASHLAR_KERNEL_CODE void look_at_gradient(Team& team, const BatchProblem& problem,
                                         const BatchRun& run, const TeamMemory& memory) {
  team.each([&](const Worker& w) {
    for (Index place = w.rank(); place < problem.size; place += w.count()) {
      const Index i = problem.sliced.lines[place];
      const double g = sliced_derivative(problem, place, i, run.x, memory.slopes);
      memory.gradient[i] = g;
      if (run.variable) memory.ranks[i] = coordinate_score(problem, run, memory, i, g);
    }
  });
}

ASHLAR_HOST_DEVICE ChosenBlock fixed_block(const BatchRun& run, Index place) {
  const std::int64_t start = run.block_starts[place];
  return {run.members + start, static_cast<Index>(run.block_starts[place + 1] - start), place,
          false};
}

/// The block of an iteration, counted from 0.
template <class Team>
ASHLAR_KERNEL_CODE ChosenBlock choose_block(Team& team, const BatchProblem& problem,
                                            const BatchRun& run, const TeamMemory& memory,
                                            std::int64_t iteration) {
  if (!looks_at_gradient(run.selection)) {
    if (!run.variable) return fixed_block(run, run.schedule[iteration]);
    const std::int64_t start = run.schedule_starts[iteration];
    return {run.schedule + start, static_cast<Index>(run.schedule_starts[iteration + 1] - start),
            -1, false};
  }
  look_at_gradient(team, problem, run, memory);
  if (run.variable) {
    const TopFound found = select_top(team, memory, problem.size, run.block_size);
    return {memory.block, found.count, -1, found.diverged};
  }
  const Best best = team_reduce<LargestScore>(team, memory, [&](const Worker& w) {
    Best best = LargestScore::none();
    for (Index place = w.rank(); place < run.blocks; place += w.count()) {
      const double score = block_score(problem, run, memory, place);
      best = LargestScore::both(best, score == score ? Best{score, place} : not_a_number());
    }
    return best;
  });
  if (best.place < 0) return {nullptr, 0, -1, true};
  return best.score > 0 ? fixed_block(run, best.place) : ChosenBlock{};
}

}  // namespace ashlar::bcd::kernel
