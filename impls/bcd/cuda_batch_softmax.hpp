#pragma once
// Softmax regression in runs of a batch on a GPU: where its coordinates and scores are, the losses
// of rows, what classes are in the bound. Internal; reference_softmax.cpp and losses.hpp have what
// they equal. Every other loss has one class.
#include <cmath>

#include "impls/bcd/cuda_batch_team.hpp"

namespace ashlar::bcd::kernel {

/// A line, column or row, and a class of it.
struct ClassPlace {
  Index line = 0;
  Index of_class = 0;
};
/// Where coordinate `number` is: x is features x classes, row by row.
ASHLAR_HOST_DEVICE ClassPlace class_place(const BatchProblem& problem, Index number) {
  if (problem.classes == 1) return {number, 0};
  return {number / problem.classes, number % problem.classes};
}

/// Class by class: threads that have a row each read beside each other.
ASHLAR_HOST_DEVICE Index score_place(const BatchProblem& problem, Index r, Index c) {
  return c * problem.rows + r;
}
/// Row by row: threads that have a class of a feature each read beside each other.
ASHLAR_HOST_DEVICE Index slope_place(const BatchProblem& problem, Index r, Index c) {
  return r * problem.classes + c;
}

/// Of a row's scores: the largest, and exp(score - largest) of all others together.
struct SoftmaxSums {
  Index largest = 0;  // its class
  double top = 0;
  double others = 0;
};

/// A score that is moved by share * memory.moved, of which nothing is read where share = 0.
ASHLAR_HOST_DEVICE double moved_score(const BatchProblem& problem, const TeamMemory& memory,
                                      Index r, Index c, double share) {
  const Index at = score_place(problem, r, c);
  return share == 0 ? memory.scores[at] : memory.scores[at] + share * memory.moved[at];
}

ASHLAR_HOST_DEVICE SoftmaxSums softmax_sums(const BatchProblem& problem, const TeamMemory& memory,
                                            Index r, double share) {
  SoftmaxSums sums;
  sums.top = moved_score(problem, memory, r, 0, share);
  for (Index c = 1; c < problem.classes; ++c) {
    const double score = moved_score(problem, memory, r, c, share);
    if (!(score > sums.top)) continue;
    sums.top = score;
    sums.largest = c;
  }
  ASHLAR_NO_UNROLL
  for (Index c = 0; c < problem.classes; ++c) {
    const double part = exp(moved_score(problem, memory, r, c, share) - sums.top);
    if (c != sums.largest) sums.others += part;
  }
  return sums;
}

ASHLAR_HOST_DEVICE double softmax_loss(const BatchProblem& problem, const TeamMemory& memory,
                                       Index r, double share) {
  const SoftmaxSums sums = softmax_sums(problem, memory, r, share);
  const auto target = static_cast<Index>(problem.targets[r]);
  return sums.top - moved_score(problem, memory, r, target, share) + log1p(sums.others);
}

/// 1 - p without cancellation, where the complement of the row's largest probability is known.
ASHLAR_HOST_DEVICE double one_minus(double p, double complement) {
  return p > 0.5 ? complement : 1 - p;
}

/// Behind the probabilities of all rows: 1 minus the largest of each.
ASHLAR_HOST_DEVICE Index complement_place(const BatchProblem& problem, Index r) {
  return problem.rows * problem.classes + r;
}

/// The row's loss and slopes, probabilities - y, from its scores; where `curved` what row_weight()
/// is made of.
ASHLAR_HOST_DEVICE void evaluate_softmax_row(const BatchProblem& problem, const TeamMemory& memory,
                                             Index r, bool curved) {
  const SoftmaxSums sums = softmax_sums(problem, memory, r, 0);
  const auto target = static_cast<Index>(problem.targets[r]);
  const double all = 1 + sums.others;
  const double complement = sums.others / all;
  ASHLAR_NO_UNROLL
  for (Index c = 0; c < problem.classes; ++c) {
    const double score = memory.scores[score_place(problem, r, c)];
    const double p = exp(score - sums.top) / all;
    const Index at = slope_place(problem, r, c);
    memory.slopes[at] = c == target ? -one_minus(p, complement) : p;
    if (curved) memory.curvatures[at] = p;
  }
  memory.losses[r] = sums.top - memory.scores[score_place(problem, r, target)] + log1p(sums.others);
  if (curved) memory.curvatures[complement_place(problem, r)] = complement;
}

/// The second derivative of row r's loss in its scores of two classes; `curvatures` are the
/// memory's.
ASHLAR_HOST_DEVICE double row_weight(const BatchProblem& problem, const double* curvatures, Index r,
                                     Index one, Index other) {
  const double p = curvatures[slope_place(problem, r, one)];
  if (problem.classes == 1) return p;
  if (one == other) return p * one_minus(p, curvatures[complement_place(problem, r)]);
  return -p * curvatures[slope_place(problem, r, other)];
}

/// memory.centred = memory.moved (I - 11'/K): from each row its mean.
template <class Team>
ASHLAR_KERNEL_CODE void centre_rows(Team& team, const BatchProblem& problem,
                                    const TeamMemory& memory) {
  team.each([&](const Worker& w) {
    const OwnPart own = own_part(problem.rows, w.block, w.blocks);
    for (Index r = own.begin + w.thread; r < own.end; r += w.threads) {
      double sum = 0;
      for (Index c = 0; c < problem.classes; ++c) sum += memory.moved[score_place(problem, r, c)];
      const double mean = sum / problem.classes;
      for (Index c = 0; c < problem.classes; ++c) {
        memory.centred[slope_place(problem, r, c)] =
            memory.moved[score_place(problem, r, c)] - mean;
      }
    }
  });
}

/// For class_share() of the block, where the loss has classes.
template <class Team>
ASHLAR_KERNEL_CODE void count_classes(Team& team, const BatchProblem& problem,
                                      const TeamMemory& memory, const Index* block, Index k) {
  if (problem.classes == 1) return;
  std::uint32_t& found = memory.scalars->classes;
  team.each([&](const Worker& w) {
    for (Index c = w.rank(); c < problem.classes; c += w.count()) memory.class_counts[c] = 0;
    if (w.rank() == 0) found = 0;
  });
  team.each([&](const Worker& w) {
    for (Index j = w.rank(); j < k; j += w.count()) {
      const Index of_class = class_place(problem, block[j]).of_class;
      if (take_number(&memory.class_counts[of_class]) == 0) add_count(&found, 1);
    }
  });
}

/// 1/q in the block's bound, 0.5 (A'A)_ff' (I - 11'/q)_cc': the classes that are not in the block
/// act as one, q counts it. 0 where the loss has no classes.
ASHLAR_HOST_DEVICE double class_share(const BatchProblem& problem, const TeamMemory& memory) {
  if (problem.classes == 1) return 0;
  const auto in_block = static_cast<Index>(memory.scalars->classes);
  return 1.0 / (in_block < problem.classes ? in_block + 1 : problem.classes);
}

}  // namespace ashlar::bcd::kernel
