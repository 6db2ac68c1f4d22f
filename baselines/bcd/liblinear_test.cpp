#include "baselines/bcd/liblinear.hpp"

#include <catch2/catch.hpp>
#include <iostream>
#include <stdexcept>

#include "baselines/bcd/test_problems.hpp"

namespace ashlar::bcd::baselines {
namespace {

bool liblinear_is_there() {
  const auto missing = liblinear_unsupported();
  if (missing) std::cout << "skipped: " << *missing << '\n';
  return !missing;
}

double l2_violation(const Problem& problem, double lambda, std::span<const double> x) {
  const std::vector<double> gradient = testing::smooth_gradient(problem, x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::abs(gradient[i] + lambda * x[i]));
  }
  return worst;
}

TEST_CASE("liblinear: meets the conditions of optimality") {
  if (!liblinear_is_there()) return;
  const auto [rows, columns] = GENERATE(table<Index, Index>({{8, 1}, {25, 6}, {20, 50}}));
  Problem problem = testing::logistic(rows, columns, 6);
  // Its signs follow the class of the first row.
  problem.targets[0] = GENERATE(-1.0, 1.0);
  INFO(rows << " x " << columns << ", first target " << problem.targets[0]);
  std::vector<double> x(static_cast<std::size_t>(columns), 1e300);
  make_liblinear(problem, LogisticPenalty::l1, 2)->solve(x, 1e-12);
  CHECK(testing::l1_violation(problem, 2, false, x) < 1e-6);
  x[0] += 1e-3;  // the check can fail
  CHECK(testing::l1_violation(problem, 2, false, x) > 1e-6);
  make_liblinear(problem, LogisticPenalty::l2, 0.5)->solve(x, 1e-12);
  CHECK(l2_violation(problem, 0.5, x) < 1e-6);
  x[0] += 1e-3;
  CHECK(l2_violation(problem, 0.5, x) > 1e-6);
}

TEST_CASE("liblinear: a tighter tolerance gives a lower value") {
  if (!liblinear_is_there()) return;
  const Problem problem = testing::logistic(40, 70, 9);
  for (const LogisticPenalty penalty : {LogisticPenalty::l1, LogisticPenalty::l2}) {
    const auto peer = make_liblinear(problem, penalty, 1);
    std::vector<double> loose(70);
    std::vector<double> tight(70);
    peer->solve(loose, 0.3);
    peer->solve(tight, 1e-10);
    CHECK(penalised_logistic(problem, penalty, 1, tight) <
          penalised_logistic(problem, penalty, 1, loose));
  }
}

TEST_CASE("liblinear: the value does not overflow") {
  Problem problem;
  problem.loss = Loss::logistic;
  problem.features =
      std::make_shared<FeatureMatrix>(features_from_dense(2, 1, std::vector<double>{1, 1}));
  problem.targets = {1, -1};
  const std::vector<double> x{1000};
  CHECK(penalised_logistic(problem, LogisticPenalty::l1, 2, x) == Approx(1000 + 2000));
  CHECK(penalised_logistic(problem, LogisticPenalty::l2, 2, x) == Approx(1000 + 1e6));
}

TEST_CASE("liblinear: refuses what it does not solve") {
  const Problem squares = testing::least_squares(5, 3, {1, false}, 1);
  CHECK_THROWS_AS(make_liblinear(squares, LogisticPenalty::l1, 1), std::invalid_argument);
  const Problem problem = testing::logistic(5, 3, 1);
  CHECK_THROWS_WITH(make_liblinear(problem, LogisticPenalty::l1, 0), Catch::Contains("lambda > 0"));
}

TEST_CASE("liblinear: what is missing says so in one line") {
  const auto missing = liblinear_unsupported();
  CHECK(!liblinear_version().empty());
  if (!missing) return;
  CHECK(missing->find('\n') == std::string::npos);
  CHECK_THROWS_WITH(make_liblinear(testing::logistic(5, 3, 1), LogisticPenalty::l1, 1),
                    Catch::Equals(*missing));
}

}  // namespace
}  // namespace ashlar::bcd::baselines
