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
ASHLAR_HOST_DEVICE bool searches_line(Update update) {
  return update == Update::newton || update == Update::two_metric;
}
/// Whether the update looks at the Hessian where that is not H.
ASHLAR_HOST_DEVICE bool needs_curvatures(const BatchProblem& problem, Update update) {
  return searches_line(update) && (problem.loss == Loss::logistic || problem.loss == Loss::softmax);
}
/// Whether the update steps by 1 / L_b, always or where a line search fails.
ASHLAR_HOST_DEVICE bool needs_block_constant(Update update) {
  return update == Update::lipschitz_block || update == Update::projected_gradient ||
         update == Update::proximal || update == Update::newton || update == Update::two_metric;
}

/// g_b, and with `matrix` H_b, or the Hessian's block by its weights.
template <class Team>
ASHLAR_KERNEL_CODE void look_at_block(Team& team, const UpdateTask& task, bool matrix,
                                      const double* weights) {
  const TeamMemory& memory = task.memory;
  const bool known = looks_at_gradient(task.run.selection);
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      memory.block_gradient[j] =
          known ? memory.gradient[task.block[j]]
                : derivative(task.problem, task.block[j], task.run.x, memory.slopes);
    }
    if (matrix) {
      assemble_part(task.problem, task.block, task.k, class_share(task.problem, memory), weights,
                    memory.near.matrix, w);
    }
  });
}

/// L_b = lambda_max(H_b).
template <class Team>
ASHLAR_KERNEL_CODE double block_constant(Team& team, const UpdateTask& task) {
  const TeamMemory& memory = task.memory;
  if (!task.run.variable) return task.run.constants[task.place];
  team.each([&](const Worker& w) {
    assemble_part(task.problem, task.block, task.k, class_share(task.problem, memory), nullptr,
                  memory.near.matrix, w);
  });
  team.first_block(
      [&](auto& first) { largest_eigenvalue(first, memory.near, *memory.scalars, task.k); });
  return team.read(&memory.scalars->constant);
}

/// "Lb", "PG", the proximal step, and where a line search fails: memory.step from g_b and L_b.
ASHLAR_HOST_DEVICE double scaled_step(const UpdateTask& task, Index j, double constant) {
  const double newton = -task.memory.block_gradient[j] / constant;
  const double x = task.run.x[task.block[j]];
  if (task.run.update == Update::projected_gradient || task.run.update == Update::two_metric) {
    return newton < -x ? -x : newton;
  }
  if (task.run.update != Update::proximal) return newton;
  const double threshold = task.problem.lambda / constant;
  const double reached = x + newton;
  if (fabs(reached) <= threshold) return -x;
  return reached > 0 ? newton - threshold : newton + threshold;
}

template <class Team>
ASHLAR_KERNEL_CODE void gradient_update(Team& team, const UpdateTask& task) {
  const TeamMemory& memory = task.memory;
  look_at_block(team, task, false, nullptr);
  const double constant = block_constant(team, task);
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < task.k; j += w.count()) {
      memory.step[j] = scaled_step(task, j, constant);
    }
  });
}

/// Whether the two-metric projection holds the block's coordinate j at its bound.
ASHLAR_HOST_DEVICE bool held_at_bound(const UpdateTask& task, Index j) {
  constexpr double kNearBound = 1e-4;
  return task.run.update == Update::two_metric && task.run.x[task.block[j]] < kNearBound &&
         task.memory.block_gradient[j] > 0;
}

/// What the step in the block's coordinate j is after a share of the direction.
ASHLAR_HOST_DEVICE double arc_step(const UpdateTask& task, Index j, double share) {
  const double step = share * task.memory.direction[j];
  if (task.run.update != Update::two_metric) return step;
  const double x = task.run.x[task.block[j]];
  return step < -x ? -x : step;
}

/// near.right = what the matrix solves for: g_b, but for what is held, which is cut off the matrix.
template <class Team>
ASHLAR_KERNEL_CODE void solve_free(Team& team, const UpdateTask& task) {
  const TeamMemory& memory = task.memory;
  const Index k = task.k;
  team.each([&](const Worker& w) {
    if (task.run.update == Update::two_metric) {
      for (std::int64_t e = w.thread; e < static_cast<std::int64_t>(k) * k; e += w.threads) {
        const auto row = static_cast<Index>(e % k);
        const auto column = static_cast<Index>(e / k);
        if (row != column && (held_at_bound(task, row) || held_at_bound(task, column))) {
          memory.near.matrix[e] = 0;
        }
      }
    }
    for (Index j = w.thread; j < k; j += w.threads) {
      memory.near.right[j] = held_at_bound(task, j) ? 0 : memory.block_gradient[j];
    }
  });
  solve_cholesky(team, memory.near, *memory.scalars, k);
  const int solved = team.read(&memory.scalars->solved);
  // An exact update takes any factorisation, a pseudo-inverse a good one.
  if (solved == 2 || (solved == 1 && task.run.update == Update::dense_exact)) {
    solve_back(team, memory.near, k);
  } else {
    solve_by_eigenvectors(team, memory, k);
  }
}

/// memory.direction, which is also memory.step, scalars.slope and scalars.square: of "Hb" and exact
/// minimisation -H_b^-1 g_b; of "LS" the same with the Hessian; of "TMP" that on the coordinates
/// that are not held, and a scaled gradient on those that are.
template <class Team>
ASHLAR_KERNEL_CODE void find_direction(Team& team, const UpdateTask& task) {
  const TeamMemory& memory = task.memory;
  const bool curved = needs_curvatures(task.problem, task.run.update);
  look_at_block(team, task, true, curved ? memory.curvatures : nullptr);
  team.first_block([&](auto& first) {
    solve_free(first, task);
    first.each([&](const Worker& w) {
      if (w.thread != 0) return;
      double lipschitz = 0;
      ASHLAR_NO_UNROLL
      for (Index j = 0; j < task.k; ++j) {
        if (held_at_bound(task, j)) lipschitz += task.problem.lipschitz[task.block[j]];
      }
      double slope = 0;
      double square = 0;
      ASHLAR_NO_UNROLL
      for (Index j = 0; j < task.k; ++j) {
        const double g = memory.block_gradient[j];
        const bool held = held_at_bound(task, j);
        memory.direction[j] = held ? -g / lipschitz : -memory.near.right[j];
        memory.step[j] = memory.direction[j];
        // What a coordinate at its bound can move, not what its direction says.
        slope += g * (held ? arc_step(task, j, 1) : memory.direction[j]);
        square += g * g;
      }
      memory.scalars->slope = slope;
      memory.scalars->square = square;
    });
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

/// "LA": memory.step = -g_b, to be moved by 1 / the estimate that is returned, where f(x) = value.
template <class Team>
ASHLAR_KERNEL_CODE double search_estimate(Team& team, const UpdateTask& task, double value) {
  const BatchProblem& problem = task.problem;
  const TeamMemory& memory = task.memory;
  const bool linear = is_linear(problem);
  look_at_block(team, task, !linear, nullptr);
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
  const double curvature = linear ? 0 : gradient_curvature(team, task);
  while (estimate < enough) {
    const double share = 1 / estimate;
    double there = value + share * (0.5 * share * curvature - square);
    if (linear) {
      there = team_sum(team, memory, [&](const Worker& w) {
        const OwnPart own = own_part(problem.rows, w.block, w.blocks);
        double sum = 0;
        ASHLAR_NO_UNROLL
        for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
          sum += moved_row_loss(problem, memory, r, share);
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

}  // namespace ashlar::bcd::kernel
