#include "impls/bcd/selection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace ashlar::bcd {

Mersenne stream_of(const Rule& rule) {
  if (rule.published_draws) return *rule.published_draws;
  return Mersenne(static_cast<std::uint32_t>(rule.seed ^ (rule.seed >> 32)));
}

void require_number(double score, Index place) {
  if (std::isnan(score)) {
    throw std::runtime_error(
        fmt::format("selection: score {} is not a number: x has diverged", place));
  }
}

TopCoordinates::TopCoordinates(Index size, Index count, const RuleTools& tools)
    : count_(count), order_(size), tools_(tools) {
  std::iota(order_.begin(), order_.end(), 0);
}

Block TopCoordinates::of(std::span<const double> scores) {
  if (tools_.top && tools_.top(scores, count_, order_)) return order_;
  bool idle = true;
  for (std::size_t place = 0; place < scores.size(); ++place) {
    require_number(scores[place], static_cast<Index>(place));
    idle = idle && scores[place] == 0;
  }
  if (idle) return {};
  const auto chosen = order_.begin() + count_;
  if (chosen != order_.end()) {
    std::nth_element(order_.begin(), chosen, order_.end(), [&](Index one, Index other) {
      return scores[one] > scores[other] || (scores[one] == scores[other] && one < other);
    });
  }
  std::sort(order_.begin(), chosen);
  return Block(order_).first(count_);
}

Index cube_root(Index size) {
  const auto cube = [](std::int64_t k) { return k * k * k; };
  auto root = static_cast<Index>(std::cbrt(static_cast<double>(size)));
  while (cube(root) > size) --root;
  while (cube(root + 1) <= size) ++root;
  return root;
}

std::unique_ptr<SelectionRule> make_selection(const Rule& rule, const Blocks& blocks,
                                              Objective& objective) {
  return make_selection(rule, blocks, objective, {});
}

std::unique_ptr<SelectionRule> make_selection(const Rule& rule, const Blocks& blocks,
                                              Objective& objective, const RuleTools& tools) {
  validate(rule, objective.problem());
  const bool variable = rule.partition == Partition::variable;
  if (variable != blocks.empty()) {
    throw std::invalid_argument(
        variable ? "selection: blocks are given, but the rule's partition is 'variable'"
                 : "selection: no blocks are given; make_blocks() makes those of the rule");
  }
  switch (rule.selection) {
    case Selection::random:
    case Selection::cyclic:
    case Selection::lipschitz:
      return select_without_gradient(rule, blocks, objective);
    case Selection::greedy_tree:
    case Selection::random_tree:
      return select_forest(rule, objective);
    default:
      return variable ? select_variable(rule, objective, tools)
                      : select_fixed(rule, blocks, objective);
  }
}

}  // namespace ashlar::bcd
