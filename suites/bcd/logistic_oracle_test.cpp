// The dual's bound holds everywhere, and meets f at the minimiser alone.
#include "suites/bcd/logistic_oracle.hpp"

#include <cmath>

#include <catch2/catch.hpp>

#include "impls/bcd/random_problem.hpp"
#include "impls/bcd/solve.hpp"

using namespace ashlar::bcd;
using namespace ashlar::bcd::suite;

TEST_CASE("the dual bounds penalised logistic regression from below, and is met") {
  for (const double lambda : {4.0, 0.5, 0.02}) {
    const Problem problem =
        make_random(Loss::logistic, {30, 12, 1, 0.5}, 9, {.lambda = lambda, .nonnegative = false});
    const Optimum optimum = find_optimum(problem);
    const long double least = penalised_logistic_value(problem, optimum.x);
    INFO(lambda);
    CHECK(static_cast<double>(least) == Approx(optimum.value).epsilon(1e-13));
    const long double bound = logistic_lower_bound(problem, optimum.x);
    CHECK(bound <= least * (1 + 1e-15));
    CHECK(bound > least * (1 - 1e-10));
    // From elsewhere it is lower, and still a bound.
    std::vector<double> other = optimum.x;
    for (std::size_t i = 0; i < other.size(); ++i) other[i] += 0.1 * std::sin(1.0 + i);
    CHECK(logistic_lower_bound(problem, other) < bound);
    CHECK(penalised_logistic_value(problem, other) > least);
  }
}

TEST_CASE("values do not overflow, and the bound at 0 is what it is") {
  const double rows[] = {1, 1};
  Problem problem;
  problem.loss = Loss::logistic;
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(2, 1, rows));
  problem.targets = {1, -1};
  problem.penalty.lambda = 2;
  const double far = 1e5;
  CHECK(static_cast<double>(penalised_logistic_value(problem, {&far, 1})) == Approx(3e5));
  const double zero = 0;  // the slopes cancel: 0 is the minimiser
  CHECK(static_cast<double>(logistic_lower_bound(problem, {&zero, 1})) ==
        Approx(2 * std::log(2.0)).epsilon(1e-15));
}
