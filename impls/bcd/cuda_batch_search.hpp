#pragma once
// Line searches, of "LS" and "TMP", by a team of threads. Internal; update.hpp has what
// they equal.
#include <cmath>

#include "impls/bcd/cuda_batch_update.hpp"
#include "impls/bcd/line_search_steps.hpp"

namespace ashlar::bcd::kernel {

/// memory.step at a share, and what it makes of scores.
template <class Team>
ASHLAR_KERNEL_CODE void take_share(Team& team, const UpdateTask& task, double share) {
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      task.memory.step[j] = arc_step(task, j, share);
    }
  });
  scatter_step(team, task.problem, task.memory, task.block, task.k);
}

/// f at x + memory.step, where f(x) = value.
template <class Team>
ASHLAR_KERNEL_CODE double value_after_step(Team& team, const UpdateTask& task, double value) {
  const BatchProblem& problem = task.problem;
  const TeamMemory& memory = task.memory;
  const bool linear = is_linear(problem);
  const double sum = team_sum(team, memory, [&](const Worker& w) {
    double part = 0;
    if (linear) {
      const OwnPart own = own_part(problem.rows, w.block, w.blocks);
      ASHLAR_NO_UNROLL
      for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
        part += moved_row_loss(problem, memory, r, 1);
      }
      if (problem.slope == 0) return part;
      for (Index i = w.rank(); i < problem.size; i += w.count()) {
        part += problem.slope * task.run.x[i];
      }
      for (Index j = w.rank(); j < task.k; j += w.count()) part += problem.slope * memory.step[j];
      return part;
    }
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      double product = 0;
      for (Index l = 0; l < task.k; ++l) {
        product += quadratic_entry(problem, task.block[j], task.block[l]) * memory.step[l];
      }
      part += memory.step[j] * (memory.block_gradient[j] + 0.5 * product);
    }
    return part;
  });
  return linear ? sum : value + sum;
}

enum class SearchResult { found, nothing, no_share };

/// Along memory.direction from f(x) = value: memory.step and what it makes of scores. no_share: no
/// share of the direction is any good, and a step of 1 / L_b is to be made.
template <class Team>
ASHLAR_KERNEL_CODE SearchResult search_direction(Team& team, const UpdateTask& task, double value) {
  const double slope = team.read(&task.memory.scalars->slope);
  const double square = team.read(&task.memory.scalars->square);
  const LineSearchResult found = search_line_steps(
      [&](double share) {
        take_share(team, task, share);
        return value_after_step(team, task, value);
      },
      value, slope, LineSearchOptions{});
  if (found.accepted) return SearchResult::found;  // the last that was taken
  const bool done = task.run.update == Update::two_metric ? !(slope < 0) : square == 0;
  return done ? SearchResult::nothing : SearchResult::no_share;
}

}  // namespace ashlar::bcd::kernel
