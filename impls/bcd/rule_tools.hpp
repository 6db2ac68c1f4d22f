#pragma once
// The small computations inside rules of which the optimized tier has another form. What is left
// empty is done as the reference does it.
#include <functional>
#include <span>
#include <vector>

#include "impls/bcd/rule.hpp"

namespace ashlar::bcd {

struct RuleTools {
  /// lambda_max of a symmetric positive semidefinite k x k matrix, as largest_eigenvalue().
  std::function<double(std::span<const double> matrix, Index k)> largest_eigenvalue;
  /// The indices of the `count` largest scores, rising, ties to the lowest. False where all scores
  /// are 0 or one is not a number.
  std::function<bool(std::span<const double> scores, Index count, std::vector<Index>& chosen)> top;
  /// Keep the factorised H_b of fixed blocks: k^2 numbers for each block that was used.
  bool keep_factors = false;
};

std::unique_ptr<SelectionRule> make_selection(const Rule& rule, const Blocks& blocks,
                                              Objective& objective, const RuleTools& tools);
std::unique_ptr<UpdateRule> make_update(const Rule& rule, Objective& objective,
                                        const RuleTools& tools);

}  // namespace ashlar::bcd
