#pragma once
// The selection rules by topic; make_selection() of rule.hpp chooses among them. Only the greedy
// ones ask the objective for its gradient. None allocates once its buffers have been filled.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), sections 3 (rules), 4 (variable blocks) and 5
// (forests).
#include <memory>
#include <span>
#include <vector>

#include "impls/bcd/mersenne.hpp"
#include "impls/bcd/rule_tools.hpp"

namespace ashlar::bcd {

/// random, cyclic, lipschitz: for fixed blocks, and for variable ones where `blocks` is empty.
std::unique_ptr<SelectionRule> select_without_gradient(const Rule& rule, const Blocks& blocks,
                                                       Objective& objective);
/// random with variable blocks, and lipschitz, by the calls of the published code.
std::unique_ptr<SelectionRule> select_as_published(const Rule& rule, const Blocks& blocks,
                                                   Objective& objective);
/// gs, gsl, gsd, gsq, gsq_nonnegative, maximum_improvement: the block with the largest score, the
/// first of them on ties.
std::unique_ptr<SelectionRule> select_fixed(const Rule& rule, const Blocks& blocks,
                                            Objective& objective);
/// gs, gsl, gsd, gsq, gsq_nonnegative, general: coordinates with the largest scores, the lowest
/// indices on ties.
std::unique_ptr<SelectionRule> select_variable(const Rule& rule, Objective& objective,
                                               const RuleTools& tools);
/// greedy_tree, random_tree.
std::unique_ptr<SelectionRule> select_forest(const Rule& rule, Objective& objective);

/// As published: keeps H_b + 1e-10 I invertible where columns are the same.
inline constexpr double kRootRidge = 1e-10;

/// The generator of a rule: its published draws, or a new one. Seeds below 2^32 are those of
/// NumPy's RandomState.
Mersenne stream_of(const Rule& rule);

/// The coordinates with the largest of p scores.
class TopCoordinates {
 public:
  TopCoordinates(Index size, Index count, const RuleTools& tools);
  /// Rising; ties go to the lower index. Empty where all scores are 0. Throws std::runtime_error
  /// for a score that is not a number.
  Block of(std::span<const double> scores);

 private:
  Index count_;
  std::vector<Index> order_;
  RuleTools tools_;
};

/// Throws std::runtime_error where the score is not a number: x has diverged.
void require_number(double score, Index place);

/// The largest k with k^3 <= size: the size of the blocks of `general`.
Index cube_root(Index size);

/// What a projected step to max(0, x - g / L) gains in the bound g d + 0.5 L d^2; at least 0.
inline double nonnegative_gain(double x, double gradient, double lipschitz) {
  const double newton = -gradient / lipschitz;
  const double step = newton < -x ? -x : newton;
  return -(gradient * step + 0.5 * lipschitz * step * step);
}

}  // namespace ashlar::bcd
