#pragma once
// Dense algebra on a k x k matrix by one thread block: the largest eigenvalue, and solving with the
// matrix or its pseudo-inverse. Internal. `team` is of one block (first_block() of a team).
#include <cmath>

#include "impls/bcd/cuda_batch_team.hpp"

namespace ashlar::bcd::kernel {

/// sum of a[i * step_a] * b[i * step_b], in four partial sums that do not wait for each other.
ASHLAR_HOST_DEVICE double strided_dot(const double* a, std::int64_t step_a, const double* b,
                                      std::int64_t step_b, Index count) {
  double sums[4] = {};
  Index i = 0;
  ASHLAR_NO_UNROLL
  for (; i + 4 <= count; i += 4) {
    ASHLAR_UNROLL
    for (int k = 0; k < 4; ++k) sums[k] += a[(i + k) * step_a] * b[(i + k) * step_b];
  }
  ASHLAR_NO_UNROLL
  for (; i < count; ++i) sums[0] += a[i * step_a] * b[i * step_b];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// The reflection of a column's part x = (x_0, rest) to (norm, 0): I - tau v v', v = (1, rest *
/// inverse). tau is 0 where the rest is 0 already.
struct Reflection {
  double tau = 0;
  double inverse = 0;
  double norm = 0;
};
ASHLAR_HOST_DEVICE Reflection reflection_of(double first, double rest_square) {
  if (rest_square == 0) return {0, 0, first};
  const double norm = sqrt(first * first + rest_square);
  const double lead = first <= 0 ? first - norm : -rest_square / (first + norm);
  return {2 * lead * lead / (rest_square + lead * lead), 1 / lead, norm};
}

/// Householder's method: near.matrix becomes tridiagonal (near.diagonal, and squares beside it).
template <class Team>
ASHLAR_KERNEL_CODE void make_tridiagonal(Team& team, const NearMemory& near, BatchScalars& scalars,
                                         Index k) {
  double* const a = near.matrix;
  for (Index j = 0; j + 2 < k; ++j) {
    const double* const x = a + static_cast<std::int64_t>(j) * k + j + 1;
    const Index count = k - j - 1;
    // The product of the rest of the matrix with v; every thread finds the reflection for itself.
    team.each([&](const Worker& w) {
      const Reflection r = reflection_of(x[0], strided_dot(x + 1, 1, x + 1, 1, count - 1));
      for (Index i = w.thread; i < count; i += w.threads) {
        const double* const row = a + static_cast<std::int64_t>(j + 1) * k + j + 1 + i;
        near.right[i] = r.tau * (row[0] + r.inverse * strided_dot(row + k, k, x + 1, 1, count - 1));
      }
      if (w.thread != 0) return;
      near.diagonal[j] = x[-1];
      near.beside[j] = r.norm * r.norm;
      scalars.tau = r.tau;
      scalars.inverse = r.inverse;
    });
    team.each([&](const Worker& w) {
      const double inverse = scalars.inverse;
      const double* const product = near.right;
      const double along = product[0] + inverse * strided_dot(product + 1, 1, x + 1, 1, count - 1);
      const double half = 0.5 * scalars.tau * along;
      for (std::int64_t e = w.thread; e < static_cast<std::int64_t>(count) * count;
           e += w.threads) {
        const auto row = static_cast<Index>(e % count);
        const auto column = static_cast<Index>(e / count);
        const double v_row = row == 0 ? 1 : x[row] * inverse;
        const double v_column = column == 0 ? 1 : x[column] * inverse;
        a[static_cast<std::int64_t>(j + 1 + column) * k + j + 1 + row] -=
            v_row * (product[column] - half * v_column) + v_column * (product[row] - half * v_row);
      }
    });
  }
  team.each([&](const Worker& w) {
    if (w.thread != 0) return;
    const std::int64_t last = static_cast<std::int64_t>(k) * k - 1;
    if (k > 1) {
      near.diagonal[k - 2] = a[last - k - 1];
      near.beside[k - 2] = a[last - k] * a[last - k];
    }
    near.diagonal[k - 1] = a[last];
  });
}

/// Whether a tridiagonal matrix has an eigenvalue above `value`, by Sylvester's law.
ASHLAR_HOST_DEVICE bool has_eigenvalue_above(const NearMemory& near, Index k, double value) {
  double pivot = near.diagonal[0] - value;
  ASHLAR_NO_UNROLL
  for (Index i = 1; i < k && pivot <= 0; ++i) {
    if (pivot == 0) pivot = -1e-300;
    pivot = near.diagonal[i] - value - near.beside[i - 1] / pivot;
  }
  return pivot > 0;
}

ASHLAR_HOST_DEVICE double section_at(double low, double high, int point, int points) {
  return low + (high - low) * (static_cast<double>(point) / points);
}

/// The largest eigenvalue of near.matrix, which is positive semidefinite, from above to a few units
/// in the last place of it, into scalars.constant; the matrix is lost. Every thread looks at a
/// point of its own between the brackets.
template <class Team>
ASHLAR_KERNEL_CODE void largest_eigenvalue(Team& team, const NearMemory& near,
                                           BatchScalars& scalars, Index k) {
  constexpr int kRounds = 64;
  team.each([&](const Worker& w) {
    if (w.thread != 0) return;
    double largest = 0;
    double trace = 0;
    for (Index i = 0; i < k; ++i) {
      const double entry = near.matrix[static_cast<std::int64_t>(i) * (k + 1)];
      largest = entry > largest ? entry : largest;
      trace += entry;
    }
    scalars.largest_diagonal = largest;
    scalars.low = largest;
    scalars.high = trace * (1 + 1e-15 * k);
    for (std::uint32_t& above : scalars.above) above = 0;
  });
  make_tridiagonal(team, near, scalars, k);
  for (int round = 0; round < kRounds && k > 1; ++round) {
    const double low = team.read(&scalars.low);
    const double high = team.read(&scalars.high);
    if (!(high - low > 4e-16 * high)) break;
    team.each([&](const Worker& w) {
      const double point = section_at(low, high, w.thread + 1, w.threads + 1);
      if (has_eigenvalue_above(near, k, point)) add_count(&scalars.above[round], 1);
    });
    team.each([&](const Worker& w) {
      if (w.thread != 0) return;
      const auto above = static_cast<int>(scalars.above[round]);
      scalars.low = section_at(low, high, above, w.threads + 1);
      scalars.high = above == w.threads ? high : section_at(low, high, above + 1, w.threads + 1);
    });
  }
  team.each([&](const Worker& w) {
    if (w.thread != 0) return;
    const double found = k > 1 ? scalars.high : scalars.largest_diagonal;
    scalars.constant = found > scalars.largest_diagonal ? found : scalars.largest_diagonal;
  });
}

/// As in block_algebra.cpp, where a factorisation counts as good, by the squares of its pivots: a
/// lower bound of the condition. Above this Jacobi's method solves with what is numerically regular
/// as well as a factorisation does.
constexpr double kWellConditionedPivots = 1e-11;

/// near.right <- H^-1 near.right by Cholesky's method, below the diagonal; the diagonal and what is
/// above stay. scalars.solved: 0 where H is not positive definite, with near.right as it was; else
/// 2, or 1 where its condition is bad.
template <class Team>
ASHLAR_KERNEL_CODE void solve_cholesky(Team& team, const NearMemory& near, BatchScalars& scalars,
                                       Index k) {
  double* const a = near.matrix;
  const auto at = [k](Index row, Index column) {
    return static_cast<std::int64_t>(column) * k + row;
  };
  // Row k is the right side: half solved when the last column is done.
  for (Index j = 0; j < k; ++j) {
    team.each([&](const Worker& w) {
      const double square = a[at(j, j)] - strided_dot(a + j, k, a + j, k, j);
      const double pivot = square > 0 ? sqrt(square) : 0;
      if (w.thread == 0) near.pivots[j] = pivot;
      for (Index i = j + 1 + w.thread; i <= k; i += w.threads) {
        if (i < k) {
          a[at(i, j)] = (a[at(i, j)] - strided_dot(a + i, k, a + j, k, j)) / pivot;
        } else {
          near.forward[j] = (near.right[j] - strided_dot(near.forward, 1, a + j, k, j)) / pivot;
        }
      }
    });
  }
  team.each([&](const Worker& w) {
    if (w.thread != 0) return;
    double least = near.pivots[0];
    double most = near.pivots[0];
    for (Index i = 1; i < k; ++i) {
      least = near.pivots[i] < least ? near.pivots[i] : least;
      most = near.pivots[i] > most ? near.pivots[i] : most;
    }
    scalars.pivot_ratio = least > 0 ? (least / most) * (least / most) : 0;
    scalars.solved = !(least > 0) ? 0 : (scalars.pivot_ratio > kWellConditionedPivots ? 2 : 1);
  });
}

/// The second half, near.forward -> near.right.
template <class Team>
ASHLAR_KERNEL_CODE void solve_back(Team& team, const NearMemory& near, Index k) {
  for (Index j = k - 1; j >= 0; --j) {
    team.each([&](const Worker& w) {
      const double solved = near.forward[j] / near.pivots[j];
      for (Index i = w.thread; i < j; i += w.threads) {
        near.forward[i] -= near.matrix[static_cast<std::int64_t>(i) * k + j] * solved;
      }
      if (w.thread == 0) near.right[j] = solved;
    });
  }
}

/// Pair `pair` of round `round`, so that in k - 1 rounds (k even) each meets each once.
ASHLAR_HOST_DEVICE void paired(Index k, Index round, Index pair, Index& one, Index& other) {
  const Index rest = k - 1;
  one = pair == 0 ? rest : (round + pair) % rest;
  other = (round + rest - pair) % rest;
}

struct Rotation {
  double cosine = 1;
  double sine = 0;
};
/// That makes the entry between two diagonal entries 0.
ASHLAR_HOST_DEVICE Rotation rotation_of(double one, double other, double between) {
  const double ratio = (other - one) / (2 * between);
  const double tangent = (ratio >= 0 ? 1.0 : -1.0) / (fabs(ratio) + sqrt(1 + ratio * ratio));
  const double cosine = 1 / sqrt(1 + tangent * tangent);
  return {cosine, tangent * cosine};
}
ASHLAR_HOST_DEVICE void rotate(const Rotation& rotation, double& one, double& other) {
  const double first = one;
  one = rotation.cosine * first - rotation.sine * other;
  other = rotation.sine * first + rotation.cosine * other;
}

/// One sweep of Jacobi's method over all pairs; counts rotations in *rotated.
template <class Team>
ASHLAR_KERNEL_CODE void sweep_pairs(Team& team, const TeamMemory& memory, Index k,
                                    std::uint32_t* rotated) {
  double* const a = memory.near.matrix;
  double* const vectors = memory.vectors;
  auto* const rotations = reinterpret_cast<Rotation*>(memory.rotations);
  const Index even = k + k % 2;
  const Index pairs = even / 2;
  const double least = 4e-16 * memory.scalars->largest_diagonal;
  for (Index round = 0; round < even - 1; ++round) {
    team.each([&](const Worker& w) {
      for (Index pair = w.thread; pair < pairs; pair += w.threads) {
        Index i = 0;
        Index j = 0;
        paired(even, round, pair, i, j);
        rotations[pair] = {};
        if (i >= k || j >= k) continue;
        const double between = a[static_cast<std::int64_t>(j) * k + i];
        if (!(fabs(between) > least)) continue;
        rotations[pair] = rotation_of(a[static_cast<std::int64_t>(i) * (k + 1)],
                                      a[static_cast<std::int64_t>(j) * (k + 1)], between);
        add_count(rotated, 1);
      }
    });
    ASHLAR_NO_UNROLL
    for (int side = 0; side < 2; ++side) {
      const bool of_rows = side == 0;
      team.each([&](const Worker& w) {
        for (std::int64_t e = w.thread; e < static_cast<std::int64_t>(pairs) * k; e += w.threads) {
          const auto pair = static_cast<Index>(e / k);
          const std::int64_t line = e % k;
          Index i = 0;
          Index j = 0;
          paired(even, round, pair, i, j);
          if (i >= k || j >= k || rotations[pair].sine == 0) continue;
          if (of_rows) {
            rotate(rotations[pair], a[line * k + i], a[line * k + j]);
          } else {
            const std::int64_t at_i = static_cast<std::int64_t>(i) * k + line;
            const std::int64_t at_j = static_cast<std::int64_t>(j) * k + line;
            rotate(rotations[pair], a[at_i], a[at_j]);
            rotate(rotations[pair], vectors[at_i], vectors[at_j]);
          }
        }
      });
    }
  }
}

/// near.right <- pinv(H) near.right, of which what is on and above the diagonal is read. As
/// solve_pseudo_inverse() of block_algebra.hpp: eigenvalues at most 1e-15 of the largest count as
/// 0.
template <class Team>
ASHLAR_KERNEL_CODE void solve_by_eigenvectors(Team& team, const TeamMemory& memory, Index k) {
  constexpr int kSweeps = 40;
  constexpr double kCutoff = 1e-15;
  const NearMemory& near = memory.near;
  BatchScalars& scalars = *memory.scalars;
  team.each([&](const Worker& w) {
    for (std::int64_t e = w.thread; e < static_cast<std::int64_t>(k) * k; e += w.threads) {
      const std::int64_t row = e % k;
      const std::int64_t column = e / k;
      if (row > column) near.matrix[e] = near.matrix[row * k + column];
      memory.vectors[e] = row == column ? 1 : 0;
    }
    if (w.thread != 0) return;
    scalars.largest_diagonal = 0;
    for (Index i = 0; i < k; ++i) {
      const double entry = fabs(near.matrix[static_cast<std::int64_t>(i) * (k + 1)]);
      if (entry > scalars.largest_diagonal) scalars.largest_diagonal = entry;
    }
    for (std::uint32_t& above : scalars.above) above = 0;
  });
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    sweep_pairs(team, memory, k, &scalars.above[sweep]);
    if (team.read(&scalars.above[sweep]) == 0) break;
  }
  team.each([&](const Worker& w) {
    double largest = 0;
    for (Index i = 0; i < k; ++i) {
      const double value = fabs(near.matrix[static_cast<std::int64_t>(i) * (k + 1)]);
      largest = value > largest ? value : largest;
    }
    for (Index i = w.thread; i < k; i += w.threads) {
      const double value = near.matrix[static_cast<std::int64_t>(i) * (k + 1)];
      const double share =
          strided_dot(memory.vectors + static_cast<std::int64_t>(i) * k, 1, near.right, 1, k);
      near.forward[i] = fabs(value) > kCutoff * largest ? share / value : 0;
    }
  });
  team.each([&](const Worker& w) {
    for (Index i = w.thread; i < k; i += w.threads) {
      near.right[i] = strided_dot(memory.vectors + i, k, near.forward, 1, k);
    }
  });
}

}  // namespace ashlar::bcd::kernel
