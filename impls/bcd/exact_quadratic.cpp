#include "impls/bcd/exact_quadratic.hpp"

#include <cmath>
#include <cstddef>
#include <limits>

#include "impls/bcd/gram.hpp"

namespace ashlar::bcd {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();
// What long double adds to the uncertainty of given numbers: 2^-63 per operation, of which a few
// hundred add up; relative to kEps.
constexpr double kLong = 1.0 / 64;

}  // namespace

ExactQuadratic::ExactQuadratic(const Problem& problem)
    : problem_(problem), slope_(problem.penalty.nonnegative ? problem.penalty.lambda : 0) {
  const bool squares = problem.loss == Loss::least_squares;
  diagonal_ = squares ? squared_norms(problem.features->by_column) : problem.matrix->diagonal;
  scattered_.assign(static_cast<std::size_t>(squares ? problem.features->rows : size()), 0.0);
}

void ExactQuadratic::row(Index i, Block others, std::span<double> out) {
  const bool squares = problem_.loss == Loss::least_squares;
  const SparseLines& lines = squares ? problem_.features->by_column : problem_.matrix->rest;
  const auto indices = lines.indices_of(i);
  const auto values = lines.values_of(i);
  for (std::size_t e = 0; e < indices.size(); ++e) scattered_[indices[e]] = values[e];
  if (!squares) scattered_[i] = diagonal_[i];
  for (std::size_t k = 0; k < others.size(); ++k) {
    out[k] = squares ? dot_of_line(lines, others[k], scattered_) : scattered_[others[k]];
  }
  for (const Index index : indices) scattered_[index] = 0;
  if (!squares) scattered_[i] = 0;
}

double ExactQuadratic::curvature(Block set, std::span<const double> d) {
  double sum = 0;
  if (problem_.loss == Loss::least_squares) {
    const SparseLines& columns = problem_.features->by_column;
    for (std::size_t k = 0; k < set.size(); ++k) {
      const auto rows = columns.indices_of(set[k]);
      const auto values = columns.values_of(set[k]);
      for (std::size_t e = 0; e < rows.size(); ++e) scattered_[rows[e]] += d[k] * values[e];
    }
    for (double& element : scattered_) {
      sum += element * element;
      element = 0;
    }
    return sum;
  }
  for (std::size_t k = 0; k < set.size(); ++k) scattered_[set[k]] = d[k];
  for (std::size_t k = 0; k < set.size(); ++k) {
    const double product =
        diagonal_[set[k]] * d[k] + dot_of_line(problem_.matrix->rest, set[k], scattered_);
    sum += d[k] * product;
  }
  for (const Index i : set) scattered_[i] = 0;
  return sum;
}

void ExactQuadratic::look(std::span<const double> x) {
  x_.assign(x.begin(), x.end());
  const bool squares = problem_.loss == Loss::least_squares;
  const std::vector<double>& right = squares ? problem_.targets : problem_.linear;
  residual_.resize(right.size());
  sizes_.resize(right.size());
  for (std::size_t r = 0; r < right.size(); ++r) {
    residual_[r] = -static_cast<long double>(right[r]);
    sizes_[r] = kLong * std::abs(right[r]);
  }
  const SparseLines& lines = squares ? problem_.features->by_column : problem_.matrix->rest;
  for (Index i = 0; i < size(); ++i) {
    if (x_[i] == 0) continue;
    const auto indices = lines.indices_of(i);
    const auto values = lines.values_of(i);
    for (std::size_t e = 0; e < indices.size(); ++e) {
      residual_[indices[e]] += static_cast<long double>(values[e]) * x_[i];
      sizes_[indices[e]] += std::abs(values[e] * x_[i]);
    }
    if (!squares) {
      residual_[i] += static_cast<long double>(diagonal_[i]) * x_[i];
      sizes_[i] += std::abs(diagonal_[i] * x_[i]);
    }
  }
}

long double ExactQuadratic::value() const {
  long double sum = 0;
  for (const double element : x_) sum += static_cast<long double>(slope_) * element;
  if (problem_.loss == Loss::least_squares) {
    for (const long double element : residual_) sum += 0.5L * element * element;
  } else {
    for (std::size_t i = 0; i < x_.size(); ++i) {
      sum += 0.5L * x_[i] * (residual_[i] - problem_.linear[i]);
    }
  }
  return sum;
}

long double ExactQuadratic::derivative(Index i) const {
  if (problem_.loss != Loss::least_squares) return residual_[i] + slope_;
  const auto rows = problem_.features->by_column.indices_of(i);
  const auto values = problem_.features->by_column.values_of(i);
  long double sum = slope_;
  for (std::size_t e = 0; e < rows.size(); ++e) sum += values[e] * residual_[rows[e]];
  return sum;
}

double ExactQuadratic::resolution(Index i) const {
  if (problem_.loss != Loss::least_squares) return kEps * sizes_[i];
  const auto rows = problem_.features->by_column.indices_of(i);
  const auto values = problem_.features->by_column.values_of(i);
  double sum = 0;
  for (std::size_t e = 0; e < rows.size(); ++e) sum += std::abs(values[e]) * sizes_[rows[e]];
  return kEps * sum;
}

}  // namespace ashlar::bcd
