#pragma once
// Lattices for tests: shapes at every edge of the implementations, and ways to label them.
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "impls/bcd/lattice.hpp"

namespace ashlar::bcd::test {

constexpr LatticePartition kLatticePartitions[] = {LatticePartition::red_black,
                                                   LatticePartition::combs};

struct LatticeSize {
  Index rows;
  Index columns;
};
inline std::string shown(const LatticeProblem& problem) {
  return std::to_string(problem.rows) + " x " + std::to_string(problem.columns);
}

inline std::vector<double> random_values(const LatticeProblem& problem, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<double> values = start_state(problem).values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double drawn = static_cast<double>(engine()) * 0x1p-29 - 4;
    if (problem.labelled[i] == 0) values[i] = drawn;
  }
  return values;
}

inline LatticeProblem listed(Index rows, Index columns, std::vector<Index> nodes,
                             std::vector<double> labels) {
  LabelledLattice lattice;
  lattice.rows = rows;
  lattice.columns = columns;
  lattice.weight = 2.5;
  lattice.nodes = std::move(nodes);
  lattice.labels = std::move(labels);
  return lattice_with_labels(lattice);
}

/// Labels that cut the lattice: a full row and a full column among scattered ones.
inline LatticeProblem fenced(Index rows, Index columns) {
  LatticeProblem problem = random_lattice(rows, columns, 0.1, 2.5, 77);
  const auto label = [&](Index r, Index c) {
    const auto node = static_cast<std::size_t>(problem.node(r, c));
    problem.labelled[node] = 1;
    problem.labels[node] = 1 + 0.01 * static_cast<double>(node);
  };
  for (Index c = 0; c < columns; ++c) label(rows / 2, c);
  for (Index r = 0; r < rows; ++r) label(r, columns / 2);
  return problem;
}

inline std::vector<LatticeProblem> lattices(const LatticeSize& size) {
  std::vector<LatticeProblem> all;
  const std::uint64_t seed = std::uint64_t{1000} * static_cast<std::uint64_t>(size.rows) +
                             static_cast<std::uint64_t>(size.columns);
  for (const double share : {0.0, 0.04, 0.5, 1.0})
    all.push_back(random_lattice(size.rows, size.columns, share, 2.5, seed));
  all.push_back(fenced(size.rows, size.columns));
  all.push_back(listed(size.rows, size.columns, {size.rows * size.columns - 1}, {1.0}));
  return all;
}

/// NaN where there is one.
inline double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = std::abs(a[i] - b[i]);
    if (!(off <= largest)) largest = off;
  }
  return largest;
}

}  // namespace ashlar::bcd::test
