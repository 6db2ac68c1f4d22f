// Against the reference; and what is refused.
#include "baselines/bcd/naive.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "impls/bcd/solve.hpp"
#include "impls/bcd/test_problems.hpp"

namespace ashlar::bcd::baselines {
namespace {

using namespace bcd::testing;

bool close(double a, double b, double scale) { return std::abs(a - b) <= 1e-12 * (1 + scale); }
bool close(std::span<const double> a, std::span<const double> b) {
  return distance(a, b) <= 1e-12 * (1 + magnitude(b));
}

}  // namespace

TEST_CASE("the dense objective says what the sparse one says", "[naive]") {
  for (const Problem& problem : small_problems_and_penalised()) {
    const auto naive = make_naive_objective(problem);
    const auto reference = make_reference_objective(problem);
    CHECK(close(naive->lipschitz(), reference->lipschitz()));
    CHECK(close(naive->row_sums(), reference->row_sums()));
    CHECK(naive->bound_lambda_max() == Approx(reference->bound_lambda_max()).epsilon(1e-6));
    Draws draws(1);
    const std::vector<Index> block = unsorted_block(problem.size(), 6);
    Vector part(block.size()), other_part(block.size());
    Vector matrix(block.size() * block.size()), other_matrix(matrix.size());
    for (const double scale : {0.0, 1.0, 100.0}) {
      INFO(name_of(problem.loss) << ", p = " << problem.size() << ", |x| ~ " << scale);
      const Vector x = draws.vector(static_cast<std::size_t>(problem.size()), scale);
      const Vector step = draws.vector(block.size());
      naive->set_x(x);
      reference->set_x(x);
      naive->move(block, step);
      reference->move(block, step);
      CHECK(distance(naive->x(), reference->x()) == 0);
      CHECK(close(naive->value(), reference->value(), std::abs(reference->value())));
      CHECK(close(naive->value_after(block, step), reference->value_after(block, step),
                  std::abs(reference->value())));
      CHECK(close(naive->gradient(), reference->gradient()));
      naive->gradient_of(block, part);
      reference->gradient_of(block, other_part);
      CHECK(distance(part, other_part) <= 1e-12 * (1 + magnitude(reference->gradient())));
      naive->bound_block(block, matrix);
      reference->bound_block(block, other_matrix);
      CHECK(close(matrix, other_matrix));
      naive->hessian_block(block, matrix);
      reference->hessian_block(block, other_matrix);
      CHECK(close(matrix, other_matrix));
      Vector product(x.size()), other_product(x.size());
      naive->bound_product(x, product);
      reference->bound_product(x, other_product);
      CHECK(close(product, other_product));
    }
    CHECK(naive->traffic().bytes > 0);
  }
}

TEST_CASE("gaps of the dense objective are those of the sparse one", "[naive]") {
  for (const Penalty penalty : {Penalty{0.5, true}, Penalty{0.5, false}}) {
    for (Problem problem : {make_random(Loss::least_squares, {7, 13, 1, 0.4}, 1),
                            make_random(Loss::quadratic, {0, 9, 1, 0.4}, 1)}) {
      problem.penalty = penalty;
      const Optimum optimum = find_optimum(problem);
      const auto naive = make_naive_objective(problem);
      const auto reference = make_reference_objective(problem);
      const double expected = reference->gap(optimum);
      CHECK(expected > 0);
      CHECK(naive->gap(optimum) == Approx(expected).epsilon(1e-12));
      naive->set_x(optimum.x);
      CHECK(naive->gap(optimum) == 0);
    }
  }
}

TEST_CASE("what does not fit in memory as a dense matrix is refused", "[naive]") {
  CHECK_THROWS_AS(make_naive_objective(make_lattice(150, 150, 100, 1)), std::invalid_argument);
  Problem wide;
  FeatureMatrix features;
  features.rows = 1000;
  features.columns = 1000000;
  features.by_row.starts.assign(1001, 0);
  wide.features = std::make_shared<const FeatureMatrix>(features);
  wide.targets.assign(1000, 0.0);
  CHECK_THROWS_AS(make_naive_objective(wide), std::invalid_argument);
}

}  // namespace ashlar::bcd::baselines
