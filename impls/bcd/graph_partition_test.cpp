#include "impls/bcd/graph_partition.hpp"

#include <catch2/catch.hpp>
#include <numeric>
#include <stdexcept>

#include "impls/bcd/test_selection.hpp"

namespace ashlar::bcd::testing {
namespace {

const Rule kRedBlack{.partition = Partition::red_black, .selection = Selection::cyclic};
const Rule kTrees{.partition = Partition::trees, .selection = Selection::cyclic};

std::vector<Index> ascending(Index size) {
  std::vector<Index> order(size);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

TEST_CASE("a set of nodes is a forest iff it has no cycle", "[bcd]") {
  const SparseLines square = graph_of(6, {{0, 1}, {1, 2}, {2, 3}, {3, 0}, {3, 4}});
  CHECK(is_forest(std::vector<Index>{}, square));
  CHECK(is_forest(std::vector<Index>{0, 1, 2, 4, 5}, square));
  CHECK(is_forest(std::vector<Index>{3, 1, 4}, square));
  CHECK_FALSE(is_forest(std::vector<Index>{0, 1, 2, 3}, square));
  CHECK_FALSE(is_forest(std::vector<Index>{0, 0}, square));
  CHECK(is_independent(std::vector<Index>{0, 2, 4, 5}, square));
  CHECK_FALSE(is_independent(std::vector<Index>{3, 4}, square));
  CHECK_FALSE(is_independent(std::vector<Index>{2, 2}, square));
}

TEST_CASE("a forest grows by nodes whose neighbours are in different trees", "[bcd]") {
  const SparseLines star = graph_of(5, {{0, 1}, {0, 2}, {0, 3}, {1, 2}});
  GrowingForest forest(star);
  CHECK(forest.add(1));
  CHECK(forest.add(2));
  // Refused as often as it is offered, and its leaves are not.
  CHECK_FALSE(forest.add(0));
  CHECK_FALSE(forest.add(0));
  CHECK(forest.add(3));
  CHECK(forest.add(4));
  CHECK_FALSE(forest.add(4));
  CHECK_FALSE(forest.contains(0));
  forest.clear();
  CHECK(forest.add(0));
  CHECK(forest.add(1));
  CHECK_FALSE(forest.add(2));
}

TEST_CASE("a path of a million nodes is a forest, and a ring is not", "[bcd]") {
  constexpr Index kNodes = 1'000'000;
  Edges edges;
  for (Index node = 1; node < kNodes; ++node) edges.emplace_back(node - 1, node);
  CHECK(is_forest(ascending(kNodes), graph_of(kNodes, edges)));
  edges.emplace_back(kNodes - 1, 0);
  CHECK_FALSE(is_forest(ascending(kNodes), graph_of(kNodes, edges)));
}

TEST_CASE("the tests of forests agree with counting edges on random sets", "[bcd]") {
  Mersenne stream(11);
  int forests = 0;
  for (std::uint32_t trial = 0; trial < 400; ++trial) {
    const SparseLines graph = graph_of(12, random_edges(12, 14, trial + 1));
    const std::vector<Index> block = stream.choice(12, 3 + static_cast<Index>(trial % 8));
    const bool forest = is_forest(block, graph);
    REQUIRE(forest == forest_fault(block, graph).empty());
    REQUIRE(is_independent(block, graph) == independence_fault(block, graph).empty());
    forests += forest ? 1 : 0;
  }
  // Both answers occur.
  CHECK(forests > 50);
  CHECK(forests < 350);
}

std::vector<std::vector<Index>> label_choices(Index rows, Index columns) {
  std::vector<std::vector<Index>> choices{{}};
  const Index nodes = rows * columns;
  if (nodes > 4) choices.push_back(Mersenne(7).choice(nodes, nodes / 5));
  if (rows > 1) {
    std::vector<Index> row;
    for (Index column = 0; column < columns; ++column) row.push_back(column * rows + rows / 2);
    choices.push_back(row);
    for (Index& node : row) node -= rows / 2;  // row 0: the white comb's spine
    choices.push_back(row);
  }
  if (nodes > 1) {
    choices.push_back(ascending(nodes));
    choices.back().erase(choices.back().begin() + nodes / 2);  // one unknown is left
  }
  return choices;
}

TEST_CASE("lattices fall into halves without edges and into combs", "[bcd]") {
  for (const auto& [rows, columns] : std::vector<std::pair<Index, Index>>{
           {50, 50}, {1, 9}, {9, 1}, {2, 2}, {1, 1}, {2, 7}, {7, 2}, {3, 4}, {4, 3}}) {
    for (const std::vector<Index>& labelled : label_choices(rows, columns)) {
      CAPTURE(rows, columns, labelled.size());
      const Problem problem = lattice_problem(rows, columns, labelled);
      const SparseLines& graph = problem.matrix->rest;
      const Blocks halves = red_black_blocks(*problem.lattice);
      REQUIRE(partition_fault(halves, problem.size()).empty());
      REQUIRE(halves.size() <= 2);
      for (const auto& block : halves) REQUIRE(independence_fault(block, graph).empty());
      const Blocks combs = comb_blocks(*problem.lattice);
      REQUIRE(partition_fault(combs, problem.size()).empty());
      REQUIRE(combs.size() <= 2);
      for (const auto& block : combs) REQUIRE(forest_fault(block, graph).empty());
    }
  }
}

TEST_CASE("combs have the edges of combs only, and are one tree without labels", "[bcd]") {
  const Problem problem = lattice_problem(6, 5);
  const SparseLines& graph = problem.matrix->rest;
  const Blocks combs = comb_blocks(*problem.lattice);
  REQUIRE(combs.size() == 2);
  // White: columns 0, 2, 4 without row 5, and row 0 of columns 1, 3. Node = column * 6 + row.
  CHECK(combs[0] ==
        std::vector<Index>{0, 1, 2, 3, 4, 6, 12, 13, 14, 15, 16, 18, 24, 25, 26, 27, 28});
  CHECK(combs[1] == std::vector<Index>{5, 7, 8, 9, 10, 11, 17, 19, 20, 21, 22, 23, 29});
  for (const auto& comb : combs) {
    CHECK(induced(comb, graph).components == 1);
    CHECK(induced(comb, graph).edges == static_cast<Index>(comb.size()) - 1);
  }
  CHECK(red_black_blocks(lattice_problem(2, 2).lattice.value()) == Blocks{{0, 3}, {1, 2}});
  // One row: a path that is white as a whole.
  CHECK(comb_blocks(lattice_problem(1, 4).lattice.value()) == Blocks{{0, 1, 2, 3}});
  CHECK(comb_blocks(lattice_problem(4, 1).lattice.value()) == Blocks{{0, 1, 2}, {3}});
}

TEST_CASE("halves of a whole lattice of 50 x 50 are of one size", "[bcd]") {
  const Problem problem = lattice_problem(50, 50);
  for (const Blocks& blocks : {red_black_blocks(*problem.lattice), comb_blocks(*problem.lattice)}) {
    REQUIRE(blocks.size() == 2);
    CHECK(blocks[0].size() == 1250);
    CHECK(blocks[1].size() == 1250);
  }
}

TEST_CASE("a lattice's partition is refused for a matrix with more neighbours", "[bcd]") {
  Problem problem = lattice_problem(3, 3);
  Edges edges;
  const SparseLines& graph = problem.matrix->rest;
  for (Index node = 0; node < 9; ++node) {
    for (const Index neighbour : graph.indices_of(node)) edges.emplace_back(node, neighbour);
  }
  edges.emplace_back(0, 4);  // a diagonal
  edges.emplace_back(1, 6);  // closes a cycle in a comb
  Problem diagonal = laplacian_problem(graph_of(9, edges));
  diagonal.lattice = problem.lattice;
  DenseObjective objective(diagonal);
  CHECK_THROWS_WITH(make_blocks(kRedBlack, objective),
                    Catch::Matchers::Contains("lattice of 4 neighbours"));
  CHECK_THROWS_AS(make_blocks(kTrees, objective), std::invalid_argument);
  diagonal.lattice.reset();
  DenseObjective general(diagonal);
  CHECK(partition_fault(make_blocks(kRedBlack, general), 9).empty());
  CHECK(partition_fault(make_blocks(kTrees, general), 9).empty());
}

TEST_CASE("nodes are scanned by L_i descending, or by index", "[bcd]") {
  const std::vector<double> lipschitz{1, 3, 2, 3, 0.5};
  CHECK(scan_order(Scan::lipschitz, Ties::index, lipschitz) == std::vector<Index>{1, 3, 2, 0, 4});
  CHECK(scan_order(Scan::order, Ties::index, lipschitz) == std::vector<Index>{0, 1, 2, 3, 4});
  // Backwards through an ascending order.
  CHECK(scan_order(Scan::lipschitz, Ties::numpy, lipschitz) == std::vector<Index>{3, 1, 2, 0, 4});
  CHECK(scan_order(Scan::order, Ties::numpy, lipschitz) == std::vector<Index>{4, 3, 2, 1, 0});
}

TEST_CASE("a colouring takes the colour with the fewest nodes", "[bcd]") {
  // 0 - 1, and 2, 3, 4 alone: each goes to the smaller colour, the first on ties.
  const SparseLines graph = graph_of(5, {{0, 1}});
  CHECK(colour_blocks(graph, ascending(5)) == Blocks{{0, 2, 4}, {1, 3}});
  const SparseLines triangle = graph_of(4, {{0, 1}, {1, 2}, {0, 2}});
  CHECK(colour_blocks(triangle, ascending(4)) == Blocks{{0, 3}, {1}, {2}});
}

TEST_CASE("a cover puts each node in the first forest that stays one", "[bcd]") {
  const SparseLines triangle = graph_of(4, {{0, 1}, {1, 2}, {0, 2}, {2, 3}});
  CHECK(forest_blocks(triangle, ascending(4)) == Blocks{{0, 1, 3}, {2}});
  CHECK(forest_blocks(triangle, std::vector<Index>{3, 2, 1, 0}) == Blocks{{1, 2, 3}, {0}});
}

TEST_CASE("greedy partitions of random graphs hold what they promise", "[bcd]") {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    const auto size = static_cast<Index>(20 + 10 * seed);
    const SparseLines graph =
        graph_of(size, random_edges(size, size * static_cast<Index>(1 + seed % 4), seed));
    DenseObjective objective(laplacian_problem(graph));
    for (const Scan scan : {Scan::lipschitz, Scan::order}) {
      Rule rule = kRedBlack;
      rule.scan = scan;
      const Blocks colours = make_blocks(rule, objective);
      REQUIRE(partition_fault(colours, size).empty());
      for (const auto& block : colours) REQUIRE(independence_fault(block, graph).empty());
      rule.partition = Partition::trees;
      const Blocks forests = make_blocks(rule, objective);
      REQUIRE(partition_fault(forests, size).empty());
      for (const auto& block : forests) REQUIRE(forest_fault(block, graph).empty());
      // The first forest takes all that it can, and forests are fewer than colours.
      REQUIRE(maximal_fault(forests.front(), graph).empty());
      REQUIRE(forests.size() <= colours.size());
    }
  }
}

TEST_CASE("checks of blocks see one edge and one node too many", "[bcd]") {
  const SparseLines square = graph_of(4, {{0, 1}, {1, 2}, {2, 3}, {3, 0}});
  CHECK(forest_fault(std::vector<Index>{0, 1, 2}, square).empty());
  CHECK_FALSE(forest_fault(std::vector<Index>{0, 1, 2, 3}, square).empty());
  CHECK(independence_fault(std::vector<Index>{1, 3}, square).empty());
  CHECK_FALSE(independence_fault(std::vector<Index>{1, 2}, square).empty());
  CHECK(maximal_fault(std::vector<Index>{0, 1, 2}, square).empty());
  CHECK_FALSE(maximal_fault(std::vector<Index>{0, 1}, square).empty());
}

}  // namespace
}  // namespace ashlar::bcd::testing
