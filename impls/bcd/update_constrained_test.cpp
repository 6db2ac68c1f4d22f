// Updates that keep x >= 0, and the proximal step: feasible, never uphill, and at the optimum in
// the end.
#include <catch2/catch.hpp>

#include "impls/bcd/test_update.hpp"
#include "impls/bcd/update.hpp"

namespace ashlar::bcd {
namespace update_constrained_tests {

using namespace testing;

const std::vector<Update> kConstrained{Update::projected_gradient, Update::projected_newton,
                                       Update::two_metric};

std::vector<Problem> constrained_problems() {
  std::vector<Problem> problems = small_problems();
  for (Problem& problem : problems) {
    problem.penalty = {.lambda = 0.3, .nonnegative = true};
  }
  return problems;
}

/// The worst violation of the conditions of optimality of min f over x >= 0.
double projected_violation(Objective& objective, Block block) {
  const std::vector<double> g = block_gradient(objective, block);
  double worst = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    worst = std::fmax(worst, objective.x()[block[i]] > 0 ? std::fabs(g[i]) : -g[i]);
  }
  return worst;
}

TEST_CASE("constrained updates: x stays at least 0 and f never rises") {
  Draws draws(83);
  for (const Update kind : kConstrained) {
    CAPTURE(name_of(kind));
    for (const Problem& problem : constrained_problems()) {
      CAPTURE(name_of(problem.loss), problem.size());
      const auto objective = make_reference_objective(problem);
      const auto update = make_update(rule_of(kind), *objective);
      for (int round = 0; round < 30; ++round) {
        if (round % 10 == 0) {
          std::vector<double> x = draws.vector(problem.size(), round == 0 ? 5.0 : 0.5);
          for (double& element : x) element = std::fmax(0.0, element);
          objective->set_x(x);
        }
        const std::vector<double> start(objective->x().begin(), objective->x().end());
        const std::vector<Index> block =
            random_block(problem.size(), below(draws, problem.size() + 1), draws);
        CHECK(update_fault(*update, *objective, block, 0) == "");
        for (Index i = 0; i < problem.size(); ++i) {
          CHECK(objective->x()[i] >= 0);
          const bool inside = std::find(block.begin(), block.end(), i) != block.end();
          if (!inside) CHECK(objective->x()[i] == start[i]);
        }
      }
    }
  }
}

TEST_CASE("constrained updates: the projected Newton step is exact on its block") {
  Draws draws(89);
  for (Problem& problem : constrained_problems()) {
    if (problem.loss != Loss::least_squares && problem.loss != Loss::quadratic) continue;
    const auto objective = make_reference_objective(problem);
    const auto update = make_update(rule_of(Update::projected_newton), *objective);
    for (int round = 0; round < 20; ++round) {
      std::vector<double> x = draws.vector(problem.size(), 2.0);
      for (double& element : x) element = std::fmax(0.0, element);
      objective->set_x(x);
      const std::vector<Index> block =
          random_block(problem.size(), 1 + below(draws, problem.size()), draws);
      const double scale = 1 + norm_of(block_gradient(*objective, block));
      update->update(*objective, block);
      CHECK(projected_violation(*objective, block) < 1e-11 * scale);
    }
  }
}

/// A lasso-like problem with more examples than columns, so that all coordinates are determined.
Problem determined_problem(Penalty penalty) {
  Problem problem = random_problem(Loss::least_squares, 40, 12, 1, 5, 0.8);
  problem.penalty = penalty;
  return problem;
}

TEST_CASE("constrained updates: all of them end at the same optimum") {
  const Problem problem = determined_problem({.lambda = 20, .nonnegative = true});
  std::vector<double> values;
  for (const Update kind : kConstrained) {
    const auto objective = make_reference_objective(problem);
    const auto update = make_update(rule_of(kind), *objective);
    Draws draws(97);
    for (int round = 0; round < 3000; ++round) {
      update->update(*objective, random_block(12, 4, draws));
    }
    CAPTURE(name_of(kind));
    CHECK(projected_violation(*objective, every_coordinate(12)) < 1e-8);
    values.push_back(objective->value());
    const auto zeros = std::count(objective->x().begin(), objective->x().end(), 0.0);
    CHECK(zeros > 0);
    CHECK(zeros < 12);
  }
  CHECK(values[1] == Approx(values[0]).epsilon(1e-12));
  CHECK(values[2] == Approx(values[0]).epsilon(1e-12));
}

TEST_CASE("constrained updates: coordinates with nothing to do change nothing") {
  const Problem problem = determined_problem({.lambda = 20, .nonnegative = true});
  for (const Update kind : kConstrained) {
    const auto objective = make_reference_objective(problem);
    const auto newton = make_update(rule_of(Update::projected_newton), *objective);
    newton->update(*objective, every_coordinate(12));
    const double value = objective->value();
    std::vector<Index> idle;
    for (Index i = 0; i < 12; ++i) {
      if (objective->x()[i] == 0) idle.push_back(i);
    }
    REQUIRE(!idle.empty());
    make_update(rule_of(kind), *objective)->update(*objective, idle);
    CHECK(objective->value() == value);
    for (const Index i : idle) CHECK(objective->x()[i] == 0);
  }
}

double penalised_value(Objective& objective) {
  double value = objective.value();
  for (const double element : objective.x()) {
    value += objective.problem().penalty.lambda * std::fabs(element);
  }
  return value;
}

TEST_CASE("proximal updates: the penalised objective falls, to where 0 is a subgradient") {
  Draws draws(101);
  for (Problem problem : small_problems()) {
    problem.penalty.lambda = 0.5;
    const auto objective = make_reference_objective(problem);
    const auto update = make_update(rule_of(Update::proximal), *objective);
    objective->set_x(draws.vector(problem.size()));
    for (int round = 0; round < 60; ++round) {
      const double before = penalised_value(*objective);
      const std::vector<Index> block =
          random_block(problem.size(), below(draws, problem.size() + 1), draws);
      update->update(*objective, block);
      CHECK(decrease_fault(before, penalised_value(*objective), 0) == "");
    }
  }
  const Problem problem = determined_problem({.lambda = 20, .nonnegative = false});
  const auto objective = make_reference_objective(problem);
  const auto update = make_update(rule_of(Update::proximal), *objective);
  for (int round = 0; round < 3000; ++round) {
    update->update(*objective, random_block(12, 4, draws));
  }
  int zeros = 0;
  int negative = 0;
  const std::vector<double> g = block_gradient(*objective, every_coordinate(12));
  for (Index i = 0; i < 12; ++i) {
    const double x = objective->x()[i];
    if (x == 0)
      CHECK(std::fabs(g[i]) <= 20);
    else
      CHECK(g[i] == Approx(x > 0 ? -20 : 20).epsilon(1e-9));
    zeros += x == 0;
    negative += x < 0;
  }
  CHECK(zeros > 0);
  CHECK(negative > 0);
  // Without a penalty it is the gradient step, to the bit.
  const Problem plain = determined_problem({});
  const auto one = make_reference_objective(plain);
  const auto other = make_reference_objective(plain);
  make_update(rule_of(Update::proximal), *one)->update(*one, every_coordinate(12));
  make_update(rule_of(Update::lipschitz_block), *other)->update(*other, every_coordinate(12));
  CHECK(std::equal(one->x().begin(), one->x().end(), other->x().begin()));
}

}  // namespace update_constrained_tests
}  // namespace ashlar::bcd
