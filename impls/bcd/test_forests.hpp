#pragma once
// Forests for tests, given by the parents of their nodes.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "impls/bcd/test_dense.hpp"

namespace ashlar::bcd::testing {

/// parents[i] < i, or -1. Diagonally dominant by a little.
inline SymmetricMatrix forest_matrix(const std::vector<Index>& parents, Draws& draws) {
  std::vector<double> diagonal(parents.size());
  std::vector<Edge> edges;
  for (double& value : diagonal) value = 0.1 + std::fabs(draws.normal());
  for (std::size_t i = 0; i < parents.size(); ++i) {
    if (parents[i] < 0) continue;
    const double weight = draws.normal();
    edges.push_back({static_cast<Index>(i), parents[i], weight});
    diagonal[i] += std::fabs(weight);
    diagonal[parents[i]] += std::fabs(weight);
  }
  return symmetric_from_edges(std::move(diagonal), edges);
}

inline std::vector<Index> all_of(const SymmetricMatrix& matrix) {
  std::vector<Index> nodes(matrix.diagonal.size());
  std::iota(nodes.begin(), nodes.end(), 0);
  return nodes;
}

inline void shuffle(std::vector<Index>& nodes, Draws& draws) {
  for (std::size_t i = nodes.size(); i > 1; --i) {
    std::swap(nodes[i - 1], nodes[below(draws, static_cast<Index>(i))]);
  }
}

/// max_i |r - M_bb x|_i / (sum_j |M_ij x_j|): how wrong the solution is as one of a nearby system.
inline double backward_error(const SymmetricMatrix& matrix, std::span<const double> x,
                             std::span<const double> rhs) {
  double worst = 0;
  for (Index i = 0; i < matrix.size(); ++i) {
    double sum = matrix.diagonal[i] * x[i];
    double scale = std::fabs(sum) + std::fabs(rhs[i]);
    const auto others = matrix.rest.indices_of(i);
    for (std::size_t entry = 0; entry < others.size(); ++entry) {
      const double term = matrix.rest.values_of(i)[entry] * x[others[entry]];
      sum += term;
      scale += std::fabs(term);
    }
    worst = std::fmax(worst, std::isnan(sum) ? INFINITY : std::fabs(sum - rhs[i]) / scale);
  }
  return worst;
}

/// Each node but the first is a root with probability 1 / one_root_in, else hangs on any before.
inline std::vector<Index> random_parents(Index size, Index one_root_in, Draws& draws) {
  std::vector<Index> parents;
  parents.reserve(static_cast<std::size_t>(size));
  for (Index i = 0; i < size; ++i)
    parents.push_back(i == 0 || below(draws, one_root_in) == 0 ? -1 : below(draws, i));
  return parents;
}

struct ForestShape {
  std::string name;
  std::vector<Index> parents;
};

/// Forests of about `size` nodes, which are hard in different ways: deep, wide, both.
inline std::vector<ForestShape> forest_shapes(Index size) {
  Draws draws(17);
  std::vector<ForestShape> shapes;
  const auto add = [&](const char* name, const auto& parent_of) {
    ForestShape& shape = shapes.emplace_back();
    shape.name = name;
    for (Index i = 0; i < size; ++i) shape.parents.push_back(i == 0 ? -1 : parent_of(i));
  };
  add("path", [](Index i) { return i - 1; });
  add("star", [](Index) { return 0; });
  add("single nodes", [](Index) { return -1; });
  add("pairs", [](Index i) { return i % 2 == 0 ? -1 : i - 1; });
  add("caterpillar", [](Index i) { return i % 2 == 0 ? i - 2 : i - 1; });
  add("caterpillar with 300 legs a segment",
      [](Index i) { return i % 301 == 0 ? i - 301 : i - i % 301; });
  add("binary tree", [](Index i) { return (i - 1) / 2; });
  add("tree of 300 children a node", [](Index i) { return (i - 1) / 300; });
  add("broom", [&](Index i) { return i < size / 2 ? i - 1 : size / 2 - 1; });
  add("spider", [](Index i) { return i <= 400 ? 0 : i - 400; });
  add("comb of combs", [](Index i) { return i % 1000 == 0 ? i - 1000 : i - 1; });
  add("near parents", [&](Index i) { return i - 1 - below(draws, std::min<Index>(i, 16)); });
  shapes.push_back({"random forest", random_parents(size, 7, draws)});
  shapes.push_back({"random tree", random_parents(size, size + 1, draws)});
  return shapes;
}

}  // namespace ashlar::bcd::testing
