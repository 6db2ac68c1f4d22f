// What the optimized objectives keep is what the reference computes anew.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "impls/bcd/optimized.hpp"
#include "impls/bcd/test_drawn.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::bcd::drawn {
namespace {

using KeptVector = std::vector<double>;

double kept_magnitude(std::span<const double> v) {
  double largest = 0;
  for (const double element : v) largest = std::max(largest, std::abs(element));
  return largest;
}

double kept_distance(std::span<const double> a, std::span<const double> b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double distance = std::abs(a[i] - b[i]);
    largest = std::isnan(distance) ? INFINITY : std::max(largest, distance);
  }
  return largest;
}

/// Of `count` different coordinates.
std::vector<Index> random_block(Index size, Index count, Draws& draws) {
  std::vector<std::pair<double, Index>> order;
  for (Index i = 0; i < size; ++i) order.emplace_back(draws.uniform(), i);
  std::sort(order.begin(), order.end());
  std::vector<Index> block;
  for (Index i = 0; i < count; ++i) block.push_back(order[i].second);
  std::sort(block.begin(), block.end());
  return block;
}

KeptVector matrix_of_block(Objective& objective, Block block, bool hessian) {
  KeptVector matrix(block.size() * block.size());
  if (hessian) {
    objective.hessian_block(block, matrix);
  } else {
    objective.bound_block(block, matrix);
  }
  return matrix;
}

constexpr double kKeptTolerance = 1e-12;

#define CHECK_KEPT(a, b) CHECK(kept_distance(a, b) <= kKeptTolerance * (1 + kept_magnitude(b)))

void check_block(Objective& kept, Objective& reference, Block block, Draws& draws) {
  KeptVector of_kept(block.size());
  KeptVector of_reference(block.size());
  kept.gradient_of(block, of_kept);
  reference.gradient_of(block, of_reference);
  const double scale = 1 + kept_magnitude(reference.gradient());
  CHECK(kept_distance(of_kept, of_reference) <= kKeptTolerance * scale);
  CHECK_KEPT(matrix_of_block(kept, block, true), matrix_of_block(reference, block, true));
  CHECK_KEPT(matrix_of_block(kept, block, false), matrix_of_block(reference, block, false));
  KeptVector step = draws.vector(static_cast<Index>(block.size()), 0.1);
  step[0] = 0;
  const double after = reference.value_after(block, step);
  CHECK(std::abs(kept.value_after(block, step) - after) <=
        kKeptTolerance * (1 + std::abs(after) + std::abs(reference.value())));
}

void check_state(Objective& kept, Objective& reference) {
  CHECK(std::ranges::equal(kept.x(), reference.x()));
  CHECK_KEPT(kept.gradient(), reference.gradient());
  const double value = reference.value();
  CHECK(std::abs(kept.value() - value) <= kKeptTolerance * (1 + std::abs(value)));
}

void check_product(Objective& kept, Objective& reference, Index nonzeros, Draws& draws) {
  KeptVector v(static_cast<std::size_t>(kept.size()), 0.0);
  for (const Index i : random_block(kept.size(), nonzeros, draws)) v[i] = draws.normal();
  KeptVector of_kept(v.size(), NAN);
  KeptVector of_reference(v.size());
  kept.bound_product(v, of_kept);
  reference.bound_product(v, of_reference);
  CHECK_KEPT(of_kept, of_reference);
}

/// Random moves, with a look at something after each.
void check_walk(const Problem& problem, const OptimizedOptions& options, Index moves) {
  const auto kept = make_optimized_objective(problem, options);
  const auto reference = make_reference_objective(problem);
  Draws draws(11);
  check_state(*kept, *reference);
  for (Index move = 0; move < moves; ++move) {
    const auto wanted = static_cast<Index>(1 + draws.uniform() * 5);
    // All coordinates now and then, where the reference's k^2 dots take no time.
    const bool all = move % 9 == 0 && problem.size() < 120;
    const Index count = all ? problem.size() : std::min(problem.size(), wanted);
    const std::vector<Index> block = random_block(problem.size(), count, draws);
    const KeptVector step = draws.vector(count, 0.3);
    if (move % 3 == 0) check_block(*kept, *reference, block, draws);
    kept->move(block, step);
    reference->move(block, step);
    if (move % 4 == 0) check_block(*kept, *reference, block, draws);
    if (move % 2 == 0) check_state(*kept, *reference);
    if (move % 5 == 0) check_product(*kept, *reference, std::min(count, problem.size()), draws);
  }
  check_product(*kept, *reference, problem.size(), draws);
}

std::vector<Problem> kept_problems() {
  std::vector<Problem> problems = small_problems();
  // Sparse enough that rows, and columns of A'A, are cheaper than a pass.
  for (const Loss loss : {Loss::least_squares, Loss::logistic, Loss::softmax}) {
    problems.push_back(random_problem(loss, 97, 53, loss == Loss::softmax ? 5 : 1, 3, 0.05));
    problems.push_back(random_problem(loss, 40, 301, loss == Loss::softmax ? 3 : 1, 4, 0.1));
  }
  problems.push_back(random_problem(Loss::softmax, 23, 12, 50));
  problems.push_back(random_problem(Loss::least_squares, 12, 33));
  problems.back().penalty = {.lambda = 2.5, .nonnegative = true};
  problems.push_back(random_problem(Loss::quadratic, 0, 33));
  problems.back().penalty = {.lambda = 2.5, .nonnegative = true};
  problems.push_back(random_problem(Loss::least_squares, 12, 33));
  problems.back().penalty = {.lambda = 2.5, .nonnegative = false};
  return problems;
}

TEST_CASE("a walk of moves shows the reference's numbers everywhere") {
  for (const core::Isa isa : {core::Isa::avx2, core::Isa::avx512}) {
    if (isa > core::hardware_isa()) continue;
    const core::ScopedIsaLimit limit(isa);
    for (const Problem& problem : kept_problems()) {
      CAPTURE(name_of(problem.loss), problem.size(), core::highway_target());
      check_walk(problem, {}, 20);
      const auto without_gram = std::make_shared<SharedConstants>(problem, 0);
      check_walk(problem, {.constants = without_gram, .refresh_every = 7}, 16);
    }
  }
}

TEST_CASE("constants are the reference's, shared or not, on one thread or two") {
  for (const Problem& problem : kept_problems()) {
    CAPTURE(name_of(problem.loss), problem.size());
    const auto reference = make_reference_objective(problem);
    const auto shared = std::make_shared<SharedConstants>(problem);
    const auto one = make_optimized_objective(problem, {.constants = shared});
    const auto two = make_optimized_objective(problem, {.threads = 2});
    CHECK_KEPT(one->lipschitz(), reference->lipschitz());
    CHECK_KEPT(one->row_sums(), reference->row_sums());
    CHECK(std::ranges::equal(one->row_sums(), two->row_sums()));
    CHECK(one->bound_lambda_max() == reference->bound_lambda_max());
    const auto again = make_optimized_objective(problem, {.constants = shared});
    CHECK(again->row_sums().data() == one->row_sums().data());
  }
}

TEST_CASE("thousands of moves add up no error") {
  for (const Loss loss : {Loss::least_squares, Loss::logistic, Loss::softmax, Loss::quadratic}) {
    const Problem problem = random_problem(loss, 30, 41, loss == Loss::softmax ? 4 : 1, 5, 0.2);
    CAPTURE(name_of(loss));
    const auto kept = make_optimized_objective(problem);
    const auto reference = make_reference_objective(problem);
    Draws draws(12);
    // There and back, over and over: large scores that cancel are where errors would stay.
    for (Index round = 0; round < 2000; ++round) {
      const std::vector<Index> block = random_block(problem.size(), 3, draws);
      KeptVector step = draws.vector(3, 10);
      kept->move(block, step);
      kept->gradient();
      for (double& element : step) element = -element;
      kept->move(block, step);
      kept->gradient();
    }
    reference->set_x(kept->x());
    const double scale = 1 + kept_magnitude(reference->gradient());
    CHECK(kept_distance(kept->gradient(), reference->gradient()) <= 1e-11 * scale);
    // Within one interval, after a refresh, there is no error but that of rounding once.
    kept->set_x(reference->x());
    CHECK(kept_distance(kept->gradient(), reference->gradient()) <= 1e-13 * scale);
  }
}

TEST_CASE("where exp overflows, nothing but the reference's numbers comes out") {
  for (const Loss loss : {Loss::logistic, Loss::softmax}) {
    const Problem problem = random_problem(loss, 19, 8, loss == Loss::softmax ? 5 : 1);
    for (const double scale : {50.0, 300.0, 1e4, 1e100}) {
      CAPTURE(name_of(loss), scale);
      const auto kept = make_optimized_objective(problem);
      const auto reference = make_reference_objective(problem);
      Draws draws(13);
      const KeptVector far = draws.vector(problem.size(), scale);
      kept->set_x(far);
      reference->set_x(far);
      check_state(*kept, *reference);
      CHECK(std::isfinite(kept->value()));
      const std::vector<Index> block = random_block(problem.size(), 4, draws);
      CHECK_KEPT(matrix_of_block(*kept, block, true), matrix_of_block(*reference, block, true));
    }
  }
}

TEST_CASE("gaps are the reference's, also near the optimum") {
  for (const Loss loss : {Loss::least_squares, Loss::quadratic}) {
    for (const bool nonnegative : {true, false}) {
      Problem problem = random_problem(loss, 25, 12);
      problem.penalty = {.lambda = 0.7, .nonnegative = nonnegative};
      const auto kept = make_optimized_objective(problem);
      const auto reference = make_reference_objective(problem);
      Draws draws(14);
      Optimum optimum;
      optimum.x = draws.vector(12);
      for (double& element : optimum.x) element = std::abs(element);
      reference->set_x(optimum.x);
      optimum.value = reference->value();
      optimum.gradient.assign(reference->gradient().begin(), reference->gradient().end());
      for (const double away : {1.0, 1e-3, 1e-6}) {
        KeptVector x = optimum.x;
        for (double& element : x) element += away * draws.uniform();
        kept->set_x(x);
        reference->set_x(x);
        const double gap = reference->gap(optimum);
        CHECK(std::abs(kept->gap(optimum) - gap) <= 1e-9 * std::abs(gap) + 1e-15);
      }
    }
  }
}

TEST_CASE("constants of another problem, no threads and wrong sizes are refused") {
  const Problem one = random_problem(Loss::least_squares, 5, 4);
  const Problem other = random_problem(Loss::least_squares, 5, 4);
  const auto constants = std::make_shared<SharedConstants>(other);
  CHECK_THROWS_AS(make_optimized_objective(one, {.constants = constants}), std::invalid_argument);
  CHECK_THROWS_AS(make_optimized_objective(one, {.threads = 0}), std::invalid_argument);
  CHECK_THROWS_AS(make_optimized_objective(one, {.refresh_every = 0}), std::invalid_argument);
  const auto objective = make_optimized_objective(one);
  CHECK_THROWS_AS(objective->set_x(KeptVector{1, 2}), std::invalid_argument);
}

}  // namespace
}  // namespace ashlar::bcd::drawn
