#pragma once
// Graphs of nearest neighbours, and label propagation on them: unknown values at the nodes without
// a label that minimise the weighted squares of differences along edges (section 7, data sets D and
// E).
#include <optional>
#include <span>
#include <vector>

#include "impls/bcd/mersenne.hpp"
#include "impls/bcd/problem.hpp"

namespace ashlar::bcd {

/// i and j are neighbours where either is among the `neighbours` nearest of the other by Euclidean
/// distance; of equally far points the one with the lower index is nearer. Coordinate c of point i
/// is at i * dimensions + c. In more than 8 dimensions all pairs are looked at: for some thousand
/// points. Every edge has `weight`. Throws std::invalid_argument for sizes that do not fit, fewer
/// points than neighbours + 1, NaN and infinity.
SparseLines nearest_neighbours(std::span<const double> points, Index dimensions, Index neighbours,
                               double weight = 1);

/// For each node the lowest node that edges lead to from it. `graph` has both directions of an
/// edge.
std::vector<Index> components(const SparseLines& graph);

/// A label or none; 0 is a label like any other.
using Labels = std::vector<std::optional<double>>;

/// The values of the first `labelled` nodes of a random permutation. Where a component of the graph
/// has none of them, another permutation follows; std::invalid_argument after a hundred.
Labels label_at_random(const SparseLines& graph, std::span<const double> values, Index labelled,
                       Mersenne& random);
/// The values of the first `labelled` nodes of one random permutation, and of the lowest node of
/// every component that has none of them: a large graph of nearest neighbours has small components
/// that no draw reaches all of.
Labels label_every_component(const SparseLines& graph, std::span<const double> values,
                             Index labelled, Mersenne& random);

/// M_ii is the sum of the weights to all neighbours, labelled ones too; M_ij = -w_ij between
/// unknowns; c_i the sum of w_ij * label_j over labelled neighbours. Unknowns are the nodes without
/// a label, in order. Throws std::invalid_argument, which names the node, for a component without a
/// label, a label or weight that is not finite, a weight that is not positive or not the same both
/// ways, and a node that is its own neighbour.
Problem make_label_propagation(const SparseLines& graph, const Labels& labels);

}  // namespace ashlar::bcd
