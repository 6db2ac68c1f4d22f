#pragma once
// Losses, gradients and blocks of H for runs of a batch on a GPU. Internal. Sums go in the order in
// which the reference adds them.
#include <cmath>

#include "impls/bcd/cuda_batch_softmax.hpp"

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

/// (A V)_r of the class whose numbers begin at v.
ASHLAR_HOST_DEVICE double row_product(const BatchProblem& problem, Index r, const double* v) {
  double sum = 0;
  for (std::int64_t e = problem.by_row.starts[r]; e < problem.by_row.starts[r + 1]; ++e) {
    sum += problem.by_row.values[e] * v[problem.by_row.indices[e] * problem.classes];
  }
  return sum;
}

/// Derivative i at x, of which `slopes` are the losses'.
ASHLAR_HOST_DEVICE double derivative(const BatchProblem& problem, Index i, const double* x,
                                     const double* slopes) {
  if (!is_linear(problem)) {
    return quadratic_row(problem, i, x) - problem.targets[i] + problem.slope;
  }
  const ClassPlace at = class_place(problem, i);
  double sum = 0;
  for (std::int64_t e = problem.columns.starts[at.line]; e < problem.columns.starts[at.line + 1];
       ++e) {
    sum += problem.columns.values[e] *
           slopes[slope_place(problem, problem.columns.indices[e], at.of_class)];
  }
  return sum + problem.slope;
}

/// The line at `place` times the numbers from v on, `stride` apart.
ASHLAR_HOST_DEVICE double sliced_product(const SlicedLines& sliced, Index place, const double* v,
                                         Index stride) {
  const Index slice = place >> sliced.shift;
  const std::int64_t first = sliced.starts[slice] + (place - (slice << sliced.shift));
  const Index* index = sliced.indices + first;
  const double* value = sliced.values + first;
  const Index step = Index{1} << sliced.shift;
  double sum = 0;
  for (Index left = sliced.lengths[place]; left > 0; --left) {
    sum += *value * v[*index * stride];
    value += step;
    index += step;
  }
  return sum;
}

/// Coordinate `number` in the order in which threads take them, so that neighbours share a line or
/// have lines of a slice.
struct SlicedPlace {
  ClassPlace at;  // the line's place in the slices
  Index i = 0;    // the coordinate
};
ASHLAR_HOST_DEVICE SlicedPlace sliced_place(const BatchProblem& problem, Index number) {
  const ClassPlace at = class_place(problem, number);
  return {at, problem.sliced.lines[at.line] * problem.classes + at.of_class};
}

/// The derivative of a place in the slices, the same sum.
ASHLAR_HOST_DEVICE double sliced_derivative(const BatchProblem& problem, const SlicedPlace& place,
                                            const double* x, const double* slopes) {
  const double sum =
      sliced_product(problem.sliced, place.at.line,
                     is_linear(problem) ? slopes + place.at.of_class : x, problem.classes);
  if (is_linear(problem)) return sum + problem.slope;
  const Index i = place.i;
  return problem.diagonal[i] * x[i] + sum - problem.targets[i] + problem.slope;
}

/// sum_r weight_r a_ri a_rj over the columns of two coordinates; all weights are 1 where null.
ASHLAR_HOST_DEVICE double column_product(const BatchProblem& problem, const ClassPlace& one,
                                         const ClassPlace& other, const double* weights) {
  const BatchLines& columns = problem.columns;
  double sum = 0;
  std::int64_t at_i = columns.starts[one.line];
  std::int64_t at_j = columns.starts[other.line];
  const std::int64_t end_i = columns.starts[one.line + 1];
  const std::int64_t end_j = columns.starts[other.line + 1];
  ASHLAR_NO_UNROLL
  while (at_i < end_i && at_j < end_j) {
    const Index row_i = columns.indices[at_i];
    const Index row_j = columns.indices[at_j];
    if (row_i == row_j) {
      const double product = columns.values[at_i] * columns.values[at_j];
      sum += weights == nullptr
                 ? product
                 : row_weight(problem, weights, row_i, one.of_class, other.of_class) * product;
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

/// M_ij.
ASHLAR_HOST_DEVICE double quadratic_entry(const BatchProblem& problem, Index i, Index j) {
  const BatchLines& lines = problem.columns;
  if (i == j) return problem.diagonal[i];
  const std::int64_t end = lines.starts[i + 1];
  const std::int64_t at = lower_entry(lines.indices, lines.starts[i], end, j);
  return at < end && lines.indices[at] == j ? lines.values[at] : 0;
}

/// H_ij of a block with this class_share(), or with weights the Hessian's.
ASHLAR_HOST_DEVICE double bound_entry(const BatchProblem& problem, Index i, Index j, double share,
                                      const double* weights) {
  if (!is_linear(problem)) return quadratic_entry(problem, i, j);
  const ClassPlace one = class_place(problem, i);
  const ClassPlace other = class_place(problem, j);
  const double product = column_product(problem, one, other, weights);
  if (weights != nullptr) return product;
  return problem.bound * product * ((one.of_class == other.of_class ? 1 : 0) - share);
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
                                      double share, const double* weights, double* matrix,
                                      const Worker& w) {
  const std::int64_t entries = static_cast<std::int64_t>(k) * (k + 1) / 2;
  for (std::int64_t e = w.rank(); e < entries; e += w.count()) {
    const TrianglePlace at = triangle_place(e);
    const double entry = bound_entry(problem, block[at.row], block[at.column], share, weights);
    matrix[static_cast<std::int64_t>(at.column) * k + at.row] = entry;
    matrix[static_cast<std::int64_t>(at.row) * k + at.column] = entry;
  }
}

/// What a worker adds to f(x) with a signed penalty of `lambda`; or from_optimum, which must be
/// known, to the gap: 0.5 (x - x*)'H(x - x*) + g*'(x - x*) with the penalty, as
/// ReferenceObjective::distance().
ASHLAR_HOST_DEVICE double value_part(const BatchProblem& problem, bool from_optimum, double lambda,
                                     const double* x, const TeamMemory& memory, const Worker& w) {
  double sum = 0;
  if (is_linear(problem)) {
    const OwnPart own = own_part(problem.rows, w.block, w.blocks);
    ASHLAR_NO_UNROLL
    for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
      if (from_optimum) {
        const double difference = memory.scores[r] - problem.optimum_scores[r];
        sum += 0.5 * difference * difference;
      } else {
        sum += memory.losses[r];
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

/// The loss of a row whose scores are moved by share * memory.moved.
ASHLAR_HOST_DEVICE double moved_row_loss(const BatchProblem& problem, const TeamMemory& memory,
                                         Index r, double share) {
  if (problem.classes > 1) return softmax_loss(problem, memory, r, share);
  return row_loss(problem.loss, memory.scores[r] + share * memory.moved[r], problem.targets[r]);
}

/// What is kept of rows, from their scores: losses, slopes, and curvatures where `curved`.
template <class Team>
ASHLAR_KERNEL_CODE void evaluate_rows(Team& team, const BatchProblem& problem,
                                      const TeamMemory& memory, bool curved) {
  if (!is_linear(problem)) return;
  team.each([&](const Worker& w) {
    const OwnPart own = own_part(problem.rows, w.block, w.blocks);
    ASHLAR_NO_UNROLL
    for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
      if (problem.classes > 1) {
        evaluate_softmax_row(problem, memory, r, curved);
        continue;
      }
      const double score = memory.scores[r];
      const double target = problem.targets[r];
      memory.losses[r] = row_loss(problem.loss, score, target);
      memory.slopes[r] = row_slope(problem.loss, score, target);
      if (curved) memory.curvatures[r] = row_curvature(score, target);
    }
  });
}

/// out = A V, where scores are.
template <class Team>
ASHLAR_KERNEL_CODE void row_products(Team& team, const BatchProblem& problem, const double* v,
                                     double* out) {
  team.each([&](const Worker& w) {
    const OwnPart own = own_part(problem.rows, w.block, w.blocks);
    // Neighbouring threads have classes of a row.
    ASHLAR_NO_UNROLL
    for (Index e = own.begin * problem.classes + w.thread; e < own.end * problem.classes;
         e += w.threads) {
      const ClassPlace at = class_place(problem, e);
      out[score_place(problem, at.line, at.of_class)] =
          row_product(problem, at.line, v + at.of_class);
    }
  });
}

/// The iterate is moved by share * step in the block: x and scores, which are computed anew from x
/// where `renew`.
template <class Team>
ASHLAR_KERNEL_CODE void commit_move(Team& team, const BatchProblem& problem,
                                    const TeamMemory& memory, double* x, const Index* block,
                                    Index k, double share, bool renew) {
  const bool linear = is_linear(problem);
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < k; j += w.count()) x[block[j]] += share * memory.step[j];
    if (!linear || renew) return;
    const OwnPart own = own_part(problem.rows, w.block, w.blocks);
    for (Index c = 0; c < problem.classes; ++c) {
      ASHLAR_NO_UNROLL
      for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
        const Index at = score_place(problem, r, c);
        memory.scores[at] += share * memory.moved[at];
      }
    }
  });
  if (linear && renew) row_products(team, problem, x, memory.scores);
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
    for (Index c = 0; c < problem.classes; ++c) {
      for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
        memory.moved[score_place(problem, r, c)] = 0;
      }
    }
    for (Index j = w.thread; j < k; j += w.threads) {
      const Index line = class_place(problem, block[j]).line;
      std::int64_t begin = columns.starts[line];
      std::int64_t end = columns.starts[line + 1];
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
      const Index of_class = class_place(problem, block[j]).of_class;
      for (std::int64_t e = bounds[2 * j] + w.thread; e < bounds[2 * j + 1]; e += w.threads) {
        memory.moved[score_place(problem, columns.indices[e], of_class)] +=
            step * columns.values[e];
      }
    });
  }
}

}  // namespace ashlar::bcd::kernel
