#include "suites/bcd/logistic_oracle.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ashlar::bcd::suite {

namespace {

/// y_r a_r'x.
std::vector<long double> margins_at(const Problem& problem, std::span<const double> x) {
  const SparseLines& rows = problem.features->by_row;
  std::vector<long double> margins;
  for (Index r = 0; r < problem.features->rows; ++r) {
    const auto indices = rows.indices_of(r);
    const auto values = rows.values_of(r);
    long double sum = 0;
    for (std::size_t e = 0; e < indices.size(); ++e)
      sum += static_cast<long double>(values[e]) * x[indices[e]];
    margins.push_back(problem.targets[r] * sum);
  }
  return margins;
}

/// d log d, 0 at 0.
long double entropy_term(long double d) { return d > 0 ? d * std::log(d) : 0; }

}  // namespace

long double penalised_logistic_value(const Problem& problem, std::span<const double> x) {
  long double value = 0;
  for (const long double margin : margins_at(problem, x))
    value += std::max(-margin, 0.0L) + std::log1p(std::exp(-std::abs(margin)));
  for (const double element : x) value += problem.penalty.lambda * std::abs(element);
  return value;
}

/// min_x sum_r log(1 + exp(-m_r)) + lambda ||x||_1 is the largest sum of entropies of d_r in [0, 1]
/// with |sum_r d_r y_r a_ri| <= lambda for every i.
long double logistic_lower_bound(const Problem& problem, std::span<const double> x) {
  std::vector<long double> dual = margins_at(problem, x);
  for (long double& d : dual) d = 1 / (1 + std::exp(d));
  const SparseLines& columns = problem.features->by_column;
  long double largest = 0;
  for (Index i = 0; i < problem.features->columns; ++i) {
    const auto rows = columns.indices_of(i);
    const auto values = columns.values_of(i);
    long double sum = 0;
    for (std::size_t e = 0; e < rows.size(); ++e)
      sum += values[e] * problem.targets[rows[e]] * dual[rows[e]];
    largest = std::max(largest, std::abs(sum));
  }
  const long double scale = largest > problem.penalty.lambda ? problem.penalty.lambda / largest : 1;
  long double bound = 0;
  for (const long double d : dual) bound -= entropy_term(scale * d) + entropy_term(1 - scale * d);
  return bound;
}

}  // namespace ashlar::bcd::suite
