#pragma once
// What one thread does in a plain half sweep over a lattice on a GPU, for both sides: values in
// node order, as on the host, and elimination with diagonals and right sides in memory.
#include <cstdint>

#include "impls/bcd/matrix.hpp"
#include "impls/core/cuda/host_device.hpp"

namespace ashlar::bcd::baselines {

/// One of each per node; node = column * rows + row.
struct NaiveLattice {
  Index rows = 0;
  Index columns = 0;
  const std::uint8_t* labelled = nullptr;
  double* values = nullptr;
  double* diagonal = nullptr;  // scratch
  double* right = nullptr;     // scratch

  ASHLAR_HOST_DEVICE Index node(Index row, Index column) const { return column * rows + row; }
  ASHLAR_HOST_DEVICE Index spine(int comb) const { return comb == 0 ? 0 : rows - 1; }
};

struct NeighbourSum {
  int count = 0;   // all neighbours
  double sum = 0;  // those that are counted in
};

/// `up` and so on say which neighbours are counted into the sum.
ASHLAR_HOST_DEVICE NeighbourSum neighbours(const NaiveLattice& lattice, Index row, Index column,
                                           bool up, bool down, bool left, bool right) {
  NeighbourSum result;
  const auto visit = [&](bool exists, bool counted, Index node) {
    if (!exists) return;
    ++result.count;
    if (counted) result.sum += lattice.values[node];
  };
  const Index node = lattice.node(row, column);
  visit(row > 0, up, node - 1);
  visit(row + 1 < lattice.rows, down, node + 1);
  visit(column > 0, left, node - lattice.rows);
  visit(column + 1 < lattice.columns, right, node + lattice.rows);
  return result;
}

ASHLAR_HOST_DEVICE void naive_colour(const NaiveLattice& lattice, int colour, Index node) {
  const Index row = node % lattice.rows;
  const Index column = node / lattice.rows;
  if ((row + column) % 2 != colour || lattice.labelled[node] != 0) return;
  const NeighbourSum all = neighbours(lattice, row, column, true, true, true, true);
  lattice.values[node] = all.sum / all.count;
}

/// Takes a node without a label out of the equation of its parent, if that has none either; else
/// its parent's value is known.
ASHLAR_HOST_DEVICE void naive_eliminate(const NaiveLattice& lattice, Index node, Index parent) {
  if (lattice.labelled[node] != 0) {
    lattice.right[parent] += lattice.values[node];
    return;
  }
  const double factor = 1 / lattice.diagonal[node];
  lattice.diagonal[parent] -= factor;
  lattice.right[parent] += factor * lattice.right[node];
}
ASHLAR_HOST_DEVICE void naive_substitute(const NaiveLattice& lattice, Index node, double parent) {
  if (lattice.labelled[node] == 0)
    lattice.values[node] = (lattice.right[node] + parent) / lattice.diagonal[node];
}

/// Tooth `tooth` of a comb, from its free end to its spine node; a column of the other parity has
/// the spine node alone. One thread per column.
ASHLAR_HOST_DEVICE void naive_eliminate_column(const NaiveLattice& lattice, int comb,
                                               Index column) {
  const Index away = comb == 0 ? 1 : -1;
  const Index length = column % 2 == comb && lattice.rows > 2 ? lattice.rows - 2 : 0;
  for (Index step = length; step >= 0; --step) {
    const Index row = lattice.spine(comb) + away * step;
    const Index node = lattice.node(row, column);
    const bool farthest = step == length;
    const bool up = comb == 1 ? farthest : false;
    const bool down = comb == 0 ? farthest : false;
    const NeighbourSum outside = neighbours(lattice, row, column, up, down, step > 0, step > 0);
    lattice.diagonal[node] = outside.count;
    lattice.right[node] = outside.sum;
    if (!farthest) naive_eliminate(lattice, lattice.node(row + away, column), node);
  }
}

/// One thread for all of it.
ASHLAR_HOST_DEVICE void naive_spine(const NaiveLattice& lattice, int comb) {
  const Index row = lattice.spine(comb);
  for (Index c = 0; c + 1 < lattice.columns; ++c)
    naive_eliminate(lattice, lattice.node(row, c), lattice.node(row, c + 1));
  double parent = 0;
  for (Index c = lattice.columns - 1; c >= 0; --c) {
    const Index node = lattice.node(row, c);
    naive_substitute(lattice, node, parent);
    parent = lattice.values[node];
  }
}

ASHLAR_HOST_DEVICE void naive_substitute_tooth(const NaiveLattice& lattice, int comb, Index tooth) {
  const Index away = comb == 0 ? 1 : -1;
  const Index column = 2 * tooth + comb;
  double parent = lattice.values[lattice.node(lattice.spine(comb), column)];
  for (Index step = 1; step <= lattice.rows - 2; ++step) {
    const Index node = lattice.node(lattice.spine(comb) + away * step, column);
    naive_substitute(lattice, node, parent);
    parent = lattice.values[node];
  }
}

}  // namespace ashlar::bcd::baselines
