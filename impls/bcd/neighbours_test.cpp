#include "impls/bcd/neighbours.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "impls/bcd/data.hpp"

namespace ashlar::bcd {
namespace neighbours_test {

using Catch::Matchers::Contains;
using Edges = std::set<std::pair<Index, Index>>;

Edges edges_of(const SparseLines& graph) {
  Edges edges;
  for (Index i = 0; i < graph.lines(); ++i) {
    for (const Index j : graph.indices_of(i)) edges.emplace(i, j);
  }
  return edges;
}

SparseLines graph_of(Index nodes, const std::vector<std::pair<Index, Index>>& edges,
                     double weight = 1) {
  std::vector<double> dense(static_cast<std::size_t>(nodes) * nodes, 0.0);
  for (const auto& [i, j] : edges) dense[i * nodes + j] = dense[j * nodes + i] = weight;
  return features_from_dense(nodes, nodes, dense).by_row;
}

// By sorting all others of each point.
Edges slow_neighbours(const std::vector<double>& points, Index dimensions, Index neighbours) {
  const Index count = static_cast<Index>(points.size()) / dimensions;
  Edges edges;
  for (Index i = 0; i < count; ++i) {
    std::vector<std::pair<double, Index>> others;
    for (Index j = 0; j < count; ++j) {
      double distance = 0;
      for (Index c = 0; c < dimensions; ++c) {
        distance += std::pow(points[i * dimensions + c] - points[j * dimensions + c], 2);
      }
      if (j != i) others.emplace_back(distance, j);
    }
    std::sort(others.begin(), others.end());
    for (Index k = 0; k < neighbours; ++k) {
      edges.emplace(i, others[k].second);
      edges.emplace(others[k].second, i);
    }
  }
  return edges;
}

TEST_CASE("nearest neighbours are those of a full sort", "[neighbours]") {
  for (const Index dimensions : {1, 2, 3}) {
    for (const Index neighbours : {1, 4, 29}) {
      Mersenne random(static_cast<std::uint32_t>(10 * dimensions + neighbours));
      std::vector<double> points(static_cast<std::size_t>(30 * dimensions));
      // On a coarse grid: many points are equally far, some the same.
      for (double& coordinate : points) coordinate = random.integer(5);
      const SparseLines graph = nearest_neighbours(points, dimensions, neighbours, 2.5);
      CHECK(edges_of(graph) == slow_neighbours(points, dimensions, neighbours));
      for (Index i = 0; i < graph.lines(); ++i) {
        const auto line = graph.indices_of(i);
        CHECK(std::is_sorted(line.begin(), line.end()));
      }
      CHECK(std::all_of(graph.values.begin(), graph.values.end(),
                        [](double weight) { return weight == 2.5; }));
    }
  }
}

TEST_CASE("nearest neighbours of many points, in a tree or not, are those of a full sort",
          "[neighbours]") {
  struct Shape {
    Index dimensions;
    std::uint32_t grid;  // coordinates are on a grid of so many lines
  };
  for (const Shape shape : {Shape{1, 1}, {1, 400}, {2, 7}, {2, 1U << 30}, {3, 4}, {8, 3}, {9, 3}}) {
    Mersenne random(shape.grid + static_cast<std::uint32_t>(shape.dimensions));
    std::vector<double> points(static_cast<std::size_t>(500 * shape.dimensions));
    for (double& coordinate : points) coordinate = random.integer(shape.grid);
    for (const Index neighbours : {1, 5, 499}) {
      CAPTURE(shape.dimensions, shape.grid, neighbours);
      CHECK(edges_of(nearest_neighbours(points, shape.dimensions, neighbours)) ==
            slow_neighbours(points, shape.dimensions, neighbours));
    }
  }
}

TEST_CASE("either way: a point far off is neighbour of those that are not its nearest",
          "[neighbours]") {
  // 3's nearest is 2, and nobody's nearest is 3.
  const std::vector<double> points{0, 1, 2.5, 100};
  CHECK(edges_of(nearest_neighbours(points, 1, 1)) ==
        Edges{{0, 1}, {1, 0}, {1, 2}, {2, 1}, {2, 3}, {3, 2}});
}

TEST_CASE("points that make no graph are refused", "[neighbours]") {
  const std::vector<double> points{0, 1, 2, 3, 4, 5};
  CHECK_THROWS_WITH(nearest_neighbours(points, 4, 1), Contains("no whole number of points"));
  CHECK_THROWS_AS(nearest_neighbours(points, 0, 1), std::invalid_argument);
  CHECK_THROWS_WITH(nearest_neighbours(points, 2, 3), Contains("ask for 1 to 2"));
  CHECK_THROWS_AS(nearest_neighbours(points, 2, 0), std::invalid_argument);
  CHECK_THROWS_AS(nearest_neighbours({}, 2, 1), std::invalid_argument);
  std::vector<double> wrong = points;
  wrong[3] = std::nan("");
  CHECK_THROWS_WITH(nearest_neighbours(wrong, 2, 1), Contains("coordinate 1 of point 1"));
}

TEST_CASE("components are named by their lowest node", "[neighbours]") {
  CHECK(components(graph_of(6, {{1, 4}, {4, 5}, {0, 2}})) == std::vector<Index>{0, 1, 0, 3, 1, 1});
  CHECK(components(graph_of(1, {})) == std::vector<Index>{0});
}

TEST_CASE("label propagation by hand", "[neighbours]") {
  // 0 - 1 - 2 - 3 with labels at 0 (zero: a label like any other) and 3.
  const SparseLines path = graph_of(4, {{0, 1}, {1, 2}, {2, 3}}, 2);
  const Problem problem = make_label_propagation(path, {0.0, {}, {}, 5.0});
  CHECK(problem.loss == Loss::quadratic);
  CHECK(problem.matrix->diagonal == std::vector<double>{4, 4});
  CHECK(problem.matrix->rest.starts == std::vector<std::int64_t>{0, 1, 2});
  CHECK(problem.matrix->rest.indices == std::vector<Index>{1, 0});
  CHECK(problem.matrix->rest.values == std::vector<double>{-2, -2});
  CHECK(problem.linear == std::vector<double>{0, 10});
  CHECK(!problem.lattice);
}

TEST_CASE("label propagation on a lattice's graph is the lattice's", "[neighbours]") {
  const LabelledLattice drawn = draw_lattice(5, 4, 6, 3);
  std::vector<std::pair<Index, Index>> edges;
  for (Index node = 0; node < 20; ++node) {
    if (node % 5 < 4) edges.emplace_back(node, node + 1);
    if (node + 5 < 20) edges.emplace_back(node, node + 5);
  }
  Labels labels(20);
  for (std::size_t k = 0; k < 6; ++k) labels[drawn.nodes[k]] = drawn.labels[k];
  const Problem general = make_label_propagation(graph_of(20, edges, drawn.weight), labels);
  const Problem lattice = make_lattice(drawn);
  CHECK(general.matrix->diagonal == lattice.matrix->diagonal);
  CHECK(general.matrix->rest.starts == lattice.matrix->rest.starts);
  CHECK(general.matrix->rest.indices == lattice.matrix->rest.indices);
  CHECK(general.matrix->rest.values == lattice.matrix->rest.values);
  CHECK(general.linear == lattice.linear);
}

TEST_CASE("graphs and labels that determine nothing are refused by name", "[neighbours]") {
  const SparseLines two = graph_of(5, {{0, 1}, {2, 3}, {3, 4}});
  CHECK_THROWS_WITH(make_label_propagation(two, {1.0, {}, {}, {}, {}}),
                    Contains("node 2 has no path to a labelled node"));
  CHECK_THROWS_WITH(make_label_propagation(two, {{}, {}, {}, 1.0, {}}),
                    Contains("node 0 has no path"));
  // A node without edges needs a label of its own.
  const SparseLines lonely = graph_of(3, {{0, 1}});
  CHECK_THROWS_WITH(make_label_propagation(lonely, {1.0, {}, {}}), Contains("node 2 has no path"));
  CHECK(make_label_propagation(lonely, {1.0, {}, 7.0}).size() == 1);

  CHECK_THROWS_WITH(make_label_propagation(two, {1.0, {}, {}, std::nan(""), {}}),
                    Contains("label of node 3"));
  CHECK_THROWS_WITH(make_label_propagation(two, Labels(4)), Contains("4 labels"));
  CHECK_THROWS_WITH(make_label_propagation(two, Labels(5, 1.0)), Contains("all 5 nodes"));

  SparseLines bad = two;
  bad.values[0] = -1;
  CHECK_THROWS_WITH(make_label_propagation(bad, Labels(5)),
                    Contains("from node 0 to 1 has weight"));
  bad.values[0] = 2;
  CHECK_THROWS_WITH(make_label_propagation(bad, Labels(5)), Contains("same weight back"));
  bad = two;
  bad.indices[0] = 0;
  CHECK_THROWS_WITH(make_label_propagation(bad, Labels(5)),
                    Contains("node 0 is its own neighbour"));
  bad.indices[0] = 9;
  CHECK_THROWS_WITH(make_label_propagation(bad, Labels(5)), Contains("neighbour 9 of 5"));
}

TEST_CASE("random labels reach every component", "[neighbours]") {
  const SparseLines two = graph_of(6, {{0, 1}, {1, 2}, {3, 4}, {4, 5}});
  const std::vector<double> values{0, 1, 2, 3, 4, 5};
  for (std::uint32_t seed = 1; seed < 20; ++seed) {
    Mersenne random(seed);
    const Labels labels = label_at_random(two, values, 2, random);
    Index low = 0, high = 0;
    for (Index node = 0; node < 6; ++node) {
      if (!labels[node]) continue;
      CHECK(*labels[node] == values[node]);
      (node < 3 ? low : high) += 1;
    }
    CHECK(low == 1);
    CHECK(high == 1);
  }
  Mersenne random(1);
  CHECK_THROWS_WITH(label_at_random(two, values, 1, random), Contains("label more"));
  CHECK_THROWS_AS(label_at_random(two, values, 7, random), std::invalid_argument);
}

TEST_CASE("every component is labelled in one draw", "[neighbours]") {
  const SparseLines three = graph_of(7, {{0, 1}, {1, 2}, {3, 4}, {4, 5}});  // and 6 alone
  const std::vector<double> values{0, 1, 2, 3, 4, 5, 6};
  bool added_to_path = false;
  for (std::uint32_t seed = 1; seed < 20; ++seed) {
    Mersenne random(seed), again(seed);
    const Labels labels = label_every_component(three, values, 2, random);
    const std::vector<Index> drawn = again.choice(7, 2);
    CHECK(random.word() == again.word());
    Labels expected(7);
    for (const Index node : drawn) expected[node] = values[node];
    if (!expected[0] && !expected[1] && !expected[2]) expected[0] = 0;
    if (!expected[3] && !expected[4] && !expected[5]) expected[3] = 3;
    expected[6] = 6;
    CHECK(labels == expected);
    added_to_path = added_to_path || std::find(drawn.begin(), drawn.end(), 6) != drawn.end();
  }
  CHECK(added_to_path);
  Mersenne random(1);
  CHECK_THROWS_AS(label_every_component(three, std::vector<double>(6), 2, random),
                  std::invalid_argument);
}

TEST_CASE("moons of E's size are E, and large ones have the same degrees", "[neighbours]") {
  const Problem e = make_e_prime(1);
  CHECK_THROWS_WITH(make_moons(1, 9), Catch::Contains("9 points per class"));
  const Problem same = make_moons(1, 1000);
  CHECK(same.linear == e.linear);
  CHECK(same.matrix->diagonal == e.matrix->diagonal);
  CHECK(same.matrix->rest.indices == e.matrix->rest.indices);
  for (const Index per_class : {10, 20000}) {
    const Problem moons = make_moons(3, per_class);
    CHECK_NOTHROW(validate(moons));
    CHECK(moons.size() <= 2 * per_class - per_class / 10);
    CHECK(moons.size() >= 1.85 * per_class);
    double degrees = 0;
    for (const double degree : moons.matrix->diagonal) degrees += degree;
    CHECK(degrees > 5 * static_cast<double>(moons.size()));
    CHECK(degrees < 7 * static_cast<double>(moons.size()));
  }
}

TEST_CASE("E' is two moons", "[neighbours]") {
  for (const std::uint32_t seed : {1U, 7U}) {  // 7: the unknowns are in two components
    const Problem e = make_e_prime(seed);
    CHECK(e.size() == 1900);
    CHECK(*std::min_element(e.matrix->diagonal.begin(), e.matrix->diagonal.end()) >= 5);
    double degrees = 0, labels = 0;
    for (const double degree : e.matrix->diagonal) degrees += degree;
    for (const double linear : e.linear) labels += linear;
    // 1900 of 2000 points with 5 to 10 neighbours, a twentieth of them labelled 1 or 2.
    CHECK(degrees > 5.5 * 1900);
    CHECK(degrees < 7 * 1900);
    CHECK(labels / degrees > 1.5 * 0.04);
    CHECK(labels / degrees < 1.5 * 0.06);
  }
  CHECK(make_e_prime(1).linear != make_e_prime(2).linear);
}

}  // namespace neighbours_test
}  // namespace ashlar::bcd
