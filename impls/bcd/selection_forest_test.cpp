// Forests that are grown anew, and the sizes of all graph blocks on the paper's lattice.
#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <stdexcept>

#include "impls/bcd/data.hpp"
#include "impls/bcd/selection.hpp"
#include "impls/bcd/test_selection.hpp"

namespace ashlar::bcd::testing {
namespace {

const Rule kGreedyTree{.selection = Selection::greedy_tree, .update = Update::message_passing};
const Rule kRandomTree{.selection = Selection::random_tree, .update = Update::message_passing};

std::vector<double> normals(Index size, std::uint32_t seed) {
  Mersenne stream(seed);
  std::vector<double> numbers(size);
  for (double& one : numbers) one = stream.normal();
  return numbers;
}

TEST_CASE("forests of random graphs are forests and take all that they can", "[bcd]") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    const auto size = static_cast<Index>(5 * seed);
    const Index edges = size > 5 ? static_cast<Index>(size * (seed % 5)) : 3;
    const SparseLines graph = graph_of(size, random_edges(size, edges, seed));
    DenseObjective objective(laplacian_problem(graph));
    for (Rule rule : {kGreedyTree, kRandomTree}) {
      rule.seed = seed;
      const auto selection = make_selection(rule, {}, objective);
      for (std::uint32_t time = 0; time < 5; ++time) {
        objective.fixed_gradient = normals(size, 100 * seed + time);
        const std::vector<Index> block =
            copy_of(selection->select(objective, objective.lipschitz()));
        CAPTURE(seed, time, name_of(rule.selection));
        REQUIRE(std::is_sorted(block.begin(), block.end()));
        REQUIRE(forest_fault(block, graph) == "");
        REQUIRE(maximal_fault(block, graph) == "");
        REQUIRE(partition_fault({block}, size).empty() ==
                (induced(block, graph).edges * 2 == graph.entries()));
      }
    }
  }
}

TEST_CASE("a greedy forest takes coordinates by the size of their gradient", "[bcd]") {
  // A square: the node with the smallest gradient stays out, the highest index on ties.
  DenseObjective objective(laplacian_problem(graph_of(5, {{0, 1}, {1, 2}, {2, 3}, {3, 0}})));
  const auto selection = make_selection(kGreedyTree, {}, objective);
  const auto take = [&](std::vector<double> gradient) {
    objective.fixed_gradient = std::move(gradient);
    return copy_of(selection->select(objective, objective.lipschitz()));
  };
  CHECK(take({3, -1, 2, 4, 0}) == std::vector<Index>{0, 2, 3, 4});
  CHECK(take({-3, 5, 2, 4, 0}) == std::vector<Index>{0, 1, 3, 4});
  CHECK(take({1, 1, -1, 1, 1}) == std::vector<Index>{0, 1, 2, 4});
  CHECK(take({0, 0, 0, 0, 0}).empty());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(take({1, nan, 1, 1, 1}), std::runtime_error);
}

TEST_CASE("a random forest does not ask for the gradient, and its seed repeats", "[bcd]") {
  DenseObjective objective(laplacian_problem(graph_of(40, random_edges(40, 120, 3))));
  const auto draws = [&](std::uint64_t seed) {
    Rule rule = kRandomTree;
    rule.seed = seed;
    const auto selection = make_selection(rule, {}, objective);
    Blocks drawn;
    for (int time = 0; time < 10; ++time) {
      drawn.push_back(copy_of(selection->select(objective, objective.lipschitz())));
    }
    return drawn;
  };
  CHECK(draws(1) == draws(1));
  CHECK(draws(1) != draws(2));
  CHECK(draws(1)[0] != draws(1)[1]);
  CHECK(objective.gradients == 0);
}

TEST_CASE("a triangle's random forest leaves each node out equally often", "[bcd]") {
  DenseObjective objective(laplacian_problem(graph_of(3, {{0, 1}, {1, 2}, {2, 0}})));
  const auto selection = make_selection(kRandomTree, {}, objective);
  std::vector<int> left_out(3, 0);
  for (int draw = 0; draw < 6000; ++draw) {
    const Block block = selection->select(objective, objective.lipschitz());
    REQUIRE(block.size() == 2);
    ++left_out[3 - block[0] - block[1]];
  }
  CHECK(chi_square(left_out, std::vector<double>(3, 1.0 / 3)) < 23);
  CHECK(chi_square(left_out, {0.4, 0.3, 0.3}) > 23);
}

TEST_CASE("graph blocks of the paper's lattice have the sizes of the sheet", "[bcd]") {
  const Problem problem = make_d();
  const auto objective = make_reference_objective(problem);
  REQUIRE(objective->size() == 2400);
  const SparseLines& graph = problem.matrix->rest;
  const auto sizes_of = [&](Partition partition) {
    const Blocks blocks =
        make_blocks({.partition = partition, .selection = Selection::cyclic}, *objective);
    CHECK(partition_fault(blocks, 2400).empty());
    std::vector<std::size_t> sizes;
    for (const auto& block : blocks) {
      CHECK(forest_fault(block, graph).empty());
      CHECK(independence_fault(block, graph).empty() == (partition == Partition::red_black));
      sizes.push_back(block.size());
    }
    return sizes;
  };
  // 1250 each without labels; "1200/1200" is rounded.
  CHECK(sizes_of(Partition::red_black) == std::vector<std::size_t>{1199, 1201});
  CHECK(sizes_of(Partition::trees) == std::vector<std::size_t>{1203, 1197});
}

TEST_CASE("random forests hold 64 % of the paper's lattice", "[bcd]") {
  const Problem problem = make_d();
  const auto objective = make_reference_objective(problem);
  const auto selection = make_selection(kRandomTree, {}, *objective);
  double mean = 0;
  for (int time = 0; time < 20; ++time) {
    mean += static_cast<double>(selection->select(*objective, objective->lipschitz()).size()) / 20;
  }
  // The mean of 20 sizes that spread by about 5.
  CHECK(mean == Approx(1535).margin(6));
}

TEST_CASE("the tree partition of two moons has the sizes of the sheet", "[bcd]") {
  const Problem problem = make_e_prime(1);
  const auto objective = make_reference_objective(problem);
  const Blocks trees =
      make_blocks({.partition = Partition::trees, .selection = Selection::cyclic}, *objective);
  CHECK(partition_fault(trees, 1900).empty());
  std::vector<std::size_t> sizes;
  for (const auto& block : trees) {
    CHECK(forest_fault(block, problem.matrix->rest).empty());
    sizes.push_back(block.size());
  }
  CHECK(sizes == std::vector<std::size_t>{789, 842, 268, 1});
  const Blocks colours =
      make_blocks({.partition = Partition::red_black, .selection = Selection::cyclic}, *objective);
  CHECK(partition_fault(colours, 1900).empty());
  CHECK(colours.size() == 7);
}

}  // namespace
}  // namespace ashlar::bcd::testing
