#include "baselines/bcd/fista.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "baselines/bcd/calibration.hpp"
#include "baselines/bcd/liblinear.hpp"
#include "baselines/bcd/test_problems.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::bcd::baselines {
namespace {

constexpr std::int64_t kPlenty = 200'000;

double value_at(const Problem& problem, std::span<const double> x) {
  const SparseLines& rows = problem.features->by_row;
  double value = 0;
  for (Index row = 0; row < rows.lines(); ++row) {
    double product = -problem.targets[row];
    const auto indices = rows.indices_of(row);
    for (std::size_t e = 0; e < indices.size(); ++e) {
      product += rows.values_of(row)[e] * x[indices[e]];
    }
    value += 0.5 * product * product;
  }
  for (const double element : x) value += problem.penalty.lambda * std::abs(element);
  return value;
}

TEST_CASE("fista: meets the conditions of optimality, signed and nonnegative") {
  const bool nonnegative = GENERATE(false, true);
  const auto [rows, columns] =
      GENERATE(table<Index, Index>({{1, 1}, {3, 1}, {1, 4}, {12, 7}, {9, 40}, {31, 60}}));
  const Problem problem = testing::least_squares(rows, columns, {15, nonnegative}, 3);
  Fista fista(problem);
  std::vector<double> x(static_cast<std::size_t>(columns));
  const double scale = testing::l1_violation(problem, 0, false, std::vector<double>(x.size(), 1.0));
  const auto met = [&](std::int64_t, std::span<const double> at, double) {
    return testing::l1_violation(problem, 15, nonnegative, at) < 1e-9 * scale;
  };
  const FistaOutcome outcome = fista.solve(x, kPlenty, met);
  INFO(rows << " x " << columns << ", " << outcome.iterations << " iterations");
  CHECK(testing::l1_violation(problem, 15, nonnegative, x) < 1e-9 * scale);
  // The check can fail: a coordinate that is a little off, or of the wrong sign, is seen.
  for (const double change : {1e-4, -1e-4}) {
    std::vector<double> wrong = x;
    wrong[0] += change;
    CHECK(testing::l1_violation(problem, 15, nonnegative, wrong) > 1e-9 * scale);
  }
}

TEST_CASE("fista: soft thresholds where columns are orthogonal") {
  Problem problem;
  problem.penalty = {.lambda = 2};
  problem.features = std::make_shared<FeatureMatrix>(
      features_from_dense(3, 3, std::vector<double>{2, 0, 0, 0, 1, 0, 0, 0, -3}));
  problem.targets = {5, 1.5, 4};
  std::vector<double> x(3);
  Fista(problem).solve(x, 2000);
  CHECK(x[0] == Approx((10.0 - 2) / 4).epsilon(1e-12));
  CHECK(x[1] == 0);
  CHECK(x[2] == Approx(-(12.0 - 2) / 9).epsilon(1e-12));
  problem.penalty.nonnegative = true;
  Fista(problem).solve(x, 2000);
  CHECK(x[0] == Approx(2).epsilon(1e-12));
  CHECK(x[1] == 0);
  CHECK(x[2] == 0);
}

TEST_CASE("fista: gives the value it is at, and stops where it is told") {
  const Problem problem = testing::least_squares(20, 35, {10, false}, 5);
  Fista fista(problem);
  std::vector<double> x(35);
  std::vector<double> values;
  const FistaOutcome outcome = fista.solve(
      x, kPlenty, [&](std::int64_t iteration, std::span<const double> at, double value) {
        CHECK(iteration == static_cast<std::int64_t>(values.size()) + 1);
        CHECK(value == Approx(value_at(problem, at)).epsilon(1e-12));
        values.push_back(value);
        return iteration == 25;
      });
  CHECK(outcome.iterations == 25);
  CHECK(values.back() < values.front());
  // What is timed is a number of iterations, without looking at f: it must be the same run.
  std::vector<double> again(35);
  CHECK(fista.solve(again, 25).iterations == 25);
  CHECK(again == x);
}

TEST_CASE("fista: the same minimiser on any number of threads") {
  const Problem problem = testing::least_squares(150, 900, {200, true}, 7);
  REQUIRE(problem.features->by_column.entries() > 40'000);  // enough for three threads
  const int before = core::thread_count();
  std::vector<double> one(900);
  std::vector<double> three(900);
  core::set_thread_count(1);
  Fista(problem).solve(one, 300);
  core::set_thread_count(3);
  Fista(problem).solve(three, 300);
  core::set_thread_count(before);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(three[i] == Approx(one[i]).margin(1e-9));
}

TEST_CASE("fista: finds out where the power iteration saw too little curvature") {
  // One column of 2000 has four times the curvature: that where the power iteration's random start,
  // which is this stream, is nearest to 0.
  constexpr Index kSize = 2000;
  const std::vector<double> start = testing::normals(kSize, 1);
  const auto nearer = [](double a, double b) { return std::abs(a) < std::abs(b); };
  const auto nearest = std::min_element(start.begin(), start.end(), nearer);
  const auto steep = static_cast<Index>(nearest - start.begin());
  SparseLines rows;
  rows.starts.push_back(0);
  for (Index i = 0; i < kSize; ++i) {
    rows.indices.push_back(i);
    rows.values.push_back(i == steep ? 2.0 : 1.0);
    rows.starts.push_back(i + 1);
  }
  Problem problem;
  problem.penalty = {.lambda = 0.1};
  problem.features = std::make_shared<FeatureMatrix>(features_from_rows(kSize, rows));
  problem.targets = testing::normals(kSize, 11);
  Fista fista(problem);
  std::vector<double> x(kSize);
  CHECK(fista.solve(x, 1).inverse_step < 2);
  const FistaOutcome outcome = fista.solve(x, 300);
  CHECK(outcome.inverse_step >= 3.9);
  CHECK(testing::l1_violation(problem, 0.1, false, x) < 1e-9);
}

TEST_CASE("fista: logistic regression meets the conditions of optimality") {
  const bool nonnegative = GENERATE(false, true);
  const auto [rows, columns] = GENERATE(table<Index, Index>({{1, 1}, {3, 1}, {25, 6}, {20, 50}}));
  Problem problem = testing::logistic(rows, columns, 6);
  problem.penalty = {1, nonnegative};
  INFO(rows << " x " << columns << (nonnegative ? ", nonnegative" : ""));
  std::vector<double> x(static_cast<std::size_t>(columns));
  double value = 0;
  const auto met = [&](std::int64_t, std::span<const double> at, double value_there) {
    value = value_there;
    return testing::l1_violation(problem, 1, nonnegative, at) < 1e-8;
  };
  Fista(problem).solve(x, kPlenty, met);
  CHECK(testing::l1_violation(problem, 1, nonnegative, x) < 1e-8);
  CHECK(value == Approx(penalised_logistic(problem, LogisticPenalty::l1, 1, x)).epsilon(1e-13));
  x[0] += 1e-3;  // the check can fail
  CHECK(testing::l1_violation(problem, 1, nonnegative, x) > 1e-8);
}

TEST_CASE("fista: is for least squares and logistic") {
  CHECK_THROWS_WITH(Fista(testing::grid(2, 2, 1)),
                    Catch::Contains("FISTA is for least squares and logistic"));
}

TEST_CASE("calibration: the loosest tolerance that is tight enough") {
  std::vector<double> asked;
  const Calibration found = loosest_tolerance(
      [&](double tolerance) {
        asked.push_back(tolerance);
        return 100 * tolerance;
      },
      2e-3, {.loosest = 1, .tightest = 1e-8, .ratio = 0.1});
  CHECK(found.tolerance == Approx(1e-5));
  CHECK(found.gap == Approx(1e-3));
  CHECK(asked.size() == 6);
}

TEST_CASE("calibration: says what was reached where nothing is tight enough") {
  int asked = 0;
  const auto stalls = [&](double tolerance) {
    ++asked;
    return std::max(tolerance, 0.25);
  };
  CHECK_THROWS_WITH(loosest_tolerance(stalls, 1e-2, {.loosest = 1, .tightest = 1e-4, .ratio = 0.1}),
                    Catch::Contains("did not reach a gap of 0.01: best gap 0.25"));
  CHECK(asked == 5);
  // A gap that is not a number is not small.
  CHECK_THROWS_AS(
      loosest_tolerance([](double) { return std::numeric_limits<double>::quiet_NaN(); }, 1.0),
      std::runtime_error);
}

}  // namespace
}  // namespace ashlar::bcd::baselines
