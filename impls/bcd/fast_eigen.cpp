#include "impls/bcd/fast_eigen.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/fast_kernels.hpp"

namespace ashlar::bcd {
namespace {

/// Up to there Householder's method is as fast.
constexpr Index kDenseEigenvalues = 24;
constexpr Index kFirstLook = 8;
constexpr Index kLooksEvery = 4;
constexpr double kRitzError = 1e-13;

/// In (0, 1), the same numbers for every matrix.
double scattered(Index i) {
  const double golden = 0.6180339887498949 * static_cast<double>(i + 1);
  return golden - std::floor(golden);
}

}  // namespace

/// Near the largest diagonal elements, where the eigenvector is if scales differ.
void LanczosEigenvalue::start(std::span<const double> matrix, Index k) {
  basis_.resize(static_cast<std::size_t>(k) * (static_cast<std::size_t>(k) / 2 + 2));
  lines_.resize(static_cast<std::size_t>(k));
  for (Index j = 0; j < k; ++j) lines_[j] = matrix.data() + static_cast<std::size_t>(j) * k;
  diagonal_.clear();
  beside_.clear();
  double norm = 0;
  for (Index i = 0; i < k; ++i) {
    basis_[i] = (0.25 + scattered(i)) * lines_[i][i];
    norm += basis_[i] * basis_[i];
  }
  for (Index i = 0; i < k; ++i) basis_[i] /= std::sqrt(norm);
}

/// False where the basis is invariant under the matrix.
bool LanczosEigenvalue::step(Index k) {
  const FastKernels& kernels = fast_kernels();
  const auto steps = static_cast<Index>(diagonal_.size());
  const double* last = basis_.data() + static_cast<std::size_t>(steps) * k;
  double* next = basis_.data() + static_cast<std::size_t>(steps + 1) * k;
  std::fill_n(next, k, 0.0);
  kernels.add_lines(lines_.data(), last, k, 0, k, next);
  diagonal_.push_back(kernels.dot(last, next, k));
  const double length = std::sqrt(kernels.dot(next, next, k));
  for (int pass = 0; pass < 2; ++pass) {  // twice is enough to be orthogonal to rounding
    for (Index v = 0; v <= steps; ++v) {
      const double* vector = basis_.data() + static_cast<std::size_t>(v) * k;
      const double part = -kernels.dot(vector, next, k);
      kernels.add_lines(&vector, &part, 1, 0, k, next);
    }
  }
  const double norm = std::sqrt(kernels.dot(next, next, k));
  beside_.push_back(norm);
  if (norm <= 1e-14 * length) return false;
  for (Index i = 0; i < k; ++i) next[i] /= norm;
  return true;
}

/// By Sylvester's law: signs of the pivots of T - value I.
Index LanczosEigenvalue::eigenvalues_above(double value) const {
  Index above = 0;
  double pivot = 1;
  for (std::size_t i = 0; i < diagonal_.size(); ++i) {
    const double square = i == 0 ? 0 : beside_[i - 1] * beside_[i - 1];
    pivot = diagonal_[i] - value - square / pivot;
    if (pivot == 0) pivot = -1e-300;
    above += pivot > 0 ? 1 : 0;
  }
  return above;
}

/// The place-th largest eigenvalue of T, between low and high, to a relative precision, from above.
double LanczosEigenvalue::ritz_value(Index place, double low, double high, double precision) const {
  while (high - low > precision * high) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    (eigenvalues_above(middle) >= place ? low : high) = middle;
  }
  return high;
}

/// Of the unit eigenvector of T, from the end backwards: there it only grows.
double LanczosEigenvalue::last_component(double ritz) const {
  double here = 1;
  double after = 0;
  double sum = 1;
  for (std::size_t i = diagonal_.size() - 1; i > 0; --i) {
    const double above = i + 1 < diagonal_.size() ? beside_[i] * after : 0;
    const double before = ((ritz - diagonal_[i]) * here - above) / beside_[i - 1];
    after = here;
    here = before;
    sum += here * here;
    if (sum > 1e200) return 0;
  }
  return 1 / std::sqrt(sum);
}

LargestEigenvalue LanczosEigenvalue::of(std::span<const double> matrix, Index k) {
  if (k <= kDenseEigenvalues) return {largest_eigenvalue(matrix, k), true, 0};
  double largest_diagonal = 0;
  double trace = 0;
  for (Index i = 0; i < k; ++i) {
    const double entry = matrix[static_cast<std::size_t>(i) * (k + 1)];
    largest_diagonal = std::max(largest_diagonal, entry);
    trace += entry;
  }
  // Also where something is not finite.
  if (!(largest_diagonal > 0) || !std::isfinite(trace))
    return {largest_eigenvalue(matrix, k), true, 0};
  start(matrix, k);
  for (Index steps = 1; steps <= k / 2; ++steps) {
    if (!step(k)) break;  // a start of special form; leave it to the other method
    if (steps < kFirstLook || steps % kLooksEvery != 0) continue;
    const double ritz = ritz_value(1, 0, trace, 1e-15);
    const double residual = beside_.back() * last_component(ritz);
    const double second = ritz_value(2, 0, ritz, 1e-3);
    const double gap = ritz - second;
    const double error = gap > residual ? residual * residual / gap : residual;
    if (error <= kRitzError * ritz) {
      return {std::max(ritz + error, largest_diagonal), false, static_cast<int>(steps)};
    }
  }
  return {largest_eigenvalue(matrix, k), true, static_cast<int>(diagonal_.size())};
}

}  // namespace ashlar::bcd
