// Sweeps over forest blocks against the reference rules.
#include "impls/bcd/forest_sweeps.hpp"

#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/data.hpp"
#include "impls/bcd/solve.hpp"
#include "impls/bcd/test_forests.hpp"

namespace ashlar::bcd {
namespace forest_sweeps_test {
namespace {

using namespace testing;

Parts exact_parts(const Problem& problem, Partition partition) {
  Rule rule;
  rule.partition = partition;
  rule.selection = Selection::cyclic;
  rule.update = Update::message_passing;
  return make_parts(problem, rule);
}

std::vector<double> swept(const Problem& problem, const Blocks& blocks,
                          const std::vector<double>& start, std::int64_t iterations, int threads) {
  ForestSweeps sweeps(problem, blocks, threads);
  sweeps.set_x(start);
  sweeps.run(iterations);
  std::vector<double> x(start.size());
  sweeps.get_x(x);
  return x;
}

void check_partition(const Problem& problem, Partition partition) {
  CAPTURE(problem.size(), name_of(partition));
  Draws draws(51);
  Parts parts = exact_parts(problem, partition);
  const std::vector<double> start = draws.vector(problem.size(), 3);
  ForestSweeps sweeps(problem, *parts.blocks, 2);
  std::vector<double> x(start.size());
  sweeps.get_x(x);
  CHECK(x == std::vector<double>(start.size()));
  parts.objective->set_x(start);
  sweeps.set_x(start);
  for (const int iterations : {1, 0, 2, 7}) {
    iterate(parts, iterations);
    sweeps.run(iterations);
    sweeps.get_x(x);
    CHECK(relative_difference(x, parts.objective->x()) < 1e-11);
  }
  CHECK(swept(problem, *parts.blocks, start, 10, 1) == x);
}

Problem on_forest(const std::vector<Index>& parents) {
  Draws draws(52);
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.matrix = std::make_shared<const SymmetricMatrix>(forest_matrix(parents, draws));
  problem.linear = draws.vector(static_cast<Index>(parents.size()));
  return problem;
}

}  // namespace

TEST_CASE("forest sweeps on a CPU are the reference's") {
  const std::vector<Problem> problems{make_lattice(7, 12, 15, 3),
                                      make_lattice(101, 157, 90, 2),
                                      make_e_prime(2),
                                      make_moons(5, 30000),
                                      random_problem(Loss::quadratic, 0, 90, 1, 2, 0.3),
                                      random_problem(Loss::quadratic, 0, 1)};
  for (const Problem& problem : problems) {
    check_partition(problem, Partition::trees);
    check_partition(problem, Partition::red_black);
  }
}

TEST_CASE("a block that is all of a forest is solved, with any number of threads") {
  for (const Index size : {1, 2, 4096, 4097, 40000}) {
    for (const ForestShape& shape : forest_shapes(size)) {
      CAPTURE(shape.name, size);
      const Problem problem = on_forest(shape.parents);
      const std::vector<double> start(problem.linear.size(), 7.0);
      const Blocks blocks{all_of(*problem.matrix)};
      const std::vector<double> x = swept(problem, blocks, start, 1, 1);
      CHECK(backward_error(*problem.matrix, x, problem.linear) < 1e-12);
      CHECK(swept(problem, blocks, start, 1, 3) == x);
      // At its minimum it stays.
      CHECK(relative_difference(swept(problem, blocks, start, 3, 2), x) < 1e-12);
    }
  }
}

TEST_CASE("what no block has stays, and counts for its neighbours") {
  Draws draws(53);
  const Problem problem = on_forest(forest_shapes(9).front().parents);  // a path
  const std::vector<double> start = draws.vector(9);
  const std::vector<double> x = swept(problem, {{7, 8}, {3, 2}}, start, 2, 1);
  std::vector<double> slope(9);
  for (Index i = 0; i < 9; ++i) {
    slope[i] = problem.matrix->diagonal[i] * x[i] - problem.linear[i];
    const auto others = problem.matrix->rest.indices_of(i);
    for (std::size_t e = 0; e < others.size(); ++e)
      slope[i] += problem.matrix->rest.values_of(i)[e] * x[others[e]];
    const bool in_block = i == 2 || i == 3 || i >= 7;
    if (in_block) {
      CHECK(slope[i] == Approx(0).margin(1e-13));
    } else {
      CHECK(x[i] == start[i]);
    }
  }
}

TEST_CASE("forest sweeps refuse what they cannot do") {
  const std::vector<Edge> ring{{0, 1, -1.0}, {1, 2, -1.0}, {2, 0, -1.0}};
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.matrix = std::make_shared<const SymmetricMatrix>(symmetric_from_edges({3, 3, 3}, ring));
  problem.linear = {1, 2, 3};
  CHECK_THROWS_WITH(ForestSweeps(problem, {{0, 1, 2}}), Catch::Contains("cycle"));
  CHECK_THROWS_WITH(ForestSweeps(problem, {{0, 1}, {2, 1}}),
                    Catch::Contains("coordinate 1 is in two blocks"));
  CHECK_THROWS_WITH(ForestSweeps(problem, {{0, 1}}, 0), Catch::Contains("threads = 0"));
  const Problem other = random_problem(Loss::least_squares, 3, 4);
  CHECK_THROWS_WITH(ForestSweeps(other, {{0, 1}}), Catch::Contains("no quadratic"));
  ForestSweeps sweeps(problem, {{0, 1}, {2}});
  CHECK_THROWS_AS(sweeps.set_x(std::vector<double>(2)), std::invalid_argument);
  CHECK_NOTHROW(ForestSweeps(problem, {}).run(3));
}

}  // namespace forest_sweeps_test
}  // namespace ashlar::bcd
