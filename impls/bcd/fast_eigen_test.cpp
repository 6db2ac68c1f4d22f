// lambda_max by Lanczos' method against all eigenvalues.
#include "impls/bcd/fast_eigen.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/test_drawn.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::bcd::drawn {
namespace {

/// S (V'V) S with V of `rank` x k and scales S.
std::vector<double> gram_matrix(Index k, Index rank, double mean, double spread, Draws& draws) {
  std::vector<std::vector<double>> columns;
  for (Index j = 0; j < k; ++j) {
    columns.push_back(draws.vector(rank));
    const double scale = std::exp(spread * draws.normal());
    for (double& entry : columns.back()) entry = scale * (mean + entry);
  }
  std::vector<double> matrix(static_cast<std::size_t>(k) * k);
  for (Index j = 0; j < k; ++j) {
    for (Index i = 0; i < k; ++i) {
      double sum = 0;
      for (Index r = 0; r < rank; ++r) sum += columns[i][r] * columns[j][r];
      matrix[static_cast<std::size_t>(j) * k + i] = sum;
    }
  }
  return matrix;
}

void check_eigenvalue(const std::vector<double>& matrix, Index k) {
  const double expected = largest_eigenvalue(matrix, k);
  for (const core::Isa isa : {core::Isa::avx2, core::Isa::avx512}) {
    if (isa > core::hardware_isa()) continue;
    const core::ScopedIsaLimit limit(isa);
    LanczosEigenvalue lanczos;
    const LargestEigenvalue found = lanczos.of(matrix, k);
    CAPTURE(k, expected, found.value, found.exact, found.products);
    CHECK(std::abs(found.value - expected) <= 1e-12 * expected);
  }
}

TEST_CASE("the largest eigenvalue is that of the whole spectrum, to 1e-12") {
  Draws draws(21);
  for (const Index k : {1, 2, 5, 23, 24, 25, 26, 40, 50, 64, 99, 100, 128}) {
    for (const double spread : {0.0, 0.3, 2.0}) {
      check_eigenvalue(gram_matrix(k, 2 * k + 3, 0, spread, draws), k);
      check_eigenvalue(gram_matrix(k, 1000 / (k + 10) + 1, 1, spread, draws), k);
    }
  }
}

TEST_CASE("spectra that Lanczos' method finds hard") {
  for (const Index k : {30, 100}) {
    const auto size = static_cast<std::size_t>(k);
    std::vector<double> matrix(size * size, 0.0);
    // All eigenvalues equal; then two largest ones that nearly are; then one that the start hardly
    // sees.
    for (std::size_t i = 0; i < size; ++i) matrix[i * (size + 1)] = 3;
    check_eigenvalue(matrix, k);
    matrix[0] = 5;
    matrix[size + 1] = 5 * (1 - 1e-9);
    check_eigenvalue(matrix, k);
    for (std::size_t i = 0; i < size; ++i) matrix[i * (size + 1)] = i + 1 == size ? 1.001 : 1.0;
    check_eigenvalue(matrix, k);
    // A path's Laplacian: a largest eigenvalue in a dense end of the spectrum.
    std::fill(matrix.begin(), matrix.end(), 0.0);
    for (std::size_t i = 0; i < size; ++i) {
      matrix[i * (size + 1)] = 2;
      if (i > 0) matrix[i * size + i - 1] = matrix[(i - 1) * size + i] = -1;
    }
    check_eigenvalue(matrix, k);
    std::fill(matrix.begin(), matrix.end(), 0.0);
    check_eigenvalue(matrix, k);
  }
}

TEST_CASE("large blocks of the paper's kind take few products and are not exact") {
  Draws draws(22);
  LanczosEigenvalue lanczos;
  const LargestEigenvalue found = lanczos.of(gram_matrix(100, 70, 1, 1, draws), 100);
  CHECK_FALSE(found.exact);
  CHECK(found.products <= 40);
}

TEST_CASE("numbers that are not finite are refused as by the other method") {
  std::vector<double> matrix(30 * 30, 0.0);
  for (std::size_t i = 0; i < 30; ++i) matrix[i * 31] = 1;
  matrix[3] = std::numeric_limits<double>::quiet_NaN();
  LanczosEigenvalue lanczos;
  CHECK_THROWS_AS(lanczos.of(matrix, 30), std::invalid_argument);
}

}  // namespace
}  // namespace ashlar::bcd::drawn
