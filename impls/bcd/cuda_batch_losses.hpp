#pragma once
// Losses, gradients and blocks of H for runs of a batch on a GPU. Internal. Sums go in the order in
// which the reference adds them.
#include <cmath>

#include "impls/bcd/cuda_batch_team.hpp"

namespace ashlar::bcd::kernel {

/// As losses.hpp, which is for hosts alone.
ASHLAR_HOST_DEVICE double row_loss(Loss loss, double score, double target) {
  if (loss == Loss::least_squares) return 0.5 * (score - target) * (score - target);
  const double margin = target * score;
  return margin > 0 ? log1p(exp(-margin)) : log1p(exp(margin)) - margin;
}
ASHLAR_HOST_DEVICE double row_slope(Loss loss, double score, double target) {
  if (loss == Loss::least_squares) return score - target;
  const double margin = target * score;
  const double small = exp(-fabs(margin));
  return target * (margin > 0 ? -small / (1 + small) : -1 / (1 + small));
}

ASHLAR_HOST_DEVICE double row_curvature(double score, double target) {
  const double small = exp(-fabs(target * score));
  return small / ((1 + small) * (1 + small));
}

ASHLAR_HOST_DEVICE bool is_linear(const BatchProblem& problem) {
  return problem.loss != Loss::quadratic;
}

/// (M v)_i.
ASHLAR_HOST_DEVICE double quadratic_row(const BatchProblem& problem, Index i, const double* v) {
  double sum = 0;
  for (std::int64_t e = problem.columns.starts[i]; e < problem.columns.starts[i + 1]; ++e) {
    sum += problem.columns.values[e] * v[problem.columns.indices[e]];
  }
  return problem.diagonal[i] * v[i] + sum;
}

/// (A v)_r.
ASHLAR_HOST_DEVICE double row_product(const BatchProblem& problem, Index r, const double* v) {
  double sum = 0;
  for (std::int64_t e = problem.by_row.starts[r]; e < problem.by_row.starts[r + 1]; ++e) {
    sum += problem.by_row.values[e] * v[problem.by_row.indices[e]];
  }
  return sum;
}

/// Derivative i at x, of which `slopes` are the losses'.
ASHLAR_HOST_DEVICE double derivative(const BatchProblem& problem, Index i, const double* x,
                                     const double* slopes) {
  if (!is_linear(problem)) {
    return quadratic_row(problem, i, x) - problem.targets[i] + problem.slope;
  }
  double sum = 0;
  for (std::int64_t e = problem.columns.starts[i]; e < problem.columns.starts[i + 1]; ++e) {
    sum += problem.columns.values[e] * slopes[problem.columns.indices[e]];
  }
  return sum + problem.slope;
}

/// The line at `place` times v.
ASHLAR_HOST_DEVICE double sliced_product(const SlicedLines& sliced, Index place, const double* v) {
  const std::int64_t first = sliced.starts[place / kSlice] + place % kSlice;
  const Index length = sliced.lengths[place];
  double sum = 0;
  for (Index e = 0; e < length; ++e) {
    const std::int64_t at = first + static_cast<std::int64_t>(e) * kSlice;
    sum += sliced.values[at] * v[sliced.indices[at]];
  }
  return sum;
}

/// The derivative of the line at `place` of the slices, the same sum.
ASHLAR_HOST_DEVICE double sliced_derivative(const BatchProblem& problem, Index place, Index i,
                                            const double* x, const double* slopes) {
  const double sum = sliced_product(problem.sliced, place, is_linear(problem) ? slopes : x);
  if (is_linear(problem)) return sum + problem.slope;
  return problem.diagonal[i] * x[i] + sum - problem.targets[i] + problem.slope;
}

/// sum_r weights_r a_ri a_rj; all weights are 1 where null.
ASHLAR_HOST_DEVICE double column_product(const BatchLines& columns, Index i, Index j,
                                         const double* weights) {
  double sum = 0;
  std::int64_t at_i = columns.starts[i];
  std::int64_t at_j = columns.starts[j];
  const std::int64_t end_i = columns.starts[i + 1];
  const std::int64_t end_j = columns.starts[j + 1];
  ASHLAR_NO_UNROLL
  while (at_i < end_i && at_j < end_j) {
    const Index row_i = columns.indices[at_i];
    const Index row_j = columns.indices[at_j];
    if (row_i == row_j) {
      const double product = columns.values[at_i] * columns.values[at_j];
      sum += weights == nullptr ? product : weights[row_i] * product;
    }
    at_i += row_i <= row_j ? 1 : 0;
    at_j += row_j <= row_i ? 1 : 0;
  }
  return sum;
}

/// The first entry of [begin, end) whose index is not below `index`.
ASHLAR_HOST_DEVICE std::int64_t lower_entry(const Index* indices, std::int64_t begin,
                                            std::int64_t end, Index index) {
  while (begin < end) {
    const std::int64_t middle = begin + (end - begin) / 2;
    if (indices[middle] < index) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

/// H_ij, or with weights the Hessian's.
ASHLAR_HOST_DEVICE double bound_entry(const BatchProblem& problem, Index i, Index j,
                                      const double* weights) {
  const BatchLines& lines = problem.columns;
  if (is_linear(problem)) {
    const double product = column_product(lines, i, j, weights);
    return weights == nullptr ? problem.bound * product : product;
  }
  if (i == j) return problem.diagonal[i];
  const std::int64_t end = lines.starts[i + 1];
  const std::int64_t at = lower_entry(lines.indices, lines.starts[i], end, j);
  return at < end && lines.indices[at] == j ? lines.values[at] : 0;
}

/// Entry `number` of a triangle with its diagonal, row by row.
struct TrianglePlace {
  Index row = 0;
  Index column = 0;
};
ASHLAR_HOST_DEVICE TrianglePlace triangle_place(std::int64_t number) {
  auto row = static_cast<std::int64_t>((sqrt(8.0 * static_cast<double>(number) + 1) - 1) / 2);
  while (row * (row + 1) / 2 > number) --row;
  while ((row + 1) * (row + 2) / 2 <= number) ++row;
  return {static_cast<Index>(row), static_cast<Index>(number - row * (row + 1) / 2)};
}

/// A worker's entries of H_bb.
ASHLAR_HOST_DEVICE void assemble_part(const BatchProblem& problem, const Index* block, Index k,
                                      const double* weights, double* matrix, const Worker& w) {
  const std::int64_t entries = static_cast<std::int64_t>(k) * (k + 1) / 2;
  for (std::int64_t e = w.rank(); e < entries; e += w.count()) {
    const TrianglePlace at = triangle_place(e);
    const double entry = bound_entry(problem, block[at.row], block[at.column], weights);
    matrix[static_cast<std::int64_t>(at.column) * k + at.row] = entry;
    matrix[static_cast<std::int64_t>(at.row) * k + at.column] = entry;
  }
}

/// What a worker adds to f(x) with a signed penalty of `lambda`; or from_optimum, which must be
/// known, to the gap: 0.5 (x - x*)'H(x - x*) + g*'(x - x*) with the penalty, as
/// ReferenceObjective::distance().
ASHLAR_HOST_DEVICE double value_part(const BatchProblem& problem, bool from_optimum, double lambda,
                                     const double* x, const double* scores, const Worker& w) {
  double sum = 0;
  if (is_linear(problem)) {
    const OwnPart own = own_part(problem.rows, w.block, w.blocks);
    ASHLAR_NO_UNROLL
    for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
      if (from_optimum) {
        const double difference = scores[r] - problem.optimum_scores[r];
        sum += 0.5 * difference * difference;
      } else {
        sum += row_loss(problem.loss, scores[r], problem.targets[r]);
      }
    }
    if (!from_optimum && problem.slope == 0 && lambda == 0) return sum;
  }
  ASHLAR_NO_UNROLL
  for (Index i = w.rank(); i < problem.size; i += w.count()) {
    const double product = is_linear(problem) ? 0 : quadratic_row(problem, i, x);
    if (from_optimum) {
      const double d = x[i] - problem.optimum_x[i];
      const double slope = problem.optimum_gradient[i];
      if (!is_linear(problem)) {
        sum += 0.5 * d * (product - problem.targets[i] + problem.slope - slope);
      }
      sum += slope * d + lambda * (fabs(x[i]) - fabs(problem.optimum_x[i]));
    } else {
      if (!is_linear(problem)) sum += x[i] * (0.5 * product - problem.targets[i]);
      sum += problem.slope * x[i] + lambda * fabs(x[i]);
    }
  }
  return sum;
}

/// The iterate is moved by share * step in the block: x, and scores, slopes and what else is kept
/// of rows. Scores are computed anew from x where `renew`.
template <class Team>
ASHLAR_KERNEL_CODE void commit_move(Team& team, const BatchProblem& problem,
                                    const TeamMemory& memory, double* x, const Index* block,
                                    Index k, double share, bool renew) {
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < k; j += w.count()) x[block[j]] += share * memory.step[j];
  });
  if (!is_linear(problem)) return;
  team.each([&](const Worker& w) {
    const OwnPart own = own_part(problem.rows, w.block, w.blocks);
    ASHLAR_NO_UNROLL
    for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
      const double score =
          renew ? row_product(problem, r, x) : memory.scores[r] + share * memory.moved[r];
      memory.scores[r] = score;
      memory.slopes[r] = row_slope(problem.loss, score, problem.targets[r]);
    }
  });
}

/// memory.moved = A_b step: column after column, in which no row is twice, each block its own rows.
template <class Team>
ASHLAR_KERNEL_CODE void scatter_step(Team& team, const BatchProblem& problem,
                                     const TeamMemory& memory, const Index* block, Index k) {
  if (!is_linear(problem)) return;
  const BatchLines& columns = problem.columns;
  team.each_block([&](const Worker& w) {
    const OwnPart own = own_part(problem.rows, w.block, w.blocks);
    std::int64_t* const bounds =
        memory.bounds + static_cast<std::int64_t>(w.block) * 2 * memory.most_block;
    for (Index r = own.begin + w.thread; r < own.end; r += w.threads) memory.moved[r] = 0;
    for (Index j = w.thread; j < k; j += w.threads) {
      std::int64_t begin = columns.starts[block[j]];
      std::int64_t end = columns.starts[block[j] + 1];
      if (w.blocks > 1) {
        begin = lower_entry(columns.indices, begin, end, own.begin);
        end = lower_entry(columns.indices, begin, end, own.end);
      }
      bounds[2 * j] = begin;
      bounds[2 * j + 1] = end;
    }
  });
  for (Index j = 0; j < k; ++j) {
    team.each_block([&](const Worker& w) {
      const std::int64_t* const bounds =
          memory.bounds + static_cast<std::int64_t>(w.block) * 2 * memory.most_block;
      const double step = memory.step[j];
      for (std::int64_t e = bounds[2 * j] + w.thread; e < bounds[2 * j + 1]; e += w.threads) {
        memory.moved[columns.indices[e]] += step * columns.values[e];
      }
    });
  }
}

}  // namespace ashlar::bcd::kernel
