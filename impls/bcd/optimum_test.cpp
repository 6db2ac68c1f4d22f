// Minimisers: conditions of optimality, enumeration of supports, the paper's data, degenerate
// columns.
#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "impls/bcd/objective.hpp"
#include "impls/bcd/solve.hpp"
#include "impls/bcd/test_problems.hpp"

namespace ashlar::bcd::testing {
namespace {

struct Conditions {
  Index support = 0;
  double on_support = 0;                                   // the largest derivative
  double delta = std::numeric_limits<double>::infinity();  // the least distance of a 0 from leaving
};
Conditions conditions_of(const Problem& problem, const Vector& x) {
  const auto objective = make_reference_objective(problem);
  objective->set_x(x);
  const auto g = objective->gradient();
  const double lambda = problem.penalty.nonnegative ? 0 : problem.penalty.lambda;
  Conditions conditions;
  for (Index i = 0; i < problem.size(); ++i) {
    if (x[i] != 0) {
      ++conditions.support;
      const double slope = g[i] + std::copysign(lambda, x[i]);
      conditions.on_support = std::max(conditions.on_support, std::abs(slope));
    } else {
      conditions.delta =
          std::min(conditions.delta, problem.penalty.nonnegative ? g[i] : lambda - std::abs(g[i]));
    }
  }
  return conditions;
}

/// f* by brute force: all supports with all signs, each solved densely.
double least_over_supports(const Problem& problem) {
  const auto objective = make_reference_objective(problem);
  const auto size = static_cast<std::size_t>(problem.size());
  const bool nonnegative = problem.penalty.nonnegative;
  const double lambda = problem.penalty.lambda;
  double least = objective->value();
  std::vector<int> signs(size, 0);
  const auto next = [&] {
    for (int& sign : signs) {
      sign = sign == 0 ? 1 : sign == 1 && !nonnegative ? -1 : 0;
      if (sign != 0) return true;
    }
    return false;
  };
  while (next()) {
    std::vector<Index> support;
    for (std::size_t i = 0; i < size; ++i) {
      if (signs[i] != 0) support.push_back(static_cast<Index>(i));
    }
    objective->set_x(Vector(size, 0.0));
    const auto k = static_cast<Eigen::Index>(support.size());
    Eigen::MatrixXd h(k, k);
    Eigen::VectorXd g(k);
    objective->bound_block(support, {h.data(), static_cast<std::size_t>(h.size())});
    objective->gradient_of(support, {g.data(), support.size()});
    for (Eigen::Index i = 0; i < k; ++i) g[i] += nonnegative ? 0 : signs[support[i]] * lambda;
    const Eigen::VectorXd solution = h.completeOrthogonalDecomposition().solve(-g);
    Vector x(size, 0.0);
    double penalty = 0;
    bool fits = true;
    for (Eigen::Index i = 0; i < k; ++i) {
      x[support[i]] = solution[i];
      fits = fits && solution[i] * signs[support[i]] >= 0;
      penalty += nonnegative ? 0 : lambda * std::abs(solution[i]);
    }
    if (!fits) continue;
    objective->set_x(x);
    least = std::min(least, objective->value() + penalty);
  }
  return least;
}

}  // namespace

TEST_CASE("the penalised minimiser is the best of all supports", "[optimum]") {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    for (const Penalty penalty :
         {Penalty{0.5, true}, Penalty{0.5, false}, Penalty{3, false}, Penalty{0, true}}) {
      for (Problem problem : {make_random(Loss::least_squares, {5, 8, 1, 0.6}, seed),
                              make_random(Loss::least_squares, {9, 5, 1, 0.6}, seed),
                              make_random(Loss::quadratic, {0, 7, 1, 0.5}, seed)}) {
        if (!penalty.nonnegative && problem.size() == 8 && seed > 3) continue;  // 3^8 supports
        problem.penalty = penalty;
        INFO(name_of(problem.loss) << ", seed " << seed << ", p = " << problem.size() << ", lambda "
                                   << penalty.lambda << (penalty.nonnegative ? ", x >= 0" : ""));
        const Optimum optimum = find_optimum(problem);
        CHECK(optimum.value == Approx(least_over_supports(problem)).epsilon(1e-10).margin(1e-12));
        const Conditions conditions = conditions_of(problem, optimum.x);
        CHECK(conditions.on_support <= 1e-12);
        CHECK(conditions.delta >= -1e-11);
        if (penalty.nonnegative) CHECK(*std::min_element(optimum.x.begin(), optimum.x.end()) >= 0);
      }
    }
  }
}

TEST_CASE("the optimum of the lattice is the published one", "[optimum]") {
  const Problem problem = make_d();
  const Optimum optimum = find_optimum(problem);
  CHECK(optimum.value == Approx(-1045999575.2270696).epsilon(1e-15));
  CHECK(magnitude(optimum.gradient) < 1e-8);  // of terms of 1e7
}

TEST_CASE("the optimum of the penalised data set A'", "[optimum]") {
  Problem problem = make_a_prime(1, kPaperPenalty);
  const Optimum optimum = find_optimum(problem);
  CHECK(optimum.value == Approx(5453511.848984).epsilon(1e-13));
  const Conditions conditions = conditions_of(problem, optimum.x);
  CHECK(conditions.support == 49);
  CHECK(conditions.on_support <= 1e-9);
  CHECK(conditions.delta == Approx(92.9).epsilon(1e-3));
  // Control: without the smallest coordinate the conditions fail.
  Vector x = optimum.x;
  const auto smallest = std::min_element(x.begin(), x.end(), [](double a, double b) {
    return (a == 0 ? 1e300 : a) < (b == 0 ? 1e300 : b);
  });
  *smallest = 0;
  CHECK(conditions_of(problem, x).on_support > 1e-3);

  problem.penalty.nonnegative = false;
  const Conditions with_sign = conditions_of(problem, find_optimum(problem).x);
  CHECK(with_sign.support > 49);
  CHECK(with_sign.on_support <= 1e-9);
  CHECK(with_sign.delta > 0);

  // Hundreds that are not 0, most freed and bound more than once.
  problem.penalty = {5000, true};
  const Conditions many = conditions_of(problem, find_optimum(problem).x);
  CHECK(many.support > 700);
  CHECK(many.on_support <= 1e-9);
  CHECK(many.delta > 0);
}

TEST_CASE("columns that others span are exchanged for them", "[optimum]") {
  // Three columns in two dimensions, the first freed first, then the second; the third is between
  // them and shorter in |x|: a third of the weight does what both do.
  const double rows[] = {2, 0, 1.5, 0, 2, 1.5};
  Problem problem;
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(2, 3, rows));
  problem.targets = {10, 10};
  for (const bool nonnegative : {true, false}) {
    problem.penalty = {0.1, nonnegative};
    const Optimum optimum = find_optimum(problem);
    CHECK(optimum.value == Approx(least_over_supports(problem)).epsilon(1e-12));
    CHECK(conditions_of(problem, optimum.x).delta >= -1e-12);
  }
  // More columns than rows in small numbers, many of them equal: each third combination of the
  // first ones.
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    Draws draws(seed);
    const Index n = 4, p = 7;
    Vector a(static_cast<std::size_t>(n * p));
    for (Index r = 0; r < n; ++r) {
      for (Index c = 0; c < 4; ++c) a[r * p + c] = std::round(2 * draws.normal());
      a[r * p + 4] = a[r * p] + a[r * p + 1];
      a[r * p + 5] = a[r * p + 2] - a[r * p + 3];
      a[r * p + 6] = 2 * a[r * p + 1];
    }
    problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(n, p, a));
    const auto& starts = problem.features->by_column.starts;
    if (std::adjacent_find(starts.begin(), starts.end()) != starts.end()) continue;  // empty column
    problem.targets = draws.vector(static_cast<std::size_t>(n), 10);
    for (const Penalty penalty : {Penalty{0.5, true}, Penalty{0.5, false}, Penalty{0, true}}) {
      INFO("seed " << seed << ", lambda " << penalty.lambda);
      problem.penalty = penalty;
      const Optimum optimum = find_optimum(problem);
      CHECK(optimum.value == Approx(least_over_supports(problem)).epsilon(1e-10).margin(1e-12));
    }
  }
}

TEST_CASE("nearly dependent columns", "[optimum]") {
  for (int power = -15; power <= -1; ++power) {
    for (std::uint32_t seed = 1; seed <= 10; ++seed) {
      Draws draws(seed);
      const Index n = 12, p = 20;
      Vector a(static_cast<std::size_t>(n * p));
      for (Index r = 0; r < n; ++r) {
        for (Index c = 0; c < p; ++c) {
          a[r * p + c] =
              c % 2 == 0 ? draws.normal() : a[r * p + c - 1] + std::pow(10, power) * draws.normal();
        }
      }
      Problem problem;
      problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(n, p, a));
      problem.targets = draws.vector(static_cast<std::size_t>(n), 100);
      problem.penalty = {seed % 2 == 0 ? 0.0 : 0.1, true};
      INFO("10^" << power << ", seed " << seed);
      const Optimum optimum = find_optimum(problem);
      // Looked at in double, by the reference: sums of terms of 100 times 10.
      const Conditions conditions = conditions_of(problem, optimum.x);
      const double terms = 1e3 * (1 + magnitude(optimum.x));
      CHECK(conditions.on_support <= 1e-14 * terms);
      CHECK(conditions.delta >= -1e-14 * terms);
    }
  }
}

TEST_CASE("targets and columns of any magnitude", "[optimum]") {
  // The minimiser scales with both: the method must not know a magnitude.
  const Problem plain = make_random(Loss::least_squares, {8, 30, 1, 0.5}, 4, {0.7, true});
  const Optimum expected = find_optimum(plain);
  for (const double scale : {0x1p-300, 0x1p-20, 0x1p20, 0x1p300}) {
    Problem scaled = plain;
    for (double& target : scaled.targets) target *= scale;
    scaled.penalty.lambda *= scale;
    const Optimum optimum = find_optimum(scaled);
    for (std::size_t i = 0; i < expected.x.size(); ++i) {
      CHECK(optimum.x[i] == scale * expected.x[i]);
    }
  }
  // Targets alone, and with them the share of the penalty: it ends for all of them.
  for (int power = -8; power <= 12; ++power) {
    for (std::uint32_t seed = 1; seed <= 5; ++seed) {
      Problem problem = make_random(Loss::least_squares, {8, 30, 1, 0.5}, seed, {0.7, true});
      for (double& target : problem.targets) target *= std::pow(10, power);
      const Conditions conditions = conditions_of(problem, find_optimum(problem).x);
      const double rounding = 1e-13 * std::pow(10, std::max(power, 0));
      CHECK(conditions.on_support <= rounding);
      CHECK(conditions.delta >= -rounding);
    }
  }
}

TEST_CASE("duplicated columns and a penalty that leaves nothing", "[optimum]") {
  // Columns 0 and 2 are equal, 1 is their negative.
  const double rows[] = {1, -1, 1, 0.2, 2, -2, 2, 0.1, 0, 0, 0, 1};
  Problem problem;
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(3, 4, rows));
  problem.targets = {1, 2, 3};
  for (const bool nonnegative : {true, false}) {
    problem.penalty = {0.1, nonnegative};
    const Optimum optimum = find_optimum(problem);
    const Conditions conditions = conditions_of(problem, optimum.x);
    CHECK(conditions.on_support <= 1e-12);
    CHECK(conditions.delta >= -1e-12);
    CHECK(optimum.value == Approx(least_over_supports(problem)).epsilon(1e-12));
  }
  problem.penalty = {1e3, false};
  const Optimum nothing = find_optimum(problem);
  CHECK(magnitude(nothing.x) == 0);
  CHECK(nothing.value == 7);
}

TEST_CASE("no optimum is claimed where none is known", "[optimum]") {
  // Two equal rows with different targets: least squares does not interpolate, labels are not
  // separable.
  const double rows[] = {1, 2, 0, 1, 2, 0};
  Problem problem;
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(2, 3, rows));
  problem.targets = {1, -1};
  CHECK_THROWS_AS(find_optimum(problem), std::invalid_argument);
  problem.loss = Loss::logistic;
  CHECK_THROWS_AS(find_optimum(problem), std::invalid_argument);
  CHECK_THROWS_AS(find_optimum(make_random(Loss::softmax, {13, 7, 3, 0.5}, 1)),
                  std::invalid_argument);
  CHECK(find_optimum(make_random(Loss::logistic, {7, 13, 1, 0.5}, 1)).value == 0);
  // Columns that are dependent, more rows than columns.
  const double tall[] = {1, 1, 2, 2, 3, 3};
  problem.loss = Loss::least_squares;
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(3, 2, tall));
  problem.targets = {1, 2, 4};
  CHECK_THROWS_AS(find_optimum(problem), std::invalid_argument);
  // An indefinite matrix and a singular one.
  Problem quadratic = make_random(Loss::quadratic, {0, 5, 1, 0.5}, 1);
  auto matrix = *quadratic.matrix;
  matrix.diagonal[3] = -1;
  quadratic.matrix = std::make_shared<const SymmetricMatrix>(matrix);
  CHECK_THROWS_AS(find_optimum(quadratic), std::invalid_argument);
  quadratic.linear.assign(5, 1.0);
  quadratic.penalty = {0.1, true};
  CHECK_THROWS_AS(find_optimum(quadratic), std::runtime_error);
}

}  // namespace ashlar::bcd::testing
