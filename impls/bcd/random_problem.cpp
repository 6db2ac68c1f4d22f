#include "impls/bcd/random_problem.hpp"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "impls/bcd/mersenne.hpp"

namespace ashlar::bcd {
namespace {

SparseLines random_rows(const RandomShape& shape, Mersenne& random) {
  SparseLines by_row;
  by_row.starts.push_back(0);
  for (Index row = 0; row < shape.rows; ++row) {
    for (Index column = 0; column < shape.columns; ++column) {
      const bool diagonal = row % shape.columns == column || column % shape.rows == row;
      if (random.uniform() >= shape.density && !diagonal) continue;
      by_row.indices.push_back(column);
      by_row.values.push_back(random.normal());
    }
    by_row.starts.push_back(static_cast<std::int64_t>(by_row.indices.size()));
  }
  return by_row;
}

double random_target(Loss loss, Index classes, Mersenne& random) {
  if (loss == Loss::least_squares) return random.normal();
  if (loss == Loss::logistic) return random.integer(1) == 0 ? -1.0 : 1.0;
  return random.integer(static_cast<std::uint32_t>(classes - 1));
}

Problem random_quadratic(const RandomShape& shape, Mersenne& random) {
  const std::size_t size = static_cast<std::size_t>(shape.columns);
  std::vector<double> dense(size * size, 0.0);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (random.uniform() < shape.density)
        dense[i * size + j] = dense[j * size + i] = random.normal();
    }
  }
  auto matrix = std::make_shared<SymmetricMatrix>();
  matrix->rest = features_from_dense(shape.columns, shape.columns, dense).by_row;
  Problem problem;
  for (std::size_t i = 0; i < size; ++i) {
    double diagonal = 0.1 + random.uniform();
    for (std::size_t j = 0; j < size; ++j) diagonal += std::fabs(dense[i * size + j]);
    matrix->diagonal.push_back(diagonal);
    problem.linear.push_back(random.normal());
  }
  problem.loss = Loss::quadratic;
  problem.matrix = std::move(matrix);
  return problem;
}

}  // namespace

Problem make_random(Loss loss, const RandomShape& shape, std::uint32_t seed, Penalty penalty) {
  const bool empty = shape.columns < 1 || (loss != Loss::quadratic && shape.rows < 1) ||
                     (loss == Loss::softmax && shape.classes < 1);
  if (empty || !(shape.density >= 0 && shape.density <= 1)) {
    throw std::invalid_argument(fmt::format(
        "random problem: {} rows, {} columns, {} classes, density {}; all must be at least 1, and "
        "the density in [0, 1]",
        shape.rows, shape.columns, shape.classes, shape.density));
  }
  Mersenne random(seed);
  Problem problem;
  if (loss == Loss::quadratic) {
    problem = random_quadratic(shape, random);
  } else {
    problem.loss = loss;
    problem.features = std::make_shared<FeatureMatrix>(
        features_from_rows(shape.columns, random_rows(shape, random)));
    if (loss == Loss::softmax) problem.classes = shape.classes;
    for (Index row = 0; row < shape.rows; ++row) {
      problem.targets.push_back(random_target(loss, shape.classes, random));
    }
  }
  problem.penalty = penalty;
  return problem;
}

}  // namespace ashlar::bcd
