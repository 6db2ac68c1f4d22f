#pragma once
// Small random problems with columns of different scales, for the tests of updates and of the
// optimized tier.
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "impls/bcd/problem.hpp"
#include "impls/core/random.hpp"

namespace ashlar::bcd::drawn {

/// Normal numbers, one after the other.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : seed_(seed) {}
  double normal() { return core::random_element(core::Distribution::normal, seed_, 0, next_++); }
  double uniform() { return core::random_element(core::Distribution::uniform, seed_, 1, next_++); }
  std::vector<double> vector(Index size, double scale = 1) {
    std::vector<double> numbers;
    for (Index i = 0; i < size; ++i) numbers.push_back(scale * normal());
    return numbers;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t next_ = 0;
};

/// Columns of different scales; `density` of the entries, and one at least in each row and column.
inline std::shared_ptr<const FeatureMatrix> random_features(Index rows, Index columns,
                                                            double density, Draws& draws) {
  SparseLines by_row;
  by_row.starts.push_back(0);
  std::vector<double> scale;
  for (Index column = 0; column < columns; ++column) scale.push_back(1 + 3 * draws.uniform());
  for (Index row = 0; row < rows; ++row) {
    for (Index column = 0; column < columns; ++column) {
      const bool needed = column % rows == row || row % columns == column;
      if (!needed && draws.uniform() >= density) continue;
      by_row.indices.push_back(column);
      by_row.values.push_back(scale[column] * (1 + draws.normal()));
    }
    by_row.starts.push_back(static_cast<std::int64_t>(by_row.indices.size()));
  }
  return std::make_shared<const FeatureMatrix>(features_from_rows(columns, std::move(by_row)));
}

/// The Laplacian of a random graph with a labelled neighbour here and there; entries of both signs
/// where `mixed`.
inline std::shared_ptr<const SymmetricMatrix> random_matrix(Index size, double density, bool mixed,
                                                            Draws& draws) {
  std::vector<std::vector<double>> dense(size, std::vector<double>(size, 0.0));
  SymmetricMatrix matrix;
  for (Index i = 0; i < size; ++i)
    matrix.diagonal.push_back(i % 3 == 0 ? 1 + draws.uniform() : 0.1);
  for (Index i = 0; i < size; ++i) {
    for (Index j = 0; j < i; ++j) {
      if (j != i - 1 && draws.uniform() >= density) continue;
      const double weight = 0.1 + draws.uniform();
      const double sign = mixed && draws.uniform() < 0.5 ? 1 : -1;
      dense[i][j] = dense[j][i] = sign * weight;
      matrix.diagonal[i] += weight;
      matrix.diagonal[j] += weight;
    }
  }
  matrix.rest.starts.push_back(0);
  for (Index i = 0; i < size; ++i) {
    for (Index j = 0; j < size; ++j) {
      if (dense[i][j] == 0) continue;
      matrix.rest.indices.push_back(j);
      matrix.rest.values.push_back(dense[i][j]);
    }
    matrix.rest.starts.push_back(static_cast<std::int64_t>(matrix.rest.indices.size()));
  }
  return std::make_shared<const SymmetricMatrix>(std::move(matrix));
}

/// `rows` is ignored for a quadratic, `classes` for all but softmax.
inline Problem random_problem(Loss loss, Index rows, Index columns, Index classes = 1,
                              std::uint64_t seed = 1, double density = 0.4) {
  Draws draws(seed);
  Problem problem;
  problem.loss = loss;
  if (loss == Loss::quadratic) {
    problem.matrix = random_matrix(columns, density, seed % 2 == 0, draws);
    problem.linear = draws.vector(columns, 5);
    return problem;
  }
  problem.features = random_features(rows, columns, density, draws);
  for (Index row = 0; row < rows; ++row) {
    const double draw = draws.normal();
    if (loss == Loss::least_squares) problem.targets.push_back(5 * draw);
    if (loss == Loss::logistic) problem.targets.push_back(draw < 0 ? -1 : 1);
    if (loss == Loss::softmax) problem.targets.push_back(row % classes);
  }
  if (loss == Loss::softmax) problem.classes = classes;
  return problem;
}

/// One of each loss, of odd sizes: more rows than columns and the reverse.
inline std::vector<Problem> small_problems() {
  return {
      random_problem(Loss::least_squares, 7, 13),   random_problem(Loss::least_squares, 19, 6),
      random_problem(Loss::logistic, 7, 13),        random_problem(Loss::logistic, 19, 6),
      random_problem(Loss::softmax, 9, 4, 3),       random_problem(Loss::softmax, 5, 11, 2),
      random_problem(Loss::softmax, 15, 20, 5),     random_problem(Loss::quadratic, 0, 17, 1, 1),
      random_problem(Loss::quadratic, 0, 12, 1, 2), random_problem(Loss::least_squares, 1, 1),
      random_problem(Loss::quadratic, 0, 1)};
}

}  // namespace ashlar::bcd::drawn
