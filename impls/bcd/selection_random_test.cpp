// Rules that do not look at the gradient, and their draws.
#include <catch2/catch.hpp>
#include <map>
#include <numeric>

#include "impls/bcd/selection.hpp"
#include "impls/bcd/test_selection.hpp"
#include "impls/bcd/weight_tree.hpp"

namespace ashlar::bcd::testing {
namespace {

/// Exceeded once in 10^5 seeds at most, by the Wilson-Hilferty approximation.
double chi_square_limit(int degrees) {
  const double spread = 2.0 / (9.0 * degrees);
  const double root = 1 - spread + 4.27 * std::sqrt(spread);
  return degrees * root * root * root;
}

using RandomBlocks = std::vector<std::vector<Index>>;

RandomBlocks draws_of(const Rule& rule, Objective& objective, int count) {
  const Blocks blocks = make_blocks(rule, objective);
  const auto selection = make_selection(rule, blocks, objective);
  RandomBlocks drawn;
  for (int draw = 0; draw < count; ++draw) {
    drawn.push_back(copy_of(selection->select(objective, objective.lipschitz())));
  }
  return drawn;
}

std::vector<int> counts_of(const RandomBlocks& drawn, const Blocks& kinds) {
  std::vector<int> counts(kinds.size(), 0);
  for (const std::vector<Index>& block : drawn) {
    const auto kind = std::find(kinds.begin(), kinds.end(), block);
    REQUIRE(kind != kinds.end());
    ++counts[kind - kinds.begin()];
  }
  return counts;
}

Blocks pairs_of(Index size) {
  Blocks pairs;
  for (Index one = 0; one < size; ++one) {
    for (Index other = one + 1; other < size; ++other) pairs.push_back({one, other});
  }
  return pairs;
}

/// A quadratic with L_i = weights.
DenseObjective weighted(const std::vector<double>& weights) {
  auto matrix = std::make_shared<SymmetricMatrix>();
  matrix->diagonal = weights;
  matrix->rest.starts.assign(weights.size() + 1, 0);
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.linear.assign(weights.size(), 1.0);
  problem.matrix = matrix;
  return DenseObjective(problem);
}

TEST_CASE("sums of weights find places and come back to the same bits", "[bcd]") {
  const std::vector<double> weights{0.1, 0.7, 0, 0.3, 1e-9};
  WeightTree tree(weights);
  const double total = tree.total();
  CHECK(total == Approx(1.1 + 1e-9).epsilon(1e-15));
  CHECK(tree.find(0) == 0);
  CHECK(tree.find(0.0999 / 1.1) == 0);
  CHECK(tree.find(0.11 / 1.1) == 1);
  CHECK(tree.find(0.81 / 1.1) == 3);
  CHECK(tree.find(1 - 0x1p-53) == 4);
  tree.set(1, 0);
  tree.set(0, 0);
  tree.set(4, 0);
  CHECK(tree.find(0) == 3);
  CHECK(tree.find(1 - 0x1p-53) == 3);
  for (const Index place : {4, 0, 1}) tree.set(place, weights[place]);
  CHECK(tree.total() == total);
  WeightTree single(std::vector<double>{2});
  CHECK(single.find(0.5) == 0);
}

TEST_CASE("a place without weight is never found", "[bcd]") {
  std::vector<double> weights(37, 0.0);
  weights[5] = 1e-300;
  weights[20] = 1e300;
  const WeightTree tree(weights);
  Mersenne stream(3);
  for (int draw = 0; draw < 2000; ++draw) REQUIRE(tree.find(stream.uniform()) == 20);
  CHECK(tree.find(0) == 5);
}

TEST_CASE("cyclic selection walks fixed blocks in their order", "[bcd]") {
  DenseObjective objective = weighted({3, 1, 2, 6, 5, 4});
  const Rule rule{.partition = Partition::sort, .selection = Selection::cyclic, .block_size = 2};
  CHECK(draws_of(rule, objective, 5) == RandomBlocks{{1, 2}, {0, 5}, {4, 3}, {1, 2}, {0, 5}});
}

TEST_CASE("cyclic selection keeps one permutation", "[bcd]") {
  DenseObjective objective = weighted(std::vector<double>(12, 1.0));
  const Rule rule{.selection = Selection::cyclic, .block_size = 3};
  const RandomBlocks drawn = draws_of(rule, objective, 13);
  CHECK(partition_fault({drawn.begin(), drawn.begin() + 4}, 12).empty());
  for (std::size_t draw = 4; draw < drawn.size(); ++draw) CHECK(drawn[draw] == drawn[draw - 4]);
  // It is a permutation, NumPy's for that seed, and not the indices in order.
  std::vector<Index> start = Mersenne(1).permutation(12);
  start.resize(3);
  std::sort(start.begin(), start.end());
  CHECK(drawn[0] == start);
  const Rule short_last{.selection = Selection::cyclic, .block_size = 5, .allow_short_block = true};
  const RandomBlocks uneven = draws_of(short_last, objective, 6);
  CHECK(uneven[2].size() == 2);
  CHECK(partition_fault({uneven.begin(), uneven.begin() + 3}, 12).empty());
  CHECK(uneven[3] == uneven[0]);
  CHECK(draws_of({.selection = Selection::cyclic, .block_size = 12}, objective, 1)[0].size() == 12);
}

TEST_CASE("random blocks are uniform", "[bcd]") {
  DenseObjective objective = weighted(std::vector<double>(20, 1.0));
  const Rule rule{.partition = Partition::order, .selection = Selection::random, .block_size = 2};
  const std::vector<int> counts =
      counts_of(draws_of(rule, objective, 10000), make_blocks(rule, objective));
  CHECK(chi_square(counts, std::vector<double>(10, 0.1)) < chi_square_limit(9));
  // A biased draw is seen: one block twice as likely as the others.
  std::vector<double> biased(10, 1.0 / 11);
  biased[0] = 2.0 / 11;
  CHECK(chi_square(counts, biased) > chi_square_limit(9));
}

TEST_CASE("random coordinates are uniform over sets", "[bcd]") {
  DenseObjective objective = weighted({9, 1, 1, 1, 4});
  const std::vector<int> counts = counts_of(
      draws_of({.selection = Selection::random, .block_size = 2}, objective, 10000), pairs_of(5));
  CHECK(chi_square(counts, std::vector<double>(10, 0.1)) < chi_square_limit(9));
}

TEST_CASE("lipschitz blocks follow lambda_max of H_b", "[bcd]") {
  // Two blocks of equal trace: lambda_max 3 and 2.
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.linear.assign(4, 1.0);
  problem.matrix = std::make_shared<SymmetricMatrix>(
      symmetric_from_dense(4, {2, 1, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2}));
  DenseObjective objective(problem);
  Rule rule{.partition = Partition::order, .selection = Selection::lipschitz, .block_size = 2};
  const Blocks blocks = make_blocks(rule, objective);
  const std::vector<int> counts = counts_of(draws_of(rule, objective, 10000), blocks);
  CHECK(chi_square(counts, {0.6, 0.4}) < chi_square_limit(1));
  CHECK(chi_square(counts, {0.5, 0.5}) > chi_square_limit(1));
  // Whatever the update estimates.
  rule.update = Update::line_search;
  const auto selection = make_selection(rule, blocks, objective);
  RandomBlocks drawn;
  const std::vector<double> estimates{1, 8, 2, 1};
  for (int draw = 0; draw < 10000; ++draw) {
    drawn.push_back(copy_of(selection->select(objective, estimates)));
  }
  CHECK(counts_of(drawn, blocks) == counts);
}

TEST_CASE("lipschitz coordinates are drawn one after another without replacement", "[bcd]") {
  const std::vector<double> weights{1, 2, 3, 10};
  DenseObjective objective = weighted(weights);
  const Blocks pairs = pairs_of(4);
  std::vector<double> expected;
  for (const std::vector<Index>& pair : pairs) {
    const double one = weights[pair[0]] / 16;
    const double other = weights[pair[1]] / 16;
    expected.push_back(one * other / (1 - one) + one * other / (1 - other));
  }
  const std::vector<int> counts = counts_of(
      draws_of({.selection = Selection::lipschitz, .block_size = 2}, objective, 20000), pairs);
  CHECK(chi_square(counts, expected) < chi_square_limit(5));
  CHECK(chi_square(counts, std::vector<double>(6, 1.0 / 6)) > chi_square_limit(5));
}

TEST_CASE("rules without a gradient do not ask for it, repeat, and take any k", "[bcd]") {
  DenseObjective objective(dense_quadratic(12, 4));
  for (const Partition partition : {Partition::variable, Partition::average}) {
    for (const Selection selection : {Selection::random, Selection::cyclic, Selection::lipschitz}) {
      for (const Index k : {1, 4, 12}) {
        CAPTURE(name_of(partition), name_of(selection), k);
        Rule rule{.partition = partition, .selection = selection, .block_size = k, .seed = 5};
        const RandomBlocks drawn = draws_of(rule, objective, 40);
        for (std::vector<Index> block : drawn) {
          REQUIRE(static_cast<Index>(block.size()) == k);
          std::sort(block.begin(), block.end());
          REQUIRE(std::adjacent_find(block.begin(), block.end()) == block.end());
        }
        CHECK(drawn == draws_of(rule, objective, 40));
        rule.seed = 6;
        const bool chance =
            k < 12 && !(partition != Partition::variable && selection == Selection::cyclic);
        CHECK((drawn != draws_of(rule, objective, 40)) == chance);
      }
    }
  }
  CHECK(objective.gradients == 0);
}

TEST_CASE("seeds that differ above 32 bits are different seeds", "[bcd]") {
  DenseObjective objective(dense_quadratic(12, 4));
  const auto drawn = [&](std::uint64_t seed) {
    return draws_of({.selection = Selection::random, .block_size = 3, .seed = seed}, objective, 20);
  };
  CHECK(drawn(1) != drawn(1 + (std::uint64_t{1} << 40)));
}

TEST_CASE("blocks that do not belong to the partition are refused", "[bcd]") {
  DenseObjective objective(dense_quadratic(4, 4));
  const Blocks none;
  const Blocks some{{0, 1}, {2, 3}};
  CHECK_THROWS_AS(make_selection({.block_size = 2}, some, objective), std::invalid_argument);
  CHECK_THROWS_AS(make_selection({.partition = Partition::order, .block_size = 2}, none, objective),
                  std::invalid_argument);
}

}  // namespace
}  // namespace ashlar::bcd::testing
