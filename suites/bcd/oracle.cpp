#include "suites/bcd/oracle.hpp"

#include <cmath>

namespace ashlar::bcd::suite {

namespace {

using Wide = std::vector<long double>;

/// Scores of row r, class by class.
Wide scores_of(const Problem& problem, const std::vector<double>& x, Index r) {
  const SparseLines& rows = problem.features->by_row;
  Wide scores(static_cast<std::size_t>(problem.classes), 0);
  const auto indices = rows.indices_of(r);
  const auto values = rows.values_of(r);
  for (std::size_t e = 0; e < indices.size(); ++e) {
    for (Index c = 0; c < problem.classes; ++c) {
      const auto at = static_cast<std::size_t>(indices[e]) * problem.classes + c;
      scores[c] += static_cast<long double>(values[e]) * x[at];
    }
  }
  return scores;
}

/// In place of the scores: the derivative of the row's loss by each of them.
void slopes_from(const Problem& problem, Index r, Wide& scores) {
  const long double y = problem.targets[r];
  if (problem.loss == Loss::least_squares) {
    scores[0] -= y;
  } else if (problem.loss == Loss::logistic) {
    scores[0] = -y / (1 + std::exp(y * scores[0]));
  } else {
    long double sum = 0;
    long double top = scores[0];
    for (const long double score : scores) top = std::max(top, score);
    for (long double& score : scores) sum += score = std::exp(score - top);
    for (long double& score : scores) score /= sum;
    scores[static_cast<std::size_t>(problem.targets[r])] -= 1;
  }
}

Wide of_rows(const Problem& problem, const std::vector<double>& x) {
  Wide gradient(x.size(), 0);
  const SparseLines& rows = problem.features->by_row;
  for (Index r = 0; r < problem.features->rows; ++r) {
    Wide slopes = scores_of(problem, x, r);
    slopes_from(problem, r, slopes);
    const auto indices = rows.indices_of(r);
    const auto values = rows.values_of(r);
    for (std::size_t e = 0; e < indices.size(); ++e) {
      for (Index c = 0; c < problem.classes; ++c) {
        const auto at = static_cast<std::size_t>(indices[e]) * problem.classes + c;
        gradient[at] += values[e] * slopes[c];
      }
    }
  }
  return gradient;
}

Wide of_quadratic(const Problem& problem, const std::vector<double>& x) {
  const SymmetricMatrix& matrix = *problem.matrix;
  Wide gradient(x.size());
  for (Index i = 0; i < matrix.size(); ++i) {
    long double sum = static_cast<long double>(matrix.diagonal[i]) * x[i] - problem.linear[i];
    const auto indices = matrix.rest.indices_of(i);
    const auto values = matrix.rest.values_of(i);
    for (std::size_t e = 0; e < indices.size(); ++e)
      sum += static_cast<long double>(values[e]) * x[indices[e]];
    gradient[i] = sum;
  }
  return gradient;
}

}  // namespace

std::vector<double> gradient_in_long_double(const Problem& problem, const std::vector<double>& x) {
  const Wide wide =
      problem.loss == Loss::quadratic ? of_quadratic(problem, x) : of_rows(problem, x);
  const double lambda = problem.penalty.nonnegative ? problem.penalty.lambda : 0;
  std::vector<double> gradient(wide.size());
  for (std::size_t i = 0; i < wide.size(); ++i) gradient[i] = static_cast<double>(wide[i] + lambda);
  return gradient;
}

}  // namespace ashlar::bcd::suite
