// Progress bounds in their order, and identification bounds against runs that they are about.
#include "impls/bcd/theory.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/test_update.hpp"

namespace ashlar::bcd {
namespace theory_tests {

using namespace testing;

TEST_CASE("progress: bounds are in order, and the exact one is reached by no smaller move") {
  Draws draws(103);
  for (const Problem& problem : small_problems()) {
    const auto objective = make_reference_objective(problem);
    for (int round = 0; round < 8; ++round) {
      objective->set_x(draws.vector(problem.size(), round % 2 == 0 ? 0.3 : 3.0));
      const std::vector<double> start(objective->x().begin(), objective->x().end());
      const std::vector<Index> block =
          random_block(problem.size(), 1 + below(draws, problem.size()), draws);
      const double value = objective->value();
      const BlockProgress progress = progress_of(*objective, block);
      CAPTURE(name_of(problem.loss), problem.size(), block.size());
      CHECK(std::equal(start.begin(), start.end(), objective->x().begin()));
      const double more = 1 + 1e-10;
      const double rounding = 1e-13 * std::fabs(value);
      CHECK(progress.gradient >= 0);
      CHECK(progress.gradient <= progress.matrix * more);
      CHECK(progress.diagonal <= progress.matrix * more);
      CHECK(progress.matrix <= progress.exact * more + rounding);
      for (int trial = 0; trial < 30; ++trial) {
        const std::vector<double> d = draws.vector(static_cast<Index>(block.size()), 0.5);
        CHECK(value - objective->value_after(block, d) <= progress.exact * more + rounding);
      }
    }
  }
  const Problem problem = random_problem(Loss::least_squares, 7, 13);
  const auto objective = make_reference_objective(problem);
  CHECK(gradient_progress(*objective, {}) == 0);
  CHECK(progress_of(*objective, {}).exact == 0);
}

/// Least squares with more examples than columns: mu > 0.
Problem small_lasso(bool nonnegative, double lambda) {
  Problem problem = random_problem(Loss::least_squares, 30, 8, 1, 7, 0.9);
  problem.penalty = {.lambda = lambda, .nonnegative = nonnegative};
  return problem;
}

Rule step_rule(const Problem& problem) {
  return rule_of(problem.penalty.nonnegative ? Update::projected_gradient : Update::proximal);
}

/// By single coordinates until nothing moves any more.
Optimum optimum_of(const Problem& problem) {
  const auto objective = make_reference_objective(problem);
  const auto update = make_update(step_rule(problem), *objective);
  for (int sweep = 0; sweep < 3000; ++sweep) {
    for (Index i = 0; i < problem.size(); ++i) update->update(*objective, Block(&i, 1));
  }
  Optimum optimum;
  optimum.x.assign(objective->x().begin(), objective->x().end());
  optimum.gradient.assign(objective->gradient().begin(), objective->gradient().end());
  optimum.value = objective->value();
  if (!problem.penalty.nonnegative) {
    for (const double x : optimum.x) optimum.value += problem.penalty.lambda * std::fabs(x);
  }
  return optimum;
}

/// Steps on next() after which the support is the optimum's and stays so; also whether it was so in
/// all steps that began within the radius.
struct Observed {
  int identified = 0;
  bool within_radius = true;
};
template <class Next>
Observed observe(Objective& objective, const Problem& problem, const Optimum& optimum,
                 double radius, int steps, const Next& next) {
  const auto update = make_update(step_rule(problem), objective);
  const std::vector<Index> support = support_of(optimum.x);
  Observed observed;
  for (int step = 1; step <= steps; ++step) {
    double distance = 0;
    for (std::size_t i = 0; i < optimum.x.size(); ++i) {
      distance = std::hypot(distance, objective.x()[i] - optimum.x[i]);
    }
    const std::vector<Index> block = next();
    update->update(objective, block);
    if (support_of(objective.x()) != support) observed.identified = step + 1;
    if (distance > radius) continue;
    for (const Index i : block) {
      observed.within_radius =
          observed.within_radius && (objective.x()[i] != 0) == (optimum.x[i] != 0);
    }
  }
  return observed;
}

TEST_CASE("identification: full proximal steps find the support within the bound") {
  for (const bool nonnegative : {false, true}) {
    for (const double lambda : {5.0, 20.0, 60.0}) {
      const Problem problem = small_lasso(nonnegative, lambda);
      CAPTURE(nonnegative, lambda);
      const Optimum optimum = optimum_of(problem);
      const auto objective = make_reference_objective(problem);
      Draws draws(107);
      std::vector<double> start = draws.vector(problem.size(), 20);
      for (double& x : start) x = std::fabs(x);
      objective->set_x(start);
      const std::vector<Index> all = every_coordinate(problem.size());
      const double mu = strong_convexity(*objective, all);
      REQUIRE(mu > 0);
      const IdentificationBound bound = identification_bound(*objective, optimum, mu);
      REQUIRE_FALSE(bound.nondegeneracy.degenerate);
      REQUIRE(std::isfinite(bound.full_steps));
      CHECK(optimum.x[bound.nondegeneracy.at] == 0);
      const Observed observed =
          observe(*objective, problem, optimum, bound.radius,
                  static_cast<int>(bound.full_steps) + 200, [&] { return all; });
      CHECK(observed.within_radius);
      CHECK(observed.identified <= bound.full_steps);
      CHECK(observed.identified > 1);
      // The control: a mu that f does not have, 1000 times as large, gives a bound that is missed.
      objective->set_x(start);
      const IdentificationBound wrong = identification_bound(*objective, optimum, 1000 * mu);
      CHECK(observed.identified > wrong.full_steps);
    }
  }
}

TEST_CASE("identification: block steps find it within theirs, and need mu, delta and blocks") {
  const Problem problem = small_lasso(false, 20);
  const Optimum optimum = optimum_of(problem);
  const auto objective = make_reference_objective(problem);
  objective->set_x(std::vector<double>(8, 15.0));
  const std::vector<double> start(objective->x().begin(), objective->x().end());
  const double mu = strong_convexity(*objective, every_coordinate(8));
  const Blocks blocks{{0, 1}, {2, 3}, {4, 5}, {6, 7}};
  const std::vector<double> constants = block_lipschitz(*objective, blocks);
  const BlockIdentificationBound bound =
      block_identification_bound(*objective, optimum, mu, constants);
  CHECK(bound.cyclic_steps == 4);
  CHECK(bound.random_steps == Approx(4 * (1 + 0.5 + 1.0 / 3 + 0.25)));
  CHECK(bound.largest_lipschitz <= bound.full.lipschitz * (1 + 1e-6));
  REQUIRE(std::isfinite(bound.steps_to_radius));
  Draws draws(109);
  const double random = bound.steps_to_radius + bound.random_steps;
  for (int seed = 0; seed < 5; ++seed) {
    objective->set_x(start);
    const Observed observed =
        observe(*objective, problem, optimum, bound.full.radius, static_cast<int>(random) + 100,
                [&] { return blocks[below(draws, 4)]; });
    CHECK(observed.identified > 4);
    CHECK(observed.identified <= random);
    CHECK(observed.within_radius);
  }
  CHECK_THROWS_AS(block_identification_bound(*objective, optimum, mu, {}), std::invalid_argument);
  CHECK_THROWS_AS(
      block_identification_bound(*objective, optimum, mu, std::vector<double>{1.0, 0.0}),
      std::invalid_argument);
  CHECK(std::isinf(identification_bound(*objective, optimum, 0).full_steps));
  CHECK(std::isinf(block_identification_bound(*objective, optimum, 0, constants).steps_to_radius));
}

TEST_CASE("identification: a degenerate optimum is said to be one") {
  // x* = 0 with lambda exactly at the largest derivative: that coordinate is about to enter.
  Problem problem = small_lasso(false, 0);
  auto objective = make_reference_objective(problem);
  double largest = 0;
  for (const double g : objective->gradient()) largest = std::fmax(largest, std::fabs(g));
  problem.penalty.lambda = largest;
  objective = make_reference_objective(problem);
  Optimum optimum;
  optimum.x.assign(8, 0.0);
  optimum.gradient.assign(objective->gradient().begin(), objective->gradient().end());
  const double mu = strong_convexity(*objective, every_coordinate(8));
  IdentificationBound bound = identification_bound(*objective, optimum, mu);
  CHECK(bound.nondegeneracy.degenerate);
  CHECK(bound.nondegeneracy.delta == 0);
  CHECK(std::isinf(bound.full_steps));
  // A little more lambda, and it is not; it is then there from the start.
  problem.penalty.lambda = largest * 1.01;
  bound = identification_bound(*objective, optimum, mu);
  CHECK_FALSE(bound.nondegeneracy.degenerate);
  CHECK(bound.nondegeneracy.delta == Approx(0.01 * largest));
  CHECK(bound.full_steps == 1);
  // Nothing at a kink: nothing to identify.
  problem.penalty.lambda = 0;
  CHECK(std::isinf(nondegeneracy(problem, optimum).delta));
  CHECK_FALSE(nondegeneracy(problem, optimum).degenerate);
  CHECK_THROWS_AS(nondegeneracy(problem, {}), std::invalid_argument);
}

TEST_CASE("identification: a column that is there twice leaves no strong convexity") {
  Problem problem = small_lasso(false, 20);
  std::vector<double> dense(30 * 9);
  for (Index r = 0; r < 30; ++r) {
    const auto columns = problem.features->by_row.indices_of(r);
    for (std::size_t e = 0; e < columns.size(); ++e) {
      dense[static_cast<std::size_t>(r) * 9 + columns[e]] =
          problem.features->by_row.values_of(r)[e];
    }
    dense[static_cast<std::size_t>(r) * 9 + 8] = dense[static_cast<std::size_t>(r) * 9];
  }
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(30, 9, dense));
  const auto objective = make_reference_objective(problem);
  const double largest = objective->bound_lambda_max();
  CHECK(strong_convexity(*objective, every_coordinate(9)) < 1e-12 * largest);
  CHECK(strong_convexity(*objective, every_coordinate(8)) > 1e-6 * largest);
  const Problem other = random_problem(Loss::logistic, 5, 4);
  const auto logistic = make_reference_objective(other);
  CHECK_THROWS_AS(strong_convexity(*logistic, every_coordinate(4)), std::invalid_argument);
}

}  // namespace theory_tests
}  // namespace ashlar::bcd
