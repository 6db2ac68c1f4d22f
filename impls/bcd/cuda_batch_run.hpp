#pragma once
// One run of a batch from x = 0 to its last iteration, by a team of threads. Internal; solve() of
// solve.hpp is what it equals.
#include "impls/bcd/cuda_batch_nonnegative.hpp"
#include "impls/bcd/cuda_batch_search.hpp"

namespace ashlar::bcd::kernel {

enum class UpdateResult { moved, nothing, failed };

/// Moves x in the block, which is not empty. Each part is called at one place: they are inlined.
template <class Team>
ASHLAR_KERNEL_CODE UpdateResult update_block(Team& team, const UpdateTask& task) {
  const Update update = task.run.update;
  double share = 1;
  bool scattered = false;  // memory.moved is of memory.step
  bool by_constant = false;
  double value = 0;
  if (update == Update::line_search || searches_line(update)) {
    value = team_sum(team, task.memory, [&](const Worker& w) {
      return value_part(task.problem, false, 0, task.run.x, task.memory, w);
    });
  }
  if (update == Update::line_search) {
    share = search_estimate(team, task, value);
    scattered = true;
  } else if (update == Update::projected_newton) {
    if (!nonnegative_update(team, task)) return UpdateResult::failed;
  } else if (solves_block(update) || searches_line(update)) {
    find_direction(team, task);
  } else {
    by_constant = true;
  }
  if (searches_line(update)) {
    const SearchResult result = search_direction(team, task, value);
    if (result == SearchResult::nothing) return UpdateResult::nothing;
    scattered = result == SearchResult::found;
    by_constant = !scattered;
  }
  if (by_constant) gradient_update(team, task);
  if (!scattered) scatter_step(team, task.problem, task.memory, task.block, task.k);
  commit_move(team, task.problem, task.memory, task.run.x, task.block, task.k, share, task.renew);
  return UpdateResult::moved;
}

/// x = 0.
template <class Team>
ASHLAR_KERNEL_CODE void start_run(Team& team, const BatchProblem& problem, const BatchRun& run,
                                  const TeamMemory& memory) {
  team.each([&](const Worker& w) {
    for (Index i = w.rank(); i < problem.size; i += w.count()) {
      run.x[i] = 0;
      if (estimates_lipschitz(run)) memory.estimates[i] = 1;
    }
    for (Index e = w.rank(); e < problem.rows * problem.classes; e += w.count()) {
      memory.scores[e] = 0;
    }
  });
}

/// The gap at x.
template <class Team>
ASHLAR_KERNEL_CODE double measure_gap(Team& team, const BatchProblem& problem, const BatchRun& run,
                                      const TeamMemory& memory) {
  const double sum = team_sum(team, memory, [&](const Worker& w) {
    return value_part(problem, problem.optimum_x != nullptr, problem.lambda, run.x, memory, w);
  });
  if (problem.optimum_x == nullptr) return sum - problem.optimum_value;
  return sum > 0 ? sum : 0;
}

/// All answers are written; the team may go on with another run at once.
template <class Team>
ASHLAR_KERNEL_CODE void do_run(Team& team, const BatchProblem& problem, const BatchRun& run,
                               const TeamMemory& memory) {
  start_run(team, problem, run, memory);
  Index size = 0;
  Index moves = 0;
  // Rows and gaps are looked at in one place, for the start as well.
  for (std::int64_t iteration = 0;; ++iteration) {
    evaluate_rows(team, problem, memory, needs_curvatures(problem, run.update));
    const double gap = measure_gap(team, problem, run, memory);
    const bool started = iteration > 0;
    const bool converged = started && iteration >= run.least_iterations && gap < run.tolerance;
    team.each([&](const Worker& w) {
      if (w.rank() != 0) return;
      run.gap[iteration] = gap;
      run.block_sizes[iteration] = size;
      *run.end = {iteration, converged ? 1 : 0, 0};
    });
    if (converged || iteration == run.iterations || (started && size == 0)) return;
    const ChosenBlock chosen = choose_block(team, problem, run, memory, iteration);
    if (chosen.diverged) break;
    size = chosen.size;
    if (size == 0) continue;
    const Index next = moves + 1 == run.refresh_every ? 0 : moves + 1;
    count_classes(team, problem, memory, chosen.members, size);
    const UpdateResult result =
        update_block(team, {problem, run, memory, chosen.members, size, chosen.place, next == 0});
    if (result == UpdateResult::failed) break;
    if (result == UpdateResult::moved) moves = next;
  }
  team.each([&](const Worker& w) {
    if (w.rank() == 0) run.end->diverged = 1;
  });
}

/// Runs until the queue is empty. Which team takes which run does not show in the answers.
template <class Team>
ASHLAR_KERNEL_CODE void do_runs(Team& team, const BatchLaunch& launch, const TeamMemory& memory) {
  while (true) {
    team.each([&](const Worker& w) {
      if (w.rank() == 0) memory.scalars->ticket = take_number(launch.queue);
    });
    const std::uint32_t ticket = team.read(&memory.scalars->ticket);
    if (ticket >= launch.count) return;
    do_run(team, launch.problem, launch.runs[launch.order[ticket]], memory);
  }
}

}  // namespace ashlar::bcd::kernel
