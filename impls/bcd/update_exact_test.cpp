// Exact block minimisation: message passing and the dense factorisation on quadratics.
#include <catch2/catch.hpp>
#include <stdexcept>

#include "impls/bcd/test_update.hpp"
#include "impls/bcd/theory.hpp"
#include "impls/bcd/update.hpp"

namespace ashlar::bcd {
namespace update_exact_tests {

using namespace testing;

bool is_forest(const SymmetricMatrix& matrix, Block block) {
  // Repeatedly drops a node with at most one neighbour: everything goes, or there is a cycle.
  std::vector<Index> left(block.begin(), block.end());
  while (!left.empty()) {
    const auto leaf = std::find_if(left.begin(), left.end(), [&](Index node) {
      const auto others = matrix.rest.indices_of(node);
      return std::count_if(left.begin(), left.end(), [&](Index other) {
               return std::find(others.begin(), others.end(), other) != others.end();
             }) <= 1;
    });
    if (leaf == left.end()) return false;
    left.erase(leaf);
  }
  return true;
}

TEST_CASE(
    "exact updates: message passing makes the block's gradient 0, as the factorisation does") {
  Draws draws(71);
  int forests = 0;
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const Problem problem = random_problem(Loss::quadratic, 0, 14, 1, seed, 0.1);
    const auto objective = make_reference_objective(problem);
    const auto passing = make_update(rule_of(Update::message_passing), *objective);
    const auto dense = make_update(rule_of(Update::dense_exact), *objective);
    for (int round = 0; round < 20; ++round) {
      const std::vector<double> start = draws.vector(14, 3);
      const std::vector<Index> block = random_block(14, below(draws, 15), draws);
      objective->set_x(start);
      const double promised = exact_progress(*objective, block);
      const double before = norm_of(block_gradient(*objective, block));
      if (!is_forest(*problem.matrix, block)) {
        ++refused;
        CHECK_THROWS_AS(passing->update(*objective, block), std::invalid_argument);
        CHECK(std::equal(start.begin(), start.end(), objective->x().begin()));
        continue;
      }
      ++forests;
      CHECK(update_fault(*passing, *objective, block, promised) == "");
      CHECK(norm_of(block_gradient(*objective, block)) <= 1e-13 * (1 + before) * 14);
      const std::vector<double> passed(objective->x().begin(), objective->x().end());
      objective->set_x(start);
      dense->update(*objective, block);
      CHECK(relative_difference(passed, objective->x()) < 1e-12);
    }
  }
  CHECK(forests > 50);
  CHECK(refused > 50);
}

TEST_CASE("exact updates: orders are kept by what a block is, not by where it lies") {
  const Problem problem = random_problem(Loss::quadratic, 0, 9, 1, 3, 0.0);  // a path
  const auto objective = make_reference_objective(problem);
  Rule rule = rule_of(Update::message_passing);
  rule.partition = Partition::trees;
  rule.selection = Selection::cyclic;
  const auto update = make_update(rule, *objective);
  Draws draws(73);
  std::vector<Index> block;
  block.reserve(9);
  const std::vector<Index> contents[] = {{0, 1, 2, 3}, {8, 2, 1, 5}, {3, 2, 1, 0}, {0, 1, 2, 3}};
  for (const std::vector<Index>& content : contents) {
    block = content;  // in the same memory
    objective->set_x(draws.vector(9));
    update->update(*objective, block);
    CHECK(norm_of(block_gradient(*objective, block)) < 1e-13);
  }
}

TEST_CASE("exact updates: least squares with a column that is there twice") {
  Problem problem;
  problem.features = std::make_shared<const FeatureMatrix>(
      features_from_dense(3, 3, std::vector<double>{1, 1, 2, -1, -1, 0.5, 3, 3, 1}));
  problem.targets = {1, 2, 3};
  const auto objective = make_reference_objective(problem);
  for (const Update kind : {Update::dense_exact, Update::matrix, Update::newton}) {
    objective->set_x(std::vector<double>(3, 0.0));
    make_update(rule_of(kind), *objective)->update(*objective, every_coordinate(3));
    CHECK(norm_of(block_gradient(*objective, every_coordinate(3))) < 1e-12);
    CHECK(norm_of(objective->x()) < 10);
  }
}

}  // namespace update_exact_tests
}  // namespace ashlar::bcd
