#pragma once
// One run of a batch from x = 0 to its last iteration, by a team of threads. Internal; solve() of
// solve.hpp is what it equals.
#include "impls/bcd/cuda_batch_update.hpp"

namespace ashlar::bcd::kernel {

/// x = 0.
template <class Team>
ASHLAR_KERNEL_CODE void start_run(Team& team, const BatchProblem& problem, const BatchRun& run,
                                  const TeamMemory& memory) {
  team.each([&](const Worker& w) {
    for (Index i = w.rank(); i < problem.size; i += w.count()) {
      run.x[i] = 0;
      if (estimates_lipschitz(run)) memory.estimates[i] = 1;
    }
    for (Index r = w.rank(); r < problem.rows; r += w.count()) {
      memory.scores[r] = 0;
      memory.slopes[r] = row_slope(problem.loss, 0, problem.targets[r]);
    }
  });
}

/// The gap at x.
template <class Team>
ASHLAR_KERNEL_CODE double measure_gap(Team& team, const BatchProblem& problem, const BatchRun& run,
                                      const TeamMemory& memory) {
  const double sum = team_sum(team, memory, [&](const Worker& w) {
    return value_part(problem, problem.optimum_x != nullptr, problem.lambda, run.x, memory.scores,
                      w);
  });
  if (problem.optimum_x == nullptr) return sum - problem.optimum_value;
  return sum > 0 ? sum : 0;
}

/// All answers are written; the team may go on with another run at once.
template <class Team>
ASHLAR_KERNEL_CODE void do_run(Team& team, const BatchProblem& problem, const BatchRun& run,
                               const TeamMemory& memory) {
  start_run(team, problem, run, memory);
  BatchEnd end;
  double gap = measure_gap(team, problem, run, memory);
  Index size = 0;
  const auto keep = [&](std::int64_t iteration) {
    team.each([&](const Worker& w) {
      if (w.rank() != 0) return;
      run.gap[iteration] = gap;
      run.block_sizes[iteration] = size;
    });
  };
  keep(0);
  Index moves = 0;
  while (end.iterations < run.iterations) {
    const ChosenBlock chosen = choose_block(team, problem, run, memory, end.iterations);
    if (chosen.diverged) {
      end.diverged = 1;
      break;
    }
    ++end.iterations;
    size = chosen.size;
    if (size > 0) {
      moves = moves + 1 == run.refresh_every ? 0 : moves + 1;
      update_block(team, {problem, run, memory, chosen.members, size, chosen.place, moves == 0});
    }
    gap = measure_gap(team, problem, run, memory);
    keep(end.iterations);
    end.converged = gap < run.tolerance && end.iterations >= run.least_iterations ? 1 : 0;
    if (end.converged != 0 || size == 0) break;
  }
  team.each([&](const Worker& w) {
    if (w.rank() == 0) *run.end = end;
  });
}

}  // namespace ashlar::bcd::kernel
