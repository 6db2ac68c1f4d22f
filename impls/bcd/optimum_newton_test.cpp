// Minimisers of logistic regression and softmax: conditions of optimality in long double, duality
// gaps, closed forms, separable classes.
#include "impls/bcd/optimum_newton.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <stdexcept>

#include "impls/bcd/objective.hpp"
#include "impls/bcd/test_problems.hpp"

namespace ashlar::bcd::testing {
namespace {

/// The largest |f_i| at x = 0: from this lambda on, 0 is the minimiser.
double critical_lambda(const Problem& problem) {
  Problem plain = problem;
  plain.penalty = {};
  return magnitude(make_reference_objective(plain)->gradient());
}

/// How far the conditions of optimality are from holding, by the reference's gradient.
double violation_of(const Problem& problem, const Vector& x) {
  Problem plain = problem;
  plain.penalty = {};
  const auto objective = make_reference_objective(plain);
  objective->set_x(x);
  const auto g = objective->gradient();
  const double lambda = problem.penalty.lambda;
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at_zero = problem.penalty.nonnegative ? -g[i] - lambda : std::abs(g[i]) - lambda;
    worst = std::max(worst, x[i] != 0 ? std::abs(g[i] + std::copysign(lambda, x[i])) : at_zero);
    if (problem.penalty.nonnegative && x[i] < 0) return 1e300;
  }
  return worst;
}

/// f(x) minus a lower bound of f: the dual's value at the slopes, scaled to be feasible, of a
/// logistic problem with a signed penalty.
double duality_gap(const Problem& problem, const Vector& x) {
  const FeatureMatrix& a = *problem.features;
  std::vector<long double> dual(static_cast<std::size_t>(a.rows));
  long double value = 0;
  for (Index r = 0; r < a.rows; ++r) {
    long double margin = 0;
    for (std::size_t e = 0; e < a.by_row.indices_of(r).size(); ++e) {
      margin += static_cast<long double>(a.by_row.values_of(r)[e]) * x[a.by_row.indices_of(r)[e]];
    }
    margin *= problem.targets[r];
    value += std::log1p(std::exp(-margin));
    dual[r] = 1 / (1 + std::exp(margin));  // in (0, 1)
  }
  for (const double element : x) value += problem.penalty.lambda * std::abs(element);
  long double largest = 0;
  for (Index i = 0; i < a.columns; ++i) {
    long double sum = 0;
    for (std::size_t e = 0; e < a.by_column.indices_of(i).size(); ++e) {
      const Index r = a.by_column.indices_of(i)[e];
      sum += a.by_column.values_of(i)[e] * problem.targets[r] * dual[r];
    }
    largest = std::max(largest, std::abs(sum));
  }
  const long double scale = std::min(1.0L, problem.penalty.lambda / largest);
  long double bound = 0;
  for (const long double one : dual) {
    const long double d = scale * one;
    bound -= d * std::log(d) + (1 - d) * std::log1p(-d);
  }
  return static_cast<double>(value - bound);
}

}  // namespace

TEST_CASE("penalised logistic and softmax meet the conditions of optimality", "[optimum]") {
  const auto [loss, rows, columns, classes] =
      GENERATE(table<Loss, Index, Index, Index>({{Loss::logistic, 1, 1, 1},
                                                 {Loss::logistic, 7, 13, 1},
                                                 {Loss::logistic, 60, 9, 1},
                                                 {Loss::logistic, 40, 120, 1},
                                                 {Loss::softmax, 9, 4, 3},
                                                 {Loss::softmax, 30, 20, 5},
                                                 {Loss::softmax, 25, 6, 2}}));
  const double share = GENERATE(0.9, 0.1, 0.003);
  const bool nonnegative = GENERATE(false, true);
  Problem problem = make_random(loss, {rows, columns, classes, 0.5}, 3);
  const double largest = critical_lambda(problem);
  problem.penalty = {share * largest, nonnegative};
  INFO(name_of(loss) << " " << rows << " x " << columns << ", share " << share << ", nonnegative "
                     << nonnegative);
  const Optimum optimum = find_optimum(problem);
  REQUIRE(optimum.x.size() == static_cast<std::size_t>(problem.size()));
  CHECK(violation_of(problem, optimum.x) < 1e-10 * largest);
  const auto objective = make_reference_objective(problem);
  objective->set_x(optimum.x);
  CHECK(std::abs(objective->gap(optimum)) < 1e-12 * (1 + optimum.value));
  CHECK(distance(objective->gradient(), optimum.gradient) < 1e-10 * largest);
  // The check can fail.
  Vector moved = optimum.x;
  moved[0] += 1e-6;
  CHECK(violation_of(problem, moved) > 1e-9 * largest);
}

TEST_CASE("the dual bounds logistic regression's optimum from below", "[optimum]") {
  for (const double share : {0.5, 0.05, 0.002}) {
    Problem problem = make_random(Loss::logistic, {80, 50, 1, 0.4}, 11);
    problem.penalty.lambda = share * critical_lambda(problem);
    const Optimum optimum = newton_optimum(problem);
    INFO(share);
    CHECK(duality_gap(problem, optimum.x) < 1e-9 * optimum.value);
    CHECK(duality_gap(problem, optimum.x) > -1e-12 * optimum.value);
    Vector worse = optimum.x;
    worse[0] += 1e-2;
    CHECK(duality_gap(problem, worse) > 1e-7 * optimum.value);
  }
}

TEST_CASE("from the largest derivative on, 0 is the minimiser", "[optimum]") {
  for (const Loss loss : {Loss::logistic, Loss::softmax}) {
    Problem problem = make_random(loss, {12, 5, 3, 0.6}, 2);
    problem.penalty.lambda = 1.0000001 * critical_lambda(problem);
    CHECK(magnitude(newton_optimum(problem).x) == 0);
    problem.penalty.lambda *= 0.999;
    CHECK(magnitude(newton_optimum(problem).x) > 0);
  }
}

TEST_CASE("one feature: closed form", "[optimum]") {
  // Three labels of 1 and one of -1 at the same feature: the score's odds are 3 to 1.
  const double rows[] = {2, 2, 2, 2};
  Problem problem;
  problem.loss = Loss::logistic;
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(4, 1, rows));
  problem.targets = {1, 1, -1, 1};
  CHECK(newton_optimum(problem).x.at(0) == Approx(std::log(3.0) / 2).epsilon(1e-12));
  // With a penalty: 2 (1 - 4 s) + lambda = 0, where s is the chance of -1.
  problem.penalty.lambda = 1;
  const double chance = 1.5 / 4;
  CHECK(newton_optimum(problem).x.at(0) ==
        Approx(std::log((1 - chance) / chance) / 2).epsilon(1e-12));
}

TEST_CASE("without a penalty separable classes have the infimum 0", "[optimum]") {
  const Problem separable = make_random(Loss::logistic, {7, 13, 1, 0.5}, 1);
  CHECK(newton_optimum(separable).value == 0);
  CHECK(newton_optimum(separable).x.empty());
  CHECK(newton_optimum(make_random(Loss::softmax, {5, 30, 3, 0.9}, 1)).x.empty());
  // More rows than can be separated: a minimiser.
  for (const Loss loss : {Loss::logistic, Loss::softmax}) {
    const Problem problem = make_random(loss, {90, 4, 3, 0.9}, 5);
    const Optimum optimum = newton_optimum(problem);
    REQUIRE(!optimum.x.empty());
    CHECK(violation_of(problem, optimum.x) < 1e-9);
    CHECK(optimum.value > 1);
  }
}

TEST_CASE("equal columns: one of many minimisers", "[optimum]") {
  const double rows[] = {1, 1, 2, 2, -1, -1, 3, 3, 0.5, 0.5};
  Problem problem;
  problem.loss = Loss::logistic;
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(5, 2, rows));
  problem.targets = {1, -1, -1, 1, 1};
  problem.penalty.lambda = 0.1;
  CHECK(violation_of(problem, newton_optimum(problem).x) < 1e-10);
}

TEST_CASE("other losses and models that are too large are refused", "[optimum]") {
  CHECK_THROWS_AS(newton_optimum(make_random(Loss::least_squares, {5, 3, 1, 1}, 1)),
                  std::invalid_argument);
  CHECK_THROWS_AS(newton_optimum(make_random(Loss::softmax, {50, 50, 100, 1}, 1)),
                  std::invalid_argument);
}

}  // namespace ashlar::bcd::testing
