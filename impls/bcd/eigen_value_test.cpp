#include "impls/bcd/eigen_value.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <stdexcept>

#include "impls/bcd/test_selection.hpp"

namespace ashlar::bcd::testing {
namespace {

TEST_CASE("the largest eigenvalue of matrices that are known", "[bcd]") {
  CHECK(largest_eigenvalue(std::vector<double>{7.25}, 1) == 7.25);
  CHECK(largest_eigenvalue(std::vector<double>{2, 1, 1, 2}, 2) == Approx(3).epsilon(1e-15));
  // I - 11'/k has eigenvalues 1 and 0; ones everywhere has k.
  constexpr Index k = 40;
  std::vector<double> centred(k * k, -1.0 / k);
  for (Index i = 0; i < k; ++i) centred[i * k + i] += 1;
  CHECK(largest_eigenvalue(centred, k) == Approx(1).epsilon(1e-14));
  CHECK(largest_eigenvalue(std::vector<double>(k * k, 1.0), k) == Approx(k).epsilon(1e-14));
  CHECK(largest_eigenvalue(std::vector<double>(9, 0.0), 3) == 0);
  CHECK(largest_eigenvalue(std::vector<double>{1e150, 0, 0, 1e-150}, 2) == 1e150);
}

TEST_CASE("an entry that is not finite has no eigenvalue", "[bcd]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(largest_eigenvalue(std::vector<double>{1, nan, nan, 1}, 2),
                  std::invalid_argument);
  CHECK_THROWS_AS(largest_eigenvalue(std::vector<double>{infinity}, 1), std::invalid_argument);
}

TEST_CASE("L_b lies between the largest L_i and their sum", "[bcd]") {
  DenseObjective objective(dense_quadratic(12, 3));
  const Blocks blocks = make_blocks({.partition = Partition::sort, .block_size = 4}, objective);
  const std::vector<double> constants = block_lipschitz(objective, blocks);
  REQUIRE(constants.size() == 3);
  for (std::size_t place = 0; place < blocks.size(); ++place) {
    double largest = 0;
    double sum = 0;
    for (const Index i : blocks[place]) {
      largest = std::max(largest, objective.h(i, i));
      sum += objective.h(i, i);
    }
    CHECK(constants[place] >= largest);
    CHECK(constants[place] <= sum * (1 + 1e-14));
    // No direction has more curvature: a quadratic form at random directions.
    Mersenne stream(5);
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<double> v(blocks[place].size());
      double norm = 0;
      for (double& entry : v) {
        entry = stream.normal();
        norm += entry * entry;
      }
      double form = 0;
      for (std::size_t i = 0; i < v.size(); ++i) {
        for (std::size_t j = 0; j < v.size(); ++j) {
          form += v[i] * v[j] * objective.h(blocks[place][i], blocks[place][j]);
        }
      }
      REQUIRE(form <= constants[place] * norm * (1 + 1e-12));
    }
  }
}

/// W'W (H + ridge I) - I, its largest entry.
double root_error(const std::vector<double>& h, Index k, double ridge) {
  std::vector<double> root = h;
  invert_root(root, k, ridge);
  double error = 0;
  for (Index i = 0; i < k; ++i) {
    for (Index j = 0; j < k; ++j) {
      double sum = i == j ? -1 : 0;
      for (Index m = 0; m < k; ++m) {
        double product = 0;
        for (Index r = 0; r < k; ++r) product += root[i * k + r] * root[m * k + r];
        sum += product * (h[j * k + m] + (m == j ? ridge : 0));
      }
      error = std::max(error, std::abs(sum));
    }
  }
  return error;
}

TEST_CASE("a root of the inverse gives the inverse", "[bcd]") {
  CHECK(root_error({4}, 1, 0) < 1e-15);
  CHECK(root_error({2, 1, 1, 2}, 2, 0) < 1e-14);
  CHECK(root_error({5, 1, 2, 1, 6, 3, 2, 3, 7}, 3, 1e-10) < 1e-13);
  // The ridge is what makes the first of these have an inverse.
  CHECK(root_error({1, 1, 1, 1}, 2, 0.5) < 1e-14);
}

TEST_CASE("columns that are the same twice leave scores finite", "[bcd]") {
  // H of columns a, a, b with ||a||^2 so large that 1e-10 vanishes beside it.
  for (const double scale : {1.0, 1e8, 1e14}) {
    const std::vector<double> h{scale, scale, 0, scale, scale, 0, 0, 0, 1};
    std::vector<double> root = h;
    invert_root(root, 3, 1e-10);
    // g is in the range of H, as every gradient of least squares is: g'pinv(H)g = scale + 4.
    const std::vector<double> g{scale, scale, 2};
    double norm = 0;
    for (Index row = 0; row < 3; ++row) {
      double sum = 0;
      for (Index column = 0; column < 3; ++column) sum += root[column * 3 + row] * g[column];
      norm += sum * sum;
    }
    CAPTURE(scale);
    CHECK(norm == Approx(scale + 4).epsilon(1e-2));
  }
}

}  // namespace
}  // namespace ashlar::bcd::testing
