#pragma once
// Small problems, and the conditions that a minimiser meets: what the tests of peers share.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "impls/bcd/problem.hpp"
#include "impls/core/random.hpp"

namespace ashlar::bcd::baselines::testing {

/// Normals from a stream of the repository's generator.
inline std::vector<double> normals(std::size_t count, std::uint64_t seed) {
  std::vector<double> made(count);
  for (std::size_t i = 0; i < count; ++i) {
    made[i] = core::random_element(core::Distribution::normal, seed, 0, i);
  }
  return made;
}

/// Every third entry is there, columns are of unequal size and have a mean.
inline std::shared_ptr<const FeatureMatrix> features(Index rows, Index columns,
                                                     std::uint64_t seed) {
  std::vector<double> dense = normals(static_cast<std::size_t>(rows) * columns, seed);
  const std::vector<double> scales = normals(columns, seed + 1000);
  for (Index row = 0; row < rows; ++row) {
    for (Index column = 0; column < columns; ++column) {
      double& entry = dense[static_cast<std::size_t>(row) * columns + column];
      const bool kept = (row * 7 + column * 5) % 3 == 0 || row == column % rows;
      entry = kept ? (entry + 1) * 3 * scales[column] : 0.0;
    }
  }
  return std::make_shared<FeatureMatrix>(features_from_dense(rows, columns, dense));
}

inline Problem least_squares(Index rows, Index columns, Penalty penalty, std::uint64_t seed) {
  Problem problem;
  problem.loss = Loss::least_squares;
  problem.penalty = penalty;
  problem.features = features(rows, columns, seed);
  problem.targets = normals(static_cast<std::size_t>(rows), seed + 2000);
  for (double& target : problem.targets) target = 20 * target + 5;
  return problem;
}

inline Problem logistic(Index rows, Index columns, std::uint64_t seed) {
  Problem problem;
  problem.loss = Loss::logistic;
  problem.features = features(rows, columns, seed);
  for (const double value : normals(static_cast<std::size_t>(rows), seed + 2000)) {
    problem.targets.push_back(value < 0.3 ? -1 : 1);
  }
  return problem;
}

/// The Laplacian of a rows x columns grid with unequal weights, made definite in one corner.
inline Problem grid(Index rows, Index columns, std::uint64_t seed) {
  const Index size = rows * columns;
  std::vector<double> weights = normals(2 * static_cast<std::size_t>(size), seed);
  auto matrix = std::make_shared<SymmetricMatrix>();
  matrix->diagonal.assign(static_cast<std::size_t>(size), 0.0);
  matrix->diagonal[0] = 1;
  const auto weight = [&](Index node, bool right) {  // towards the node on the right, or below
    return 1 + std::abs(weights[2 * static_cast<std::size_t>(node) + (right ? 1 : 0)]);
  };
  std::vector<std::vector<std::pair<Index, double>>> edges(static_cast<std::size_t>(size));
  const auto connect = [&](Index a, Index b, double w) {
    edges[a].emplace_back(b, -w);
    edges[b].emplace_back(a, -w);
    matrix->diagonal[a] += w;
    matrix->diagonal[b] += w;
  };
  for (Index node = 0; node < size; ++node) {
    if (node % rows + 1 < rows) connect(node, node + 1, weight(node, false));
    if (node + rows < size) connect(node, node + rows, weight(node, true));
  }
  matrix->rest.starts.push_back(0);
  for (auto& line : edges) {
    std::sort(line.begin(), line.end());
    for (const auto& [other, value] : line) {
      matrix->rest.indices.push_back(other);
      matrix->rest.values.push_back(value);
    }
    matrix->rest.starts.push_back(static_cast<std::int64_t>(matrix->rest.indices.size()));
  }
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.matrix = std::move(matrix);
  problem.linear = normals(static_cast<std::size_t>(size), seed + 1);
  return problem;
}

/// A'(slope per row), where slope is the derivative of the loss by a_r'x.
inline std::vector<double> smooth_gradient(const Problem& problem, std::span<const double> x) {
  const SparseLines& rows = problem.features->by_row;
  std::vector<double> gradient(x.size(), 0.0);
  for (Index row = 0; row < rows.lines(); ++row) {
    const auto indices = rows.indices_of(row);
    const auto values = rows.values_of(row);
    double product = 0;
    for (std::size_t e = 0; e < indices.size(); ++e) product += values[e] * x[indices[e]];
    const double y = problem.targets[row];
    const double slope =
        problem.loss == Loss::least_squares ? product - y : -y / (1 + std::exp(y * product));
    for (std::size_t e = 0; e < indices.size(); ++e) gradient[indices[e]] += values[e] * slope;
  }
  return gradient;
}

/// How far x is from meeting the conditions of optimality with the L1 penalty: the largest
/// violation over the coordinates, in units of the gradient.
inline double l1_violation(const Problem& problem, double lambda, bool nonnegative,
                           std::span<const double> x) {
  const std::vector<double> gradient = smooth_gradient(problem, x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (nonnegative && x[i] < 0) return HUGE_VAL;
    double violation = 0;
    if (x[i] != 0) {
      violation = std::abs(gradient[i] + std::copysign(lambda, x[i]));
    } else {
      violation = std::max(0.0, (nonnegative ? -gradient[i] : std::abs(gradient[i])) - lambda);
    }
    worst = std::max(worst, violation);
  }
  return worst;
}

/// max |M x - c|.
inline double residual(const Problem& problem, std::span<const double> x) {
  double worst = 0;
  for (Index i = 0; i < problem.matrix->size(); ++i) {
    double sum = problem.matrix->diagonal[i] * x[i] - problem.linear[i];
    const auto indices = problem.matrix->rest.indices_of(i);
    const auto values = problem.matrix->rest.values_of(i);
    for (std::size_t e = 0; e < indices.size(); ++e) sum += values[e] * x[indices[e]];
    worst = std::max(worst, std::abs(sum));
  }
  return worst;
}

}  // namespace ashlar::bcd::baselines::testing
