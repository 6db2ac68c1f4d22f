#pragma once
// What the tests of updates share: objectives at random points, random blocks, and the check of
// promised decreases.
#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "impls/bcd/rule.hpp"
#include "impls/bcd/test_dense.hpp"

namespace ashlar::bcd::testing {

/// k coordinates below `size` in random order, no one twice.
inline std::vector<Index> random_block(Index size, Index k, Draws& draws) {
  std::vector<Index> block(static_cast<std::size_t>(size));
  for (Index i = 0; i < size; ++i) block[i] = i;
  for (Index i = 0; i < k; ++i) std::swap(block[i], block[i + below(draws, size - i)]);
  block.resize(static_cast<std::size_t>(k));
  return block;
}

inline std::vector<Index> every_coordinate(Index size) {
  std::vector<Index> block(static_cast<std::size_t>(size));
  for (Index i = 0; i < size; ++i) block[i] = i;
  return block;
}

/// A rule that any problem takes with this update; blocks are then given by hand.
inline Rule rule_of(Update update) {
  Rule rule;
  rule.update = update;
  rule.selection = update == Update::message_passing ? Selection::random_tree : Selection::random;
  rule.block_size = 1;
  return rule;
}

inline std::vector<double> block_gradient(Objective& objective, Block block) {
  std::vector<double> g(block.size());
  objective.gradient_of(block, g);
  return g;
}

/// Empty, or by how much a step fell short of the decrease that it promised. Rounding of f is let
/// through.
inline std::string decrease_fault(double before, double after, double promised) {
  const double rounding = 1e-13 * (std::fabs(before) + std::fabs(after) + promised);
  if (before - after >= promised - rounding) return {};
  return "f fell by " + std::to_string(before - after) + ", promised were " +
         std::to_string(promised);
}

/// One update at the objective's x; the fault, if it decreased f by less than `promised`.
inline std::string update_fault(UpdateRule& update, Objective& objective, Block block,
                                double promised) {
  const double before = objective.value();
  update.update(objective, block);
  return decrease_fault(before, objective.value(), promised);
}

inline double norm_of(std::span<const double> v) { return std::sqrt(dot(v, v)); }

}  // namespace ashlar::bcd::testing
