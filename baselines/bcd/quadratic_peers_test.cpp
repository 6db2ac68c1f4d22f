#include "baselines/bcd/quadratic_peers.hpp"

#include <catch2/catch.hpp>
#include <iostream>
#include <stdexcept>

#include "baselines/bcd/test_problems.hpp"

namespace ashlar::bcd::baselines {
namespace {

/// Says so where the build or this machine has no such library.
bool is_there(QuadraticSolver solver) {
  const auto missing = unsupported(solver);
  if (missing) std::cout << "skipped: " << name_of(solver) << ": " << *missing << '\n';
  return !missing;
}

TEST_CASE("quadratic peers: solve M x = c") {
  const auto [rows, columns] =
      GENERATE(table<Index, Index>({{1, 1}, {1, 9}, {9, 1}, {2, 2}, {13, 11}, {40, 30}}));
  const Problem problem = testing::grid(rows, columns, 4);
  const auto size = static_cast<std::size_t>(rows * columns);
  for (const QuadraticSolver solver : kQuadraticSolvers) {
    if (!is_there(solver)) continue;
    INFO(name_of(solver) << " on " << rows << " x " << columns);
    const auto peer = make_quadratic_peer(solver, problem);
    std::vector<double> x(size, 1e300);
    const QuadraticOutcome outcome = peer->solve(x, 1e-13);
    CHECK(testing::residual(problem, x) < 1e-10);
    if (!is_iterative(solver)) CHECK(outcome.iterations == 0);
    CHECK((outcome.factor_entries >= static_cast<std::int64_t>(size)) != is_iterative(solver));
    std::vector<double> again(size);
    peer->solve(again, 1e-13);
    CHECK(again == x);
    x[size / 2] += 1e-6;  // the check can fail
    CHECK(testing::residual(problem, x) > 1e-10);
  }
}

TEST_CASE("quadratic peers: a tolerance that is loose stops conjugate gradients early") {
  const Problem problem = testing::grid(30, 30, 8);
  for (const QuadraticSolver solver : kQuadraticSolvers) {
    if (!is_iterative(solver)) continue;
    INFO(name_of(solver));
    const auto peer = make_quadratic_peer(solver, problem);
    std::vector<double> x(900);
    const auto loose = peer->solve(x, 1e-2).iterations;
    const double left = testing::residual(problem, x);
    const auto tight = peer->solve(x, 1e-10).iterations;
    CHECK(loose < tight);
    CHECK(testing::residual(problem, x) < left);
  }
}

TEST_CASE("quadratic peers: a matrix that is not positive definite is an error of direct solvers") {
  Problem problem = testing::grid(3, 3, 2);
  auto indefinite = std::make_shared<SymmetricMatrix>(*problem.matrix);
  indefinite->diagonal[4] = -100;
  problem.matrix = indefinite;
  std::vector<double> x(9);
  if (is_there(QuadraticSolver::cholmod_supernodal)) {
    const auto peer = make_quadratic_peer(QuadraticSolver::cholmod_supernodal, problem);
    CHECK_THROWS_WITH(peer->solve(x, 0), Catch::Contains("not positive definite"));
  }
}

TEST_CASE("quadratic peers: are for quadratics") {
  const Problem problem = testing::logistic(6, 4, 1);
  for (const QuadraticSolver solver : kQuadraticSolvers) {
    CHECK_THROWS_AS(make_quadratic_peer(solver, problem), std::invalid_argument);
  }
}

TEST_CASE("quadratic peers: what is missing says so in one line") {
  const Problem problem = testing::grid(2, 2, 1);
  for (const QuadraticSolver solver : kQuadraticSolvers) {
    const auto missing = unsupported(solver);
    CHECK(!version_of(solver).empty());
    if (!missing) continue;
    CHECK(missing->find('\n') == std::string::npos);
    CHECK_THROWS_WITH(make_quadratic_peer(solver, problem), Catch::Equals(*missing));
  }
}

}  // namespace
}  // namespace ashlar::bcd::baselines
