// Dense algebra of blocks: solves against written-out elimination, the quadratic with bounds
// against every possible active set.
#include "impls/bcd/block_algebra.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "impls/bcd/test_dense.hpp"

namespace ashlar::bcd {
namespace block_algebra_tests {

using namespace testing;

Dense random_definite(std::size_t k, Draws& draws) {
  return gram(draws.vector(2 * k * k), 2 * k, k);
}

TEST_CASE("block algebra: Cholesky against elimination, and no for an indefinite matrix") {
  Draws draws(11);
  for (const std::size_t k : {0, 1, 2, 3, 7, 20, 65}) {
    const Dense h = random_definite(k, draws);
    const std::vector<double> rhs = draws.vector(k);
    std::vector<double> x = rhs;
    REQUIRE(solve_cholesky(h, x));
    if (k > 0) CHECK(relative_difference(x, solve_ldl(h, rhs)) < 1e-11);
    x = rhs;
    solve_pseudo_inverse(h, x);
    if (k > 0) CHECK(relative_difference(x, solve_ldl(h, rhs)) < 1e-11);
  }
  const Dense indefinite{1, 2, 2, 1};
  std::vector<double> x{3, 4};
  CHECK_FALSE(solve_cholesky(indefinite, x));
  CHECK(x == std::vector<double>{3, 4});
  solve_pseudo_inverse(indefinite, x);  // (1 / -3) [1 -2; -2 1] (3, 4)
  CHECK(x[0] == Approx(5.0 / 3));
  CHECK(x[1] == Approx(2.0 / 3));
}

TEST_CASE("block algebra: the pseudo-inverse of a singular matrix") {
  Draws draws(13);
  // Columns 0 and 3 are one: the solution of least norm shares between them.
  const std::size_t rows = 9;
  const std::size_t k = 5;
  std::vector<double> b = draws.vector(rows * k);
  std::copy_n(b.begin(), rows, b.begin() + 3 * rows);
  const Dense h = gram(b, rows, k);
  const std::vector<double> rhs = times(h, draws.vector(k));
  std::vector<double> x = rhs;
  solve_pseudo_inverse(h, x);
  CHECK(relative_difference(times(h, x), rhs) < 1e-12);
  CHECK(x[0] == Approx(x[3]).epsilon(1e-10));
  std::vector<double> zero{1, 2};
  solve_pseudo_inverse(Dense(4, 0.0), zero);
  CHECK(zero == std::vector<double>{0, 0});
}

/// r = g + H d at a candidate; the worst violation of the conditions of optimality, absolute.
double violation(const Dense& h, std::span<const double> g, std::span<const double> x,
                 std::span<const double> d) {
  const std::vector<double> product = times(h, d);
  double worst = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double y = x[i] + d[i];
    if (!(y >= 0)) return INFINITY;
    const double r = g[i] + product[i];
    worst = std::fmax(worst, y > 0 ? std::fabs(r) : -r);
  }
  return worst;
}

double quadratic(const Dense& h, std::span<const double> g, std::span<const double> d) {
  return dot(g, d) + 0.5 * dot(d, times(h, d));
}

/// The least q(d) over x + d >= 0, by a solve for each of the 2^k sets of coordinates at 0.
double brute_force(const Dense& h, std::span<const double> g, std::span<const double> x) {
  const std::size_t k = g.size();
  double best = INFINITY;
  for (unsigned set = 0; set < 1u << k; ++set) {
    std::vector<std::size_t> free;
    std::vector<double> d(k);
    for (std::size_t i = 0; i < k; ++i) {
      if ((set >> i & 1u) != 0)
        free.push_back(i);
      else
        d[i] = -x[i];
    }
    const std::vector<double> bound = times(h, d);
    Dense part(free.size() * free.size());
    std::vector<double> rhs(free.size());
    for (std::size_t i = 0; i < free.size(); ++i) {
      rhs[i] = -(g[free[i]] + bound[free[i]]);
      for (std::size_t j = 0; j < free.size(); ++j) {
        part[i + j * free.size()] = h[free[i] + free[j] * k];
      }
    }
    const std::vector<double> solution = solve_ldl(part, rhs);
    bool feasible = true;
    for (std::size_t i = 0; i < free.size(); ++i) {
      d[free[i]] = solution[i];
      feasible = feasible && x[free[i]] + d[free[i]] >= 0;
    }
    if (feasible) best = std::fmin(best, quadratic(h, g, d));
  }
  return best;
}

TEST_CASE("nonnegative quadratic: every active set of up to 8 coordinates") {
  Draws draws(17);
  int worse = 0;
  for (int round = 0; round < 400; ++round) {
    const std::size_t k = 1 + static_cast<std::size_t>(below(draws, 8));
    const Dense h = random_definite(k, draws);
    const std::vector<double> g = draws.vector(k);
    std::vector<double> x = draws.vector(k);
    for (double& value : x) value = std::fmax(0.0, value);
    const NonnegativeStep step = minimise_nonnegative(h, g, x);
    const double best = brute_force(h, g, x);
    CHECK(step.violation < 1e-14);
    CHECK(quadratic(h, g, step.d) <= best + 1e-12 * std::fabs(best));
    // The control: the unconstrained minimiser, clipped.
    std::vector<double> clipped = g;
    REQUIRE(solve_cholesky(h, clipped));
    for (std::size_t i = 0; i < k; ++i) clipped[i] = std::fmax(-clipped[i], -x[i]);
    CHECK(quadratic(h, g, clipped) >= best - 1e-12 * std::fabs(best));
    worse += quadratic(h, g, clipped) > best + 1e-6 * std::fabs(best);
  }
  CHECK(worse > 200);
}

TEST_CASE("nonnegative quadratic: scales, starts at the solution, starts below 0") {
  Draws draws(19);
  for (const double scale : {1e-8, 1.0, 1e8}) {
    const std::size_t k = 6;
    Dense h = random_definite(k, draws);
    std::vector<double> g = draws.vector(k);
    for (std::size_t i = 0; i < k; ++i) {  // D H D with D over 6 decades
      g[i] *= scale * std::pow(10.0, static_cast<double>(i));
      for (std::size_t j = 0; j < k; ++j) h[i + j * k] *= scale * std::pow(10.0, i + j);
    }
    const std::vector<double> x(k, 0.0);
    NonnegativeStep step = minimise_nonnegative(h, g, x);
    CHECK(step.violation < 1e-13);
    CHECK(quadratic(h, g, step.d) == Approx(brute_force(h, g, x)).epsilon(1e-10));
    // From the solution nothing moves by more than rounding.
    std::vector<double> there = step.d;
    const std::vector<double> product = times(h, step.d);
    for (std::size_t i = 0; i < k; ++i) g[i] += product[i];
    step = minimise_nonnegative(h, g, there);
    for (std::size_t i = 0; i < k; ++i) CHECK(std::fabs(step.d[i]) <= 1e-9 * there[i]);
  }
  const NonnegativeStep raised =
      minimise_nonnegative(Dense{1}, std::vector<double>{5}, std::vector<double>{-2});
  CHECK(raised.d == std::vector<double>{2});
}

TEST_CASE("nonnegative quadratic: duplicated and opposite columns, more columns than rows") {
  Draws draws(23);
  for (int round = 0; round < 200; ++round) {
    const std::size_t rows = 4;
    const std::size_t k = 7;
    std::vector<double> b = draws.vector(rows * k);
    std::copy_n(b.begin(), rows, b.begin() + 2 * rows);
    for (std::size_t r = 0; r < rows; ++r) b[r + 5 * rows] = -b[r + rows];
    const Dense h = gram(b, rows, k);
    const std::vector<double> y = draws.vector(rows);
    std::vector<double> g(k);
    for (std::size_t i = 0; i < k; ++i) {  // of 0.5 ||B d - y||^2 + 0.1 sum d: bounded below
      g[i] = 0.1 - dot(std::span(b).subspan(i * rows, rows), y);
    }
    const std::vector<double> x(k, 0.0);
    const NonnegativeStep step = minimise_nonnegative(h, g, x);
    CHECK(step.violation < 1e-13);
    CHECK(violation(h, g, x, step.d) < 1e-12);
    // Not unique, but its value is: coordinate descent on the same quadratic gets no lower.
    std::vector<double> d(k);
    for (int sweep = 0; sweep < 2000; ++sweep) {
      for (std::size_t i = 0; i < k; ++i) {
        const double r = g[i] + dot(std::span(h).subspan(i * k, k), d);
        d[i] = std::fmax(0.0, d[i] - r / h[i + i * k]);
      }
    }
    CHECK(quadratic(h, g, step.d) <= quadratic(h, g, d) + 1e-12);
  }
}

TEST_CASE("nonnegative quadratic: 128 coordinates, with and without duplicates") {
  Draws draws(29);
  for (const bool twice : {false, true}) {
    const std::size_t k = 128;
    const std::size_t rows = 200;
    std::vector<double> b = draws.vector(rows * k);
    if (twice) std::copy_n(b.begin(), rows * k / 2, b.begin() + rows * k / 2);
    const Dense h = gram(b, rows, k);
    std::vector<double> d = draws.vector(k);
    for (double& value : d) value *= -1000;
    const std::vector<double> g = times(h, d);
    const std::vector<double> x(k, 0.0);
    const NonnegativeStep step = minimise_nonnegative(h, g, x);
    CHECK(step.violation < 2e-14);
    CHECK(violation(h, g, x, step.d) < 1e-8);  // of g up to 1e6
    CHECK(step.factorisations < 2 * 128);
  }
}

TEST_CASE("nonnegative quadratic: what has no answer is refused") {
  const std::vector<double> zero{0, 0};
  const std::vector<double> down{-1, -1};
  CHECK_THROWS_AS(minimise_nonnegative(Dense(4, 0.0), down, zero), std::invalid_argument);
  CHECK_THROWS_AS(minimise_nonnegative(Dense{1, 2, 2, 1}, down, zero), std::invalid_argument);
  CHECK_THROWS_AS(minimise_nonnegative(Dense{1, 0, 0, NAN}, down, zero), std::invalid_argument);
  CHECK_THROWS_AS(minimise_nonnegative(Dense{1, 0, 0}, down, zero), std::invalid_argument);
  CHECK(minimise_nonnegative({}, {}, {}).d.empty());
}

}  // namespace block_algebra_tests
}  // namespace ashlar::bcd
