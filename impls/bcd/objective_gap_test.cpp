// Gaps: at least 0, the difference of values where that does not cancel, and right where it does.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "impls/bcd/objective.hpp"
#include "impls/bcd/solve.hpp"
#include "impls/bcd/test_problems.hpp"

namespace ashlar::bcd::testing {
namespace {

double penalised_value(Objective& objective) {
  double value = objective.value();
  const Penalty& penalty = objective.problem().penalty;
  if (!penalty.nonnegative) {
    for (const double element : objective.x()) value += penalty.lambda * std::abs(element);
  }
  return value;
}

std::vector<Problem> problems_with_minimiser() {
  std::vector<Problem> problems;
  for (const Problem& plain :
       {make_random(Loss::quadratic, {0, 17, 1, 0.3}, 9), make_lattice(6, 7, 5, 3),
        make_random(Loss::least_squares, {8, 30, 1, 0.5}, 4),
        make_random(Loss::least_squares, {30, 8, 1, 0.5}, 5)}) {
    const bool many_minimise =
        plain.loss == Loss::least_squares && plain.features->rows < plain.features->columns;
    if (!many_minimise) problems.push_back(plain);
    for (const Penalty penalty : {Penalty{0.7, true}, Penalty{0.7, false}, Penalty{0, true}}) {
      problems.push_back(plain);
      problems.back().penalty = penalty;
    }
  }
  return problems;
}

}  // namespace

TEST_CASE("a gap is the difference of values", "[gap]") {
  for (const Problem& problem : problems_with_minimiser()) {
    INFO(name_of(problem.loss) << ", p = " << problem.size() << ", lambda "
                               << problem.penalty.lambda
                               << (problem.penalty.nonnegative ? ", x >= 0" : ""));
    const Optimum optimum = find_optimum(problem);
    REQUIRE(static_cast<Index>(optimum.x.size()) == problem.size());
    const auto objective = make_reference_objective(problem);
    const double at_zero = objective->value();
    Draws draws(1);
    for (const double scale : {0.1, 1.0, 100.0}) {
      Vector x = draws.vector(optimum.x.size(), scale);
      if (problem.penalty.nonnegative) {
        for (double& element : x) element = std::abs(element);
      }
      objective->set_x(x);
      const double difference = penalised_value(*objective) - optimum.value;
      CHECK(difference > 0);  // it is a minimiser
      CHECK(objective->gap(optimum) == Approx(difference).epsilon(1e-9));
    }
    objective->set_x(optimum.x);
    CHECK(objective->gap(optimum) == 0);
    // f* is 0 where it interpolates: rounding is then that of the terms, as at x = 0.
    const double rounding = 1e-12 * std::abs(at_zero);
    CHECK(penalised_value(*objective) == Approx(optimum.value).epsilon(1e-12).margin(rounding));
  }
}

TEST_CASE("a gap far below the rounding of values is still right", "[gap]") {
  const Problem problem = make_lattice(12, 11, 9, 2);
  const Optimum optimum = find_optimum(problem);
  const auto objective = make_reference_objective(problem);
  // One coordinate off by d: the gap is 0.5 M_ii d^2, 2e-9 at values of 1e7 and more.
  const Index place = 30;
  Vector x = optimum.x;
  x[place] += 1e-7;
  const double d = x[place] - optimum.x[place];
  const double expected = 0.5 * problem.matrix->diagonal[place] * d * d;
  objective->set_x(x);
  CHECK(objective->gap(optimum) == Approx(expected).epsilon(1e-2));
  // Control: the difference of values knows nothing of it.
  CHECK(std::abs(objective->value() - optimum.value - expected) > 0.01 * expected);

  Problem penalised = make_random(Loss::least_squares, {8, 30, 1, 0.5}, 4);
  penalised.penalty = {0.7, true};
  for (double& target : penalised.targets) target *= 1e3;
  const Optimum sparse = find_optimum(penalised);
  const auto squares = make_reference_objective(penalised);
  x = sparse.x;
  const auto off = std::find(x.begin(), x.end(), 0.0) - x.begin();
  x[off] += 1e-13;
  squares->set_x(x);
  CHECK(squares->gap(sparse) == Approx(sparse.gradient[off] * 1e-13).epsilon(1e-6));
}

TEST_CASE("without a minimiser the gap is the difference to the infimum", "[gap]") {
  for (const Loss loss : {Loss::least_squares, Loss::logistic, Loss::softmax}) {
    const Problem problem = make_random(loss, {7, 13, 3, 0.5}, 4);
    const Optimum optimum = find_optimum(problem);
    CHECK(optimum.x.empty());
    CHECK(optimum.value == 0);
    const auto objective = make_reference_objective(problem);
    CHECK(objective->gap(optimum) == objective->value());
  }
}

}  // namespace ashlar::bcd::testing
