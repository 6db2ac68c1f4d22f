#pragma once
// "GSQ": the quadratic norm for fixed blocks, and hard thresholding for variable ones. Internal;
// selection_fixed.cpp and selection_variable.cpp have what they equal.
#include <cmath>

#include "impls/bcd/cuda_batch_scores.hpp"
#include "impls/bcd/cuda_batch_top.hpp"

namespace ashlar::bcd::kernel {

/// Where H is the Hessian, a block's best improvement is half its g' H_b^-1 g.
ASHLAR_HOST_DEVICE bool uses_quadratic_norm(Selection selection) {
  return selection == Selection::gsq || selection == Selection::maximum_improvement;
}

/// Squares of W_b g_b, whose sums by blocks are g_b' H_b^-1 g_b; by member, in memory.ranks.
template <class Team>
ASHLAR_KERNEL_CODE void square_by_roots(Team& team, const BatchRun& run, const TeamMemory& memory) {
  team.each([&](const Worker& w) {
    for (Index at = w.rank(); at < run.block_starts[run.blocks]; at += w.count()) {
      const Index place = run.block_of[at];
      const std::int64_t start = run.block_starts[place];
      const std::int64_t k = run.block_starts[place + 1] - start;
      const double* const root = run.roots + run.root_starts[place] + (at - start);
      double sum = 0;
      for (std::int64_t j = 0; j < k; ++j) {
        sum += root[j * k] * memory.gradient[run.members[start + j]];
      }
      memory.ranks[at] = sum * sum;
    }
  });
}

ASHLAR_HOST_DEVICE double quadratic_score(const BatchRun& run, const TeamMemory& memory,
                                          Index place) {
  double sum = 0;
  for (std::int64_t at = run.block_starts[place]; at < run.block_starts[place + 1]; ++at) {
    sum += memory.ranks[at];
  }
  return sum;
}

/// memory.product = H v, where v is memory.thought: of all coordinates, or 0 outside of `count`
/// members of memory.support.
template <class Team>
ASHLAR_KERNEL_CODE void bound_product(Team& team, const BatchProblem& problem,
                                      const TeamMemory& memory, Index count) {
  if (is_linear(problem)) {
    if (count < problem.size) {
      team.each([&](const Worker& w) {
        for (Index j = w.rank(); j < count; j += w.count()) {
          memory.step[j] = memory.thought[memory.support[j]];
        }
      });
      scatter_step(team, problem, memory, memory.support, count);
    } else {
      row_products(team, problem, memory.thought, memory.moved);
    }
    if (problem.classes > 1) {
      centre_rows(team, problem, memory);
    } else {
      team.each([](const Worker&) {});  // rows are other blocks', too
    }
  }
  const double* const factors = !is_linear(problem)   ? memory.thought
                                : problem.classes > 1 ? memory.centred
                                                      : memory.moved;
  team.each([&](const Worker& w) {
    for (Index number = w.rank(); number < problem.size; number += w.count()) {
      const SlicedPlace place = sliced_place(problem, number);
      const Index i = place.i;
      const double sum = sliced_product(problem.sliced, place.at.line, factors + place.at.of_class,
                                        problem.classes);
      memory.product[i] =
          is_linear(problem) ? problem.bound * sum : problem.diagonal[i] * memory.thought[i] + sum;
    }
  });
}

/// The direction becomes what was moved to, on the new support alone, `count` members of
/// memory.block; returns how far it changed. Outside of the old support it is 0.
template <class Team>
ASHLAR_KERNEL_CODE double keep_support(Team& team, const BatchProblem& problem,
                                       const TeamMemory& memory, Index old, Index count) {
  const bool all = old == problem.size;
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < count; j += w.count()) {
      memory.step[j] = memory.product[memory.block[j]] - memory.thought[memory.block[j]];
    }
  });
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < count; j += w.count()) memory.thought[memory.block[j]] = 0;
  });
  const double square = team_sum(team, memory, [&](const Worker& w) {
    double sum = 0;
    for (Index j = w.rank(); j < count; j += w.count()) sum += memory.step[j] * memory.step[j];
    for (Index j = w.rank(); j < old; j += w.count()) {
      const Index i = all ? j : memory.support[j];
      sum += memory.thought[i] * memory.thought[i];
      memory.thought[i] = 0;
    }
    return sum;
  });
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < count; j += w.count()) {
      memory.support[j] = memory.block[j];
      memory.thought[memory.block[j]] = memory.product[memory.block[j]];
    }
  });
  return sqrt(square);
}

/// The coordinates of a variable block, in memory.block: those of the largest scores; of "GSQ" the
/// support that at most ten steps of hard thresholding find.
template <class Team>
ASHLAR_KERNEL_CODE TopFound choose_coordinates(Team& team, const BatchProblem& problem,
                                               const BatchRun& run, const TeamMemory& memory) {
  constexpr int kRounds = 10;
  constexpr double kTolerance = 1e-10;
  const bool thresholds = run.selection == Selection::gsq;
  if (thresholds) {
    team.each([&](const Worker& w) {
      for (Index i = w.rank(); i < problem.size; i += w.count()) {
        memory.thought[i] = memory.gradient[i] / sqrt(lipschitz_of(problem, run, memory)[i]);
      }
    });
  }
  TopFound found;
  Index support = problem.size;
  for (int round = 0; round < kRounds; ++round) {
    if (thresholds) {
      bound_product(team, problem, memory, support);
      team.each([&](const Worker& w) {
        for (Index i = w.rank(); i < problem.size; i += w.count()) {
          const double to =
              memory.thought[i] - run.threshold_step * (memory.gradient[i] + memory.product[i]);
          memory.product[i] = to;
          memory.ranks[i] = fabs(to);
        }
      });
    }
    found = select_top(team, memory, problem.size, run.block_size);
    if (!thresholds || found.diverged) break;
    const double change = keep_support(team, problem, memory, support, found.count);
    support = found.count;
    if (change < kTolerance) break;
  }
  return found;
}

}  // namespace ashlar::bcd::kernel
