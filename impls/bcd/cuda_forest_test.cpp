// Forest solves and sweeps on a GPU against the CPU's. Without a device every case says why it is
// skipped and passes.
#include "impls/bcd/cuda_forest.hpp"

#include <iostream>
#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/data.hpp"
#include "impls/bcd/solve.hpp"
#include "impls/bcd/test_forests.hpp"
#include "impls/core/cuda/device.hpp"

namespace ashlar::bcd {
namespace cuda_forest_test {
namespace {

using namespace testing;

bool no_device() {
  const auto why = cuda_forest_unsupported();
  if (why) std::cout << "skipped: " << *why << "\n";
  return why.has_value();
}

ForestOrder order_of(const SymmetricMatrix& matrix) {
  ForestOrder order;
  ForestFinder(matrix).find(all_of(matrix), order);
  return order;
}

Parts cyclic_rules(const Problem& problem, Partition partition) {
  Rule rule;
  rule.partition = partition;
  rule.selection = Selection::cyclic;
  rule.update = Update::message_passing;
  return make_parts(problem, rule);
}

}  // namespace

TEST_CASE("without a device forests say so, and what is no forest is refused before") {
  const std::vector<Edge> ring{{0, 1, -1.0}, {1, 2, -1.0}, {2, 0, -1.0}};
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.matrix = std::make_shared<const SymmetricMatrix>(symmetric_from_edges({3, 3, 3}, ring));
  problem.linear = {1, 2, 3};
  CHECK_THROWS_WITH(CudaForestSweeps(problem, {{0, 1, 2}}), Catch::Contains("cycle"));
  const Problem other = random_problem(Loss::least_squares, 3, 4);
  CHECK_THROWS_WITH(CudaForestSweeps(other, {{0, 1}}), Catch::Contains("no quadratic"));
  CHECK(cuda_forest_unsupported().has_value() != core::cuda::device_status().available);
  if (core::cuda::device_status().available) return;
  CHECK_THROWS_AS(CudaForestSweeps(problem, {{0, 1}, {2}}), std::invalid_argument);
  Draws draws(1);
  CHECK_THROWS_AS(CudaForest(order_of(forest_matrix({-1, 0}, draws))), std::invalid_argument);
}

TEST_CASE("forest solves on a GPU are those of the CPU") {
  if (no_device()) return;
  Draws draws(41);
  // Narrow forests, wide ones, and of each several right sides.
  for (const Index size : {1, 2, 3, 100, 6000, 7000, 300007}) {
    for (const ForestShape& shape : forest_shapes(size)) {
      CAPTURE(shape.name, size);
      const SymmetricMatrix matrix = forest_matrix(shape.parents, draws);
      const ForestOrder order = order_of(matrix);
      CudaForest forest(order, 3);
      for (const Index count : {1, 3}) {
        const std::vector<double> right = draws.vector(count * size);
        std::vector<double> found = right;
        forest.solve(found);
        std::vector<double> again = right;
        forest.solve(again);
        CHECK(found == again);
        std::vector<double> scratch;
        for (Index k = 0; k < count; ++k) {
          std::vector<double> expected(right.begin() + k * size, right.begin() + (k + 1) * size);
          solve(order, expected, scratch);
          CHECK(relative_difference(std::span(found).subspan(k * size, size), expected) < 1e-12);
        }
      }
      std::vector<double> too_many(4 * static_cast<std::size_t>(size));
      CHECK_THROWS_AS(forest.solve(too_many), std::invalid_argument);
    }
  }
}

TEST_CASE("a batch of small forests on a GPU is solved as each of them") {
  Draws draws(43);
  std::vector<ForestOrder> orders;
  std::vector<double> right;
  std::vector<double> expected;
  std::vector<double> scratch;
  for (Index i = 0; i < 300; ++i) {
    const Index size = i * 37 % 501;
    orders.push_back(order_of(forest_matrix(random_parents(size, 20, draws), draws)));
    std::vector<double> of_one = draws.vector(size);
    right.insert(right.end(), of_one.begin(), of_one.end());
    solve(orders.back(), of_one, scratch);
    expected.insert(expected.end(), of_one.begin(), of_one.end());
  }
  const ForestOrder large = order_of(forest_matrix(forest_shapes(6145).front().parents, draws));
  CHECK_THROWS_WITH(CudaForestBatch(std::span(&large, 1)), Catch::Contains("takes 6145 numbers"));
  if (no_device()) return;
  CudaForestBatch batch(orders);
  REQUIRE(batch.size() == static_cast<std::int64_t>(right.size()));
  batch.solve(right);
  CHECK(relative_difference(right, expected) < 1e-12);
  CHECK_THROWS_AS(batch.solve(std::span(right).first(3)), std::invalid_argument);
}

TEST_CASE("forest sweeps on a GPU are those of the reference") {
  if (no_device()) return;
  const std::vector<Problem> problems{make_lattice(50, 50, 100, 1), make_lattice(301, 257, 90, 2),
                                      random_problem(Loss::quadratic, 0, 90, 1, 2, 0.3),
                                      random_problem(Loss::quadratic, 0, 1)};
  Draws draws(42);
  for (const Problem& problem : problems) {
    for (const Partition partition : {Partition::trees, Partition::red_black}) {
      CAPTURE(problem.size(), name_of(partition));
      Parts parts = cyclic_rules(problem, partition);
      CudaForestSweeps device(problem, *parts.blocks);
      const std::vector<double> start = draws.vector(problem.size(), 5);
      parts.objective->set_x(start);
      device.set_x(start);
      std::vector<double> found(start.size());
      for (const int iterations : {1, 2, 0, 20}) {
        iterate(parts, iterations);
        device.run(iterations);
        device.get_x(found);
        CHECK(relative_difference(found, parts.objective->x()) < 1e-9);
      }
    }
  }
}

}  // namespace cuda_forest_test
}  // namespace ashlar::bcd
