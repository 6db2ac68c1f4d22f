// Elimination on forests against a dense factorisation and against the messages, on shapes that
// break recursion, and on what is no forest.
#include "impls/bcd/forest.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "impls/bcd/test_forests.hpp"

namespace ashlar::bcd {
namespace forest_tests {

using namespace testing;

void check_order(const ForestOrder& order, std::size_t edges) {
  std::size_t counted = 0;
  bool later = true;
  for (Index step = 0; step < order.size(); ++step) {
    counted += order.parents[step] >= 0;
    later = later && (order.parents[step] < 0 || order.parents[step] > step);
  }
  CHECK(later);
  CHECK(counted == edges);
  CHECK(static_cast<std::size_t>(order.size()) == edges + static_cast<std::size_t>(order.trees));
}

TEST_CASE("forests: random blocks of random forests, against a dense factorisation") {
  Draws draws(1);
  std::vector<double> scratch;
  ForestOrder order;
  for (int round = 0; round < 200; ++round) {
    const Index size = 1 + below(draws, 40);
    std::vector<Index> parents(size);
    for (Index i = 0; i < size; ++i)
      parents[i] = below(draws, 5) == 0 ? -1 : below(draws, i + 1) - 1;
    const SymmetricMatrix matrix = forest_matrix(parents, draws);
    ForestFinder finder(matrix);
    std::vector<Index> block = all_of(matrix);
    shuffle(block, draws);
    block.resize(below(draws, size + 1));
    finder.find(block, order);
    REQUIRE(order.size() == static_cast<Index>(block.size()));
    if (block.empty()) {
      CHECK(order.trees == 0);
      continue;
    }
    const std::vector<double> rhs = draws.vector(block.size());
    const std::vector<double> dense = solve_ldl(dense_block(matrix, block), rhs);
    std::vector<double> x = rhs;
    solve(order, x, scratch);
    CHECK(relative_difference(x, dense) < 1e-12);
    std::vector<double> by_messages = rhs;
    solve_by_messages(order, by_messages);
    CHECK(relative_difference(by_messages, dense) < 1e-12);
    // The control: a weight forgotten, as where a message is lost.
    for (Index step = 0; step < order.size(); ++step) {
      if (order.parents[step] < 0) continue;
      order.edges[step] = 0;
      x = rhs;
      solve(order, x, scratch);
      CHECK(relative_difference(x, dense) > 1e-9);
      break;
    }
  }
}

TEST_CASE("forests: long paths, stars, caterpillars, single nodes") {
  constexpr Index kSize = 200000;
  std::vector<Index> parents(kSize);
  SECTION("path") {
    parents.resize(1000000);
    for (std::size_t i = 0; i < parents.size(); ++i) parents[i] = static_cast<Index>(i) - 1;
  }
  SECTION("star") {
    for (Index i = 0; i < kSize; ++i) parents[i] = i == 0 ? -1 : 0;
  }
  SECTION("caterpillar") {
    for (Index i = 0; i < kSize; ++i) parents[i] = i % 2 == 0 ? i - 2 : i - 1;
    parents[0] = -1;
  }
  SECTION("three paths of different lengths") {
    for (Index i = 0; i < kSize; ++i) parents[i] = i == 0 || i == 10 || i == 5000 ? -1 : i - 1;
  }
  SECTION("no edges") {
    for (Index& parent : parents) parent = -1;
  }
  const auto roots = std::count(parents.begin(), parents.end(), -1);
  Draws draws(7);
  const SymmetricMatrix matrix = forest_matrix(parents, draws);
  const std::vector<Index> block = all_of(matrix);
  ForestFinder finder(matrix);
  ForestOrder order;
  finder.find(block, order);
  check_order(order, parents.size() - static_cast<std::size_t>(roots));
  const std::vector<double> rhs = draws.vector(block.size());
  std::vector<double> x = rhs;
  std::vector<double> scratch;
  solve(order, x, scratch);
  CHECK(backward_error(matrix, x, rhs) < 1e-12);
  std::vector<double> by_messages = rhs;
  solve_by_messages(order, by_messages);
  CHECK(relative_difference(by_messages, x) < 1e-12);
}

TEST_CASE("forests: nothing is allocated once a block as large was seen") {
  Draws draws(3);
  const SymmetricMatrix matrix = forest_matrix({-1, 0, 1, 1, 0, 4}, draws);
  ForestFinder finder(matrix);
  ForestOrder order;
  std::vector<double> scratch;
  std::vector<double> x = draws.vector(6);
  finder.find(all_of(matrix), order);
  solve(order, x, scratch);
  const void* places = order.places.data();
  const void* pivots = order.pivots.data();
  const void* kept = scratch.data();
  const std::vector<Index> smaller{5, 1, 2};
  finder.find(smaller, order);
  solve(order, std::span(x).first(3), scratch);
  CHECK(order.trees == 2);
  CHECK(order.places.data() == places);
  CHECK(order.pivots.data() == pivots);
  CHECK(scratch.data() == kept);
}

TEST_CASE("forests: an edge of weight 0 is an edge, and messages along it are finite") {
  const std::vector<Edge> edges{{0, 1, 0.0}, {1, 2, -1.0}};
  const SymmetricMatrix matrix = symmetric_from_edges({2, 2, 2}, edges);
  ForestFinder finder(matrix);
  ForestOrder order;
  finder.find(all_of(matrix), order);
  check_order(order, 2);
  std::vector<double> x{1, 1, 1};
  solve_by_messages(order, x);
  CHECK(x[0] == 0.5);
  CHECK(x[1] == Approx(1.0));
}

TEST_CASE("forests: one edge too many is refused by name, and the finder goes on working") {
  Draws draws(5);
  for (int round = 0; round < 100; ++round) {
    const Index size = 3 + below(draws, 30);
    std::vector<Edge> edges;
    for (Index i = 1; i < size; ++i) edges.push_back({i, below(draws, i), -1.0});
    // Nodes 0, 1 and 2 in a triangle, whatever hangs on them: edge (1, 0) is there.
    edges[1] = {2, 1, -1.0};
    edges.push_back({2, 0, -1.0});
    const SymmetricMatrix matrix =
        symmetric_from_edges(std::vector<double>(size, static_cast<double>(size)), edges);
    ForestFinder finder(matrix);
    ForestOrder order;
    std::vector<Index> block = all_of(matrix);
    shuffle(block, draws);
    std::string said;
    try {
      finder.find(block, order);
    } catch (const std::invalid_argument& error) {
      said = error.what();
    }
    // The only cycle is the triangle: both ends of the named edge are in it.
    CAPTURE(said);
    CHECK((said.find("coordinates 0 and 1 ") != std::string::npos ||
           said.find("coordinates 1 and 0 ") != std::string::npos ||
           said.find("coordinates 0 and 2 ") != std::string::npos ||
           said.find("coordinates 2 and 0 ") != std::string::npos ||
           said.find("coordinates 1 and 2 ") != std::string::npos ||
           said.find("coordinates 2 and 1 ") != std::string::npos));
    std::erase(block, 2);
    CHECK_NOTHROW(finder.find(block, order));
  }
}

TEST_CASE("forests: blocks and matrices that make no sense") {
  const std::vector<Edge> edges{{0, 1, -1.0}};
  const SymmetricMatrix matrix = symmetric_from_edges({1, 1, 1}, edges);
  ForestFinder finder(matrix);
  ForestOrder order;
  const std::vector<Index> twice{2, 2};
  const std::vector<Index> outside{0, 3};
  const std::vector<Index> negative{-1};
  const std::vector<Index> singular{0, 1};  // the Laplacian of an edge
  CHECK_THROWS_WITH(finder.find(twice, order), Catch::Contains("coordinate 2 is twice"));
  CHECK_THROWS_WITH(finder.find(outside, order), Catch::Contains("coordinate 3 is outside"));
  CHECK_THROWS_AS(finder.find(negative, order), std::invalid_argument);
  CHECK_THROWS_WITH(finder.find(singular, order), Catch::Contains("not positive definite"));
  const std::vector<Index> fine{2, 0};
  CHECK_NOTHROW(finder.find(fine, order));
}

}  // namespace forest_tests
}  // namespace ashlar::bcd
