#pragma once
// "PN": the exact minimiser of the block's quadratic with x_b >= 0, by one thread block. Internal;
// minimise_nonnegative() of block_algebra.hpp is what it equals, but that the matrix of a set is
// factorised at every step.
#include <cmath>

#include "impls/bcd/cuda_batch_update.hpp"

namespace ashlar::bcd::kernel {

// As nonnegative_quadratic.cpp.
constexpr double kSettledResidual = 4 * 0x1p-52;
constexpr double kFreeResidual = 16 * 0x1p-52;
constexpr double kWorstResidual = 1e-9;
constexpr double kSingularPivots = 1e-13;

/// In memory.work, k numbers each: x, d, residual, scale. In memory.members: whether a coordinate
/// is free, then the places of those that are.
struct ActiveSet {
  const double* gradient;
  const double* matrix;
  double* x;
  double* d;
  double* residual;
  double* scale;
  Index* free;
  Index* members;
  Index k;

  ASHLAR_HOST_DEVICE ActiveSet(const TeamMemory& memory, Index size)
      : gradient(memory.block_gradient),
        matrix(memory.near.matrix),
        x(memory.work),
        d(memory.work + size),
        residual(memory.work + 2 * static_cast<std::int64_t>(size)),
        scale(memory.work + 3 * static_cast<std::int64_t>(size)),
        free(memory.members),
        members(memory.members + size),
        k(size) {}

  ASHLAR_HOST_DEVICE double relative(Index i, double r) const { return r > 0 ? r / scale[i] : 0; }

  /// g + H d, and the sum of magnitudes behind it.
  ASHLAR_HOST_DEVICE void measure(Index i) const {
    double sum = gradient[i];
    double sizes = fabs(gradient[i]);
    const double* const line = matrix + static_cast<std::int64_t>(i) * k;
    for (Index j = 0; j < k; ++j) {
      sum += line[j] * d[j];
      sizes += fabs(line[j]) * fabs(d[j]);
    }
    residual[i] = sum;
    scale[i] = sizes;
  }

  ASHLAR_HOST_DEVICE double free_violation() const {
    double worst = 0;
    for (Index i = 0; i < k; ++i) {
      const double violation = free[i] != 0 ? relative(i, fabs(residual[i])) : 0;
      worst = violation > worst ? violation : worst;
    }
    return worst;
  }
  ASHLAR_HOST_DEVICE double violation() const {
    double worst = 0;
    for (Index i = 0; i < k; ++i) {
      const double r = x[i] + d[i] > 0 ? fabs(residual[i]) : -residual[i];
      const double violation = relative(i, r);
      worst = violation > worst ? violation : worst;
    }
    return worst;
  }
  /// The bound coordinate whose residual is most negative; false where none is.
  ASHLAR_HOST_DEVICE bool free_worst() const {
    Index worst = -1;
    for (Index i = 0; i < k; ++i) {
      if (free[i] != 0 || relative(i, -residual[i]) <= kFreeResidual) continue;
      if (worst < 0 || residual[i] < residual[worst]) worst = i;
    }
    if (worst < 0) return false;
    free[worst] = 1;
    return true;
  }

  /// What is next, after a measurement. One thread.
  ASHLAR_HOST_DEVICE void decide(ActiveSetState& state) const {
    if (state.stepped != 0) {
      state.stalled = state.kept != 0 && free_violation() > 0.95 * state.before ? 1 : 0;
    }
    state.stepped = 0;
    const std::int32_t most = 100 + 50 * k;
    state.action = ActiveSetAction::done;
    while (state.steps < most) {
      ++state.steps;
      state.before = free_violation();
      if (state.before > kSettledResidual && state.stalled == 0) {
        state.action = ActiveSetAction::newton;
        break;
      }
      if (!free_worst()) break;
      state.stalled = 0;
    }
    state.free = 0;
    for (Index i = 0; i < k; ++i) {
      if (free[i] != 0) members[state.free++] = i;
    }
    const bool failed = state.action == ActiveSetAction::done && !(violation() <= kWorstResidual);
    if (failed) state.action = ActiveSetAction::failed;
  }

  /// As far along `step`, by members, as the bounds let it. One thread.
  ASHLAR_HOST_DEVICE void advance(ActiveSetState& state, const double* step) const {
    double share = 1;
    Index first = -1;  // to meet its bound
    for (Index m = 0; m < state.free; ++m) {
      const double room = x[members[m]] + d[members[m]];
      if (step[m] < 0 && room < share * -step[m]) {
        share = room / -step[m];
        first = m;
      }
    }
    state.kept = state.stepped = 1;
    for (Index m = 0; m < state.free; ++m) {
      const Index i = members[m];
      const double room = x[i] + d[i];
      if (!(step[m] - step[m] == 0)) state.action = ActiveSetAction::failed;
      if (m == first || (share < 1 && step[m] < 0 && room <= share * -step[m])) {
        d[i] = -x[i];
        free[i] = 0;
        state.kept = 0;
      } else {
        const double moved = d[i] + share * step[m];
        d[i] = moved < -x[i] ? -x[i] : moved;
      }
    }
  }
};

/// The members' part of the matrix into memory.vectors, and their residuals as a right side. With a
/// ridge for a singular one, which repeated steps take out again.
template <class Team>
ASHLAR_KERNEL_CODE void factorise_members(Team& team, const TeamMemory& memory,
                                          const ActiveSet& set, const NearMemory& part, Index count,
                                          bool ridge) {
  team.each([&](const Worker& w) {
    double largest = 0;
    for (Index m = 0; m < count && ridge; ++m) {
      const double entry = set.matrix[static_cast<std::int64_t>(set.members[m]) * (set.k + 1)];
      largest = entry > largest ? entry : largest;
    }
    const double added = ridge ? (largest > 0 ? 1e-12 * largest : 1e-12) : 0;
    for (std::int64_t e = w.thread; e < static_cast<std::int64_t>(count) * count; e += w.threads) {
      const auto row = static_cast<Index>(e % count);
      const auto column = static_cast<Index>(e / count);
      part.matrix[e] =
          set.matrix[static_cast<std::int64_t>(set.members[column]) * set.k + set.members[row]] +
          (row == column ? added : 0);
    }
    for (Index m = w.thread; m < count; m += w.threads) {
      part.right[m] = -set.residual[set.members[m]];
    }
  });
  solve_cholesky(team, part, *memory.scalars, count);
}

/// memory.step; the state's action is `failed` where the quadratic has no minimum.
template <class Team>
ASHLAR_KERNEL_CODE void minimise_block(Team& team, const UpdateTask& task) {
  const TeamMemory& memory = task.memory;
  ActiveSetState& state = *memory.active;
  const ActiveSet set(memory, task.k);
  NearMemory part = memory.near;
  part.matrix = memory.vectors;
  team.each([&](const Worker& w) {
    for (Index i = w.thread; i < task.k; i += w.threads) {
      set.x[i] = task.run.x[task.block[i]];
      set.d[i] = set.x[i] < 0 ? -set.x[i] : 0;
      set.free[i] = set.x[i] > 0 || set.gradient[i] < 0 ? 1 : 0;
    }
    if (w.thread == 0) state = {};
  });
  while (true) {
    team.each([&](const Worker& w) {
      for (Index i = w.thread; i < task.k; i += w.threads) set.measure(i);
    });
    team.each([&](const Worker& w) {
      if (w.thread == 0 && state.action != ActiveSetAction::failed) set.decide(state);
    });
    const ActiveSetState now = team.read(memory.active);
    if (now.action != ActiveSetAction::newton) break;
    ASHLAR_NO_UNROLL
    for (int attempt = 0; attempt < 2; ++attempt) {
      factorise_members(team, memory, set, part, now.free, attempt > 0);
      if (team.read(&memory.scalars->pivot_ratio) > kSingularPivots) break;
    }
    solve_back(team, part, now.free);
    team.each([&](const Worker& w) {
      if (w.thread == 0) set.advance(state, part.right);
    });
  }
  team.each([&](const Worker& w) {
    for (Index i = w.thread; i < task.k; i += w.threads) memory.step[i] = set.d[i];
  });
}

template <class Team>
ASHLAR_KERNEL_CODE bool nonnegative_update(Team& team, const UpdateTask& task) {
  look_at_block(team, task, true, nullptr);
  team.first_block([&](auto& first) { minimise_block(first, task); });
  return team.read(&task.memory.active->action) == ActiveSetAction::done;
}

}  // namespace ashlar::bcd::kernel
