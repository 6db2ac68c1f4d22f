#include "impls/bcd/data.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ashlar::bcd {
namespace {

struct DrawnFeatures {
  std::shared_ptr<const FeatureMatrix> features;
  Mersenne random;  // behind the features
};

// The stream has all normals first and then the uniform numbers that decide which of them are kept.
// Two generators walk it: one at the decisions, the other skips to the normals that are kept.
DrawnFeatures draw_features(std::uint32_t seed, FeatureShape shape) {
  Mersenne values(seed);
  Mersenne decisions = values;
  decisions.skip_normals(static_cast<std::int64_t>(shape.rows) * shape.columns);
  std::vector<double> scale(static_cast<std::size_t>(shape.columns));
  for (double& one : scale) one = 10.0 * decisions.normal();

  const double density = 10.0 * std::log(shape.rows) / shape.rows;
  SparseLines by_row;
  by_row.starts.push_back(0);
  std::int64_t skipped = 0;
  for (Index row = 0; row < shape.rows; ++row) {
    for (Index column = 0; column < shape.columns; ++column) {
      if (decisions.uniform() < density) {
        values.skip_normals(std::exchange(skipped, 0));
        by_row.indices.push_back(column);
        by_row.values.push_back((values.normal() + 1.0) * scale[column]);
      } else {
        ++skipped;
      }
    }
    by_row.starts.push_back(static_cast<std::int64_t>(by_row.indices.size()));
  }
  return {std::make_shared<FeatureMatrix>(features_from_rows(shape.columns, std::move(by_row))),
          decisions};
}

std::vector<double> draw_sparse_weights(Mersenne& random, Index count) {
  std::vector<double> weights(static_cast<std::size_t>(count));
  for (double& weight : weights) weight = random.normal();
  for (double& weight : weights) {
    if (random.uniform() >= 0.1) weight = 0;
  }
  return weights;
}

std::vector<double> times(const SparseLines& by_row, const std::vector<double>& x) {
  std::vector<double> product(static_cast<std::size_t>(by_row.lines()));
  for (Index row = 0; row < by_row.lines(); ++row) {
    double sum = 0;
    for (std::int64_t entry = by_row.starts[row]; entry < by_row.starts[row + 1]; ++entry) {
      sum += by_row.values[entry] * x[by_row.indices[entry]];
    }
    product[row] = sum;
  }
  return product;
}

}  // namespace

Problem make_a_prime(std::uint32_t seed, Penalty penalty, FeatureShape shape) {
  DrawnFeatures drawn = draw_features(seed, shape);
  Problem problem;
  problem.loss = Loss::least_squares;
  problem.penalty = penalty;
  problem.targets = times(drawn.features->by_row, draw_sparse_weights(drawn.random, shape.columns));
  for (double& target : problem.targets) target += drawn.random.normal();
  problem.features = std::move(drawn.features);
  return problem;
}

Problem make_b(std::uint32_t seed, FeatureShape shape, Mersenne* rest) {
  DrawnFeatures drawn = draw_features(seed, shape);
  Problem problem;
  problem.loss = Loss::logistic;
  problem.targets = times(drawn.features->by_row, draw_sparse_weights(drawn.random, shape.columns));
  for (double& target : problem.targets) {
    const double sign = target < 0 ? -1.0 : 1.0;
    target = drawn.random.uniform() < 0.1 ? -sign : sign;
  }
  if (rest != nullptr) *rest = drawn.random;
  problem.features = std::move(drawn.features);
  return problem;
}

Problem make_c(std::uint32_t seed, FeatureShape shape, Index classes, Mersenne* rest) {
  DrawnFeatures drawn = draw_features(seed, shape);
  std::vector<double> weights(static_cast<std::size_t>(shape.columns) * classes);
  for (double& weight : weights) weight = drawn.random.normal();
  const SparseLines& by_row = drawn.features->by_row;
  Problem problem;
  problem.loss = Loss::softmax;
  problem.classes = classes;
  std::vector<double> scores(static_cast<std::size_t>(classes));
  for (Index row = 0; row < shape.rows; ++row) {
    std::fill(scores.begin(), scores.end(), 0.0);
    for (std::int64_t entry = by_row.starts[row]; entry < by_row.starts[row + 1]; ++entry) {
      const double* weight = &weights[static_cast<std::size_t>(by_row.indices[entry]) * classes];
      for (Index c = 0; c < classes; ++c) scores[c] += by_row.values[entry] * weight[c];
    }
    for (double& score : scores) score += drawn.random.normal();
    const auto best = std::max_element(scores.begin(), scores.end());
    problem.targets.push_back(static_cast<double>(best - scores.begin()));
  }
  if (rest != nullptr) *rest = drawn.random;
  problem.features = std::move(drawn.features);
  return problem;
}

}  // namespace ashlar::bcd
