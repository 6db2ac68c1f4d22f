#pragma once
// Update rules by a team of threads. Internal; update.hpp has what they equal.
#include <cmath>

#include "impls/bcd/cuda_batch_matrix.hpp"
#include "impls/bcd/cuda_batch_select.hpp"

namespace ashlar::bcd::kernel {

/// Of one iteration.
struct UpdateTask {
  const BatchProblem& problem;
  const BatchRun& run;
  const TeamMemory& memory;
  const Index* block;
  Index k;
  Index place;  // in a fixed partition
  bool renew;   // scores from x
};

/// Whether the update solves with H_b.
ASHLAR_HOST_DEVICE bool solves_block(Update update) {
  return update == Update::matrix || update == Update::dense_exact;
}
ASHLAR_HOST_DEVICE bool needs_block_constant(Update update) {
  return update == Update::lipschitz_block || update == Update::projected_gradient ||
         update == Update::proximal;
}

/// g_b, and with `matrix` H_b.
template <class Team>
ASHLAR_KERNEL_CODE void look_at_block(Team& team, const UpdateTask& task, bool matrix) {
  const TeamMemory& memory = task.memory;
  const bool known = looks_at_gradient(task.run.selection);
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      memory.block_gradient[j] =
          known ? memory.gradient[task.block[j]]
                : derivative(task.problem, task.block[j], task.run.x, memory.slopes);
    }
    if (matrix) {
      assemble_part(task.problem, task.block, task.k, nullptr, memory.near.matrix, w);
    }
  });
}

/// "Lb", "PG" and the proximal step: memory.step from g_b and L_b.
ASHLAR_HOST_DEVICE double scaled_step(const UpdateTask& task, Index j, double constant) {
  const double newton = -task.memory.block_gradient[j] / constant;
  const double x = task.run.x[task.block[j]];
  if (task.run.update == Update::projected_gradient) return newton < -x ? -x : newton;
  if (task.run.update != Update::proximal) return newton;
  const double threshold = task.problem.lambda / constant;
  const double reached = x + newton;
  if (fabs(reached) <= threshold) return -x;
  return reached > 0 ? newton - threshold : newton + threshold;
}

template <class Team>
ASHLAR_KERNEL_CODE void gradient_update(Team& team, const UpdateTask& task) {
  const TeamMemory& memory = task.memory;
  const bool variable = task.run.variable;
  look_at_block(team, task, variable);
  if (variable) {
    team.first_block(
        [&](auto& first) { largest_eigenvalue(first, memory.near, *memory.scalars, task.k); });
  }
  const double constant =
      variable ? team.read(&memory.scalars->constant) : task.run.constants[task.place];
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      memory.step[j] = scaled_step(task, j, constant);
    }
  });
}

/// "Hb", and exact minimisation: memory.step = -H_b^-1 g_b.
template <class Team>
ASHLAR_KERNEL_CODE void matrix_update(Team& team, const UpdateTask& task) {
  const TeamMemory& memory = task.memory;
  look_at_block(team, task, true);
  team.first_block([&](auto& first) {
    first.each([&](const Worker& w) {
      for (Index j = w.thread; j < task.k; j += w.threads) {
        memory.near.right[j] = memory.block_gradient[j];
      }
    });
    solve_cholesky(first, memory.near, *memory.scalars, task.k);
    const int solved = first.read(&memory.scalars->solved);
    // An exact update takes any factorisation; a pseudo-inverse a good one.
    if (solved == 2 || (solved == 1 && task.run.update == Update::dense_exact)) {
      solve_back(first, memory.near, task.k);
    } else {
      solve_by_eigenvectors(first, memory, task.k);
    }
  });
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < task.k; j += w.count()) memory.step[j] = -memory.near.right[j];
  });
}

/// g_b' H_b g_b of a quadratic, with H_b in near.matrix.
template <class Team>
ASHLAR_KERNEL_CODE double gradient_curvature(Team& team, const UpdateTask& task) {
  const TeamMemory& memory = task.memory;
  return team_sum(team, memory, [&](const Worker& w) {
    double sum = 0;
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      sum += memory.block_gradient[j] *
             strided_dot(memory.near.matrix + static_cast<std::int64_t>(j) * task.k, 1,
                         memory.block_gradient, 1, task.k);
    }
    return sum;
  });
}

/// "LA": memory.step = -g_b, to be moved by 1 / the estimate that is returned.
template <class Team>
ASHLAR_KERNEL_CODE double search_estimate(Team& team, const UpdateTask& task) {
  const BatchProblem& problem = task.problem;
  const TeamMemory& memory = task.memory;
  const bool linear = is_linear(problem);
  look_at_block(team, task, !linear);
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      memory.step[j] = -memory.block_gradient[j];
    }
    if (w.rank() != 0) return;
    BatchScalars& scalars = *memory.scalars;
    scalars.square = scalars.estimate = scalars.enough = 0;
    for (Index j = 0; j < task.k; ++j) {
      const Index i = task.block[j];
      scalars.square += memory.block_gradient[j] * memory.block_gradient[j];
      if (memory.estimates[i] > scalars.estimate) scalars.estimate = memory.estimates[i];
      scalars.enough += problem.lipschitz[i];
    }
  });
  scatter_step(team, problem, memory, task.block, task.k);
  const double square = team.read(&memory.scalars->square);
  const double enough = team.read(&memory.scalars->enough);
  double estimate = team.read(&memory.scalars->estimate);
  const double value = team_sum(team, memory, [&](const Worker& w) {
    return value_part(problem, false, 0, task.run.x, memory.scores, w);
  });
  const double curvature = linear ? 0 : gradient_curvature(team, task);
  while (estimate < enough) {
    const double share = 1 / estimate;
    double there = value + share * (0.5 * share * curvature - square);
    if (linear) {
      there = team_sum(team, memory, [&](const Worker& w) {
        const OwnPart own = own_part(problem.rows, w.block, w.blocks);
        double sum = 0;
        for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
          sum += row_loss(problem.loss, memory.scores[r] + share * memory.moved[r],
                          problem.targets[r]);
        }
        return sum;
      });
    }
    if (there <= value - square / (2 * estimate)) break;
    estimate *= 2;
  }
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      memory.estimates[task.block[j]] = estimate;
    }
  });
  return 1 / estimate;
}

/// Moves x in the block, which is not empty.
template <class Team>
ASHLAR_KERNEL_CODE void update_block(Team& team, const UpdateTask& task) {
  double share = 1;
  if (task.run.update == Update::line_search) {
    share = search_estimate(team, task);
  } else {
    if (solves_block(task.run.update)) {
      matrix_update(team, task);
    } else {
      gradient_update(team, task);
    }
    scatter_step(team, task.problem, task.memory, task.block, task.k);
  }
  commit_move(team, task.problem, task.memory, task.run.x, task.block, task.k, share, task.renew);
}

}  // namespace ashlar::bcd::kernel
