// Values, gradients and Hessians at x: by finite differences, and of the parts against each other.
#include "impls/bcd/objective.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "impls/bcd/test_problems.hpp"

namespace ashlar::bcd::testing {
namespace {

/// Of different sizes, the last so large that exp() of a score overflows.
std::vector<Vector> points(std::size_t size) {
  std::vector<Vector> all{Vector(size, 0.0)};
  Draws draws(7);
  for (const double scale : {0.1, 1.0, 300.0}) all.push_back(draws.vector(size, scale));
  return all;
}

Vector copy(std::span<const double> v) { return {v.begin(), v.end()}; }

/// (f(x + h e_i) - f(x - h e_i)) / 2h of all coordinates.
Vector slopes(Objective& objective, double h) {
  Vector result;
  for (Index i = 0; i < objective.size(); ++i) {
    const Index block[] = {i};
    const double up[] = {h};
    const double down[] = {-h};
    result.push_back((objective.value_after(block, up) - objective.value_after(block, down)) /
                     (2 * h));
  }
  return result;
}

/// Whether `gradient` agrees with differences of values, to what both errors of differences allow:
/// that of the third derivative and that of rounding.
bool agrees(Objective& objective, std::span<const double> gradient) {
  const double h = 1e-5;
  const double scale = 1 + magnitude(objective.gradient());
  const double rounding = 1e-15 * std::abs(objective.value()) / h;
  return distance(gradient, slopes(objective, h)) <= 1e-7 * scale + 10 * rounding;
}

}  // namespace

TEST_CASE("gradients agree with differences of values", "[objective]") {
  for (const Problem& problem : small_problems_and_penalised()) {
    const auto objective = make_reference_objective(problem);
    for (const Vector& x : points(problem.size())) {
      INFO(name_of(problem.loss) << ", p = " << problem.size() << ", |x| " << magnitude(x));
      objective->set_x(x);
      REQUIRE(std::isfinite(objective->value()));
      Vector gradient = copy(objective->gradient());
      CHECK(agrees(*objective, gradient));
      // Control: a hundredth more in one place is seen, unless nothing is there.
      const auto largest =
          std::max_element(gradient.begin(), gradient.end(),
                           [](double a, double b) { return std::abs(a) < std::abs(b); });
      if (std::abs(*largest) > 1e-3) {
        *largest *= 1.01;
        CHECK_FALSE(agrees(*objective, gradient));
      }
    }
  }
}

TEST_CASE("a block's Hessian agrees with differences of gradients", "[objective]") {
  for (const Problem& problem : small_problems()) {
    const auto objective = make_reference_objective(problem);
    const std::vector<Index> block = unsorted_block(problem.size(), 7);
    Vector hessian(block.size() * block.size());
    for (const Vector& x : points(problem.size())) {
      INFO(name_of(problem.loss) << ", p = " << problem.size() << ", |x| " << magnitude(x));
      objective->set_x(x);
      objective->hessian_block(block, hessian);
      const double h = 1e-5;
      double worst = 0;
      for (std::size_t j = 0; j < block.size(); ++j) {
        Vector up(block.size()), down(block.size());
        Vector moved = x;
        moved[block[j]] = x[block[j]] + h;
        objective->set_x(moved);
        objective->gradient_of(block, up);
        moved[block[j]] = x[block[j]] - h;
        objective->set_x(moved);
        objective->gradient_of(block, down);
        const double width = (x[block[j]] + h) - (x[block[j]] - h);
        for (std::size_t i = 0; i < block.size(); ++i) {
          const double slope = (up[i] - down[i]) / width;
          worst = std::max(worst, std::abs(slope - hessian[i + j * block.size()]));
        }
      }
      const double rounding = 1e-15 * magnitude(objective->gradient()) / h;
      CHECK(worst <= 1e-7 * (1 + magnitude(objective->lipschitz())) + 100 * rounding);
    }
  }
}

TEST_CASE("a step's value, a block's gradient and the whole's are the same", "[objective]") {
  for (const Problem& problem : small_problems_and_penalised()) {
    const auto objective = make_reference_objective(problem);
    Draws draws(3);
    for (const Index take : {Index{1}, Index{4}, problem.size()}) {
      INFO(name_of(problem.loss) << ", p = " << problem.size() << ", block of " << take);
      const std::vector<Index> block = unsorted_block(problem.size(), take);
      const Vector step = draws.vector(block.size());
      objective->set_x(draws.vector(problem.size()));
      const double before = objective->value();
      const double expected = objective->value_after(block, step);
      REQUIRE(objective->value() == before);
      objective->move(block, step);
      CHECK(objective->value() == expected);
      Vector part(block.size());
      objective->gradient_of(block, part);
      const auto whole = objective->gradient();
      for (std::size_t k = 0; k < block.size(); ++k) {
        CHECK(part[k] == Approx(whole[block[k]]).epsilon(1e-13));
      }
    }
  }
}

TEST_CASE("losses far from the boundary neither overflow nor vanish", "[objective]") {
  Problem logistic;
  logistic.loss = Loss::logistic;
  const double features[] = {1, 1};
  logistic.features = std::make_shared<const FeatureMatrix>(features_from_dense(2, 1, features));
  logistic.targets = {1, 1};
  auto objective = make_reference_objective(logistic);
  const double far[] = {40};
  objective->set_x(far);
  CHECK(objective->value() == Approx(2 * std::exp(-40.0)).epsilon(1e-15));
  CHECK(objective->gradient()[0] == Approx(-2 * std::exp(-40.0)).epsilon(1e-15));
  const double wrong_side[] = {-1e4};
  objective->set_x(wrong_side);
  CHECK(objective->value() == 2e4);
  CHECK(objective->gradient()[0] == -2);

  Problem softmax = logistic;
  softmax.loss = Loss::softmax;
  softmax.classes = 3;
  softmax.targets = {1, 1};
  objective = make_reference_objective(softmax);
  const double confident[] = {0, 50, 0};
  objective->set_x(confident);
  CHECK(objective->value() == Approx(4 * std::exp(-50.0)).epsilon(1e-14));
  CHECK(objective->gradient()[1] == Approx(-4 * std::exp(-50.0)).epsilon(1e-14));
  double curvature[1];
  const Index middle[] = {1};
  objective->hessian_block(middle, curvature);
  CHECK(curvature[0] == Approx(4 * std::exp(-50.0)).epsilon(1e-14));
  const double huge[] = {1e5, 0, -1e5};
  objective->set_x(huge);
  CHECK(objective->value() == 2e5);
}

TEST_CASE("softmax of two classes is logistic regression", "[objective]") {
  Problem softmax = make_random(Loss::softmax, {9, 4, 2, 0.6}, 1);
  Problem logistic = softmax;
  logistic.loss = Loss::logistic;
  for (double& target : logistic.targets) target = target == 1 ? 1 : -1;
  Draws draws(5);
  const Vector x = draws.vector(4);
  Vector both;  // class 0 stays at 0
  for (const double element : x) both.insert(both.end(), {0.0, element});
  const auto one = make_reference_objective(softmax);
  const auto other = make_reference_objective(logistic);
  one->set_x(both);
  other->set_x(x);
  CHECK(one->value() == Approx(other->value()).epsilon(1e-13));
  for (Index f = 0; f < 4; ++f) {
    CHECK(one->gradient()[2 * f + 1] == Approx(other->gradient()[f]).epsilon(1e-12));
    CHECK(one->gradient()[2 * f] == Approx(-other->gradient()[f]).epsilon(1e-12));
  }
}

TEST_CASE("the penalty is part of value and gradient only where x >= 0", "[objective]") {
  Problem problem = make_random(Loss::least_squares, {7, 5, 1, 0.5}, 1);
  const Vector x{1, 2, 0, 0.5, 3};
  const auto bare = make_reference_objective(problem);
  bare->set_x(x);
  Problem signed_penalty = problem;
  signed_penalty.penalty = {4, false};
  const auto with_sign = make_reference_objective(signed_penalty);
  with_sign->set_x(x);
  Problem linear = problem;
  linear.penalty = {4, true};
  const auto without = make_reference_objective(linear);
  without->set_x(x);
  CHECK(with_sign->value() == bare->value());
  CHECK(distance(with_sign->gradient(), bare->gradient()) == 0);
  CHECK(without->value() == Approx(bare->value() + 4 * 6.5));
  for (Index i = 0; i < 5; ++i) CHECK(without->gradient()[i] == bare->gradient()[i] + 4);
}

TEST_CASE("traffic grows with what is done and not with gaps", "[objective]") {
  for (const Problem& problem : small_problems()) {
    INFO(name_of(problem.loss));
    const auto objective = make_reference_objective(problem);
    CHECK(objective->traffic().bytes == 0);
    objective->gap({});
    CHECK(objective->traffic().bytes == 0);
    objective->gradient();
    const Traffic one = objective->traffic();
    CHECK(one.bytes > 8 * problem.size());
    CHECK(one.flops > 0);
    objective->gradient();
    CHECK(objective->traffic().bytes == 2 * one.bytes);
    CHECK(objective->traffic().flops == 2 * one.flops);
  }
  // By hand: least squares of one dense row and two columns. Scores: 2 entries, x gathered (2), z
  // written (1); slopes: z read and written, y read (3); columns: 2 entries, z gathered and g
  // written (2 each, the writes counted with the gathers' row).
  Problem tiny;
  const double row[] = {1, 2};
  tiny.features = std::make_shared<const FeatureMatrix>(features_from_dense(1, 2, row));
  tiny.targets = {1};
  const auto objective = make_reference_objective(tiny);
  objective->gradient();
  CHECK(objective->traffic().bytes >= 12 * 4 + 8 * (2 + 1 + 3 + 2));
}

TEST_CASE("an x of another size is refused", "[objective]") {
  const Problem problem = make_random(Loss::least_squares, {7, 5, 1, 0.5}, 1);
  const auto objective = make_reference_objective(problem);
  CHECK_THROWS_AS(objective->set_x(Vector(4)), std::invalid_argument);
}

}  // namespace ashlar::bcd::testing
