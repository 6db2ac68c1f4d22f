// Blocks are those that NumPy 2.4 draws after numpy.random.seed(7), by the calls of the published
// code.
#include <catch2/catch.hpp>

#include "impls/bcd/selection.hpp"
#include "impls/bcd/test_selection.hpp"

namespace ashlar::bcd::testing {
namespace {

const std::vector<double> kWeights{1, 2, 30, 4, 5, 0.5, 70, 8, 9, 10, 11, 12};

/// A quadratic whose L_i are the first `size` weights.
Problem published_problem(Index size) {
  auto matrix = std::make_shared<SymmetricMatrix>();
  matrix->diagonal.assign(kWeights.begin(), kWeights.begin() + size);
  matrix->rest.starts.assign(static_cast<std::size_t>(size) + 1, 0);
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.linear.assign(static_cast<std::size_t>(size), 1.0);
  problem.matrix = matrix;
  return problem;
}

using Drawn = std::vector<std::vector<Index>>;

Drawn drawn_by(Rule rule, Index size, int count) {
  const Mersenne stream(7);
  rule.published_draws = &stream;
  const Problem problem = published_problem(size);
  const auto objective = make_reference_objective(problem);
  const Blocks blocks = make_blocks(rule, *objective);
  const auto selection = make_selection(rule, blocks, *objective);
  Drawn drawn;
  for (int draw = 0; draw < count; ++draw) {
    const Block block = selection->select(*objective, objective->lipschitz());
    drawn.emplace_back(block.begin(), block.end());
  }
  return drawn;
}

Drawn singles(const std::vector<Index>& places) {
  Drawn blocks;
  for (const Index place : places) blocks.push_back({place});
  return blocks;
}

TEST_CASE("published draws of fixed blocks are randint and choice", "[bcd]") {
  Rule rule{.partition = Partition::order, .selection = Selection::random, .block_size = 1};
  CHECK(drawn_by(rule, 6, 12) == singles({4, 1, 3, 3, 4, 1, 0, 1, 2, 2, 0, 4}));
  rule.selection = Selection::lipschitz;
  CHECK(drawn_by(rule, 6, 12) == singles({2, 3, 2, 2, 4, 2, 2, 2, 2, 2, 2, 3}));
  // Whatever the update estimates: all its estimates are 1 here.
  rule.update = Update::line_search;
  CHECK(drawn_by(rule, 6, 12) == singles({2, 3, 2, 2, 4, 2, 2, 2, 2, 2, 2, 3}));
}

TEST_CASE("published draws of variable blocks are permutations and choice", "[bcd]") {
  Rule rule{.selection = Selection::random, .block_size = 3};
  CHECK(drawn_by(rule, 12, 4) == Drawn{{2, 7, 10}, {1, 2, 5}, {2, 4, 6}, {2, 7, 11}});
  rule.selection = Selection::cyclic;
  CHECK(drawn_by(rule, 12, 5) == Drawn{{2, 7, 10}, {0, 1, 5}, {3, 8, 11}, {4, 6, 9}, {2, 7, 10}});
  rule.selection = Selection::lipschitz;
  rule.block_size = 5;
  CHECK(drawn_by(rule, 12, 4) ==
        Drawn{{2, 6, 7, 8, 11}, {1, 2, 6, 8, 10}, {1, 3, 6, 10, 11}, {2, 4, 6, 10, 11}});
}

TEST_CASE("published draws of forests skip a random x after the first", "[bcd]") {
  // Of a complete graph a forest has the two nodes that come first.
  Edges edges;
  for (Index one = 0; one < 9; ++one) {
    for (Index other = 0; other < one; ++other) edges.emplace_back(other, one);
  }
  const Problem problem = laplacian_problem(graph_of(9, edges));
  const auto objective = make_reference_objective(problem);
  Rule rule{.selection = Selection::random_tree, .update = Update::message_passing};
  const Mersenne stream(7);
  rule.published_draws = &stream;
  const auto selection = make_selection(rule, {}, *objective);
  for (const std::vector<Index>& expected : Drawn{{2, 7}, {2, 8}}) {
    const Block block = selection->select(*objective, objective->lipschitz());
    CHECK(std::vector<Index>(block.begin(), block.end()) == expected);
  }
}

TEST_CASE("published draws go on where the stream stands, and leave it there", "[bcd]") {
  Rule rule{.selection = Selection::random, .block_size = 3};
  const Problem problem = published_problem(12);
  const auto objective = make_reference_objective(problem);
  Mersenne stream(7);
  stream.permutation(12);
  rule.published_draws = &stream;
  for (int time = 0; time < 2; ++time) {
    const auto selection = make_selection(rule, {}, *objective);
    const Block block = selection->select(*objective, objective->lipschitz());
    CHECK(std::vector<Index>(block.begin(), block.end()) == std::vector<Index>{1, 2, 5});
  }
}

}  // namespace
}  // namespace ashlar::bcd::testing
