#pragma once
// Blocks that follow a graph: without an edge inside, or without a cycle inside.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), section 5 (message passing); which colour and
// which forest take a node is the published code's choice.
#include <cstdint>
#include <span>
#include <vector>

#include "impls/bcd/rule.hpp"

namespace ashlar::bcd {

/// A set of nodes that grows and whose edges of `graph` never close a cycle: union-find, with path
/// halving and union by size. Keeps a reference to the graph.
class GrowingForest {
 public:
  explicit GrowingForest(const SparseLines& graph);

  void clear();
  /// Takes the node iff its neighbours in the set lie in different trees. False where it is in
  /// already.
  bool add(Index node);
  bool contains(Index node) const { return link_[node] != kAbsent; }

 private:
  static constexpr Index kAbsent = INT32_MIN;

  Index root_of(Index node);
  void unite(Index one, Index other);

  const SparseLines& graph_;
  std::vector<Index> link_;         // the parent; of a root: minus the size of its tree
  std::vector<std::int64_t> seen_;  // of a root: the attempt that met it last
  std::int64_t attempt_ = 0;
};

/// Whether the block's edges form no cycle; false where a node is in it twice.
bool is_forest(Block block, const SparseLines& graph);
/// Whether the block has no edges; false where a node is in it twice.
bool is_independent(Block block, const SparseLines& graph);

/// Unknowns of a lattice by the parity of row + column, even first. Blocks without nodes are left
/// out, here and below.
Blocks red_black_blocks(const Lattice& lattice);
/// Two combs that interlock. White: row 0, and the even columns without their last row. Black: the
/// rest, that is the last row, and the odd columns without row 0. (On a lattice of one row all is
/// white: a path.)
Blocks comb_blocks(const Lattice& lattice);

/// All nodes by L_i descending, ties by index; or by index. With Ties::numpy, as in the published
/// code, an ascending order of L_i backwards; and of a constant, which is what "Order" is there.
std::vector<Index> scan_order(Scan scan, Ties ties, std::span<const double> lipschitz);
/// Each node gets the colour with the fewest nodes among those that its neighbours do not have (the
/// first of them on ties), else a new one.
Blocks colour_blocks(const SparseLines& graph, std::span<const Index> order);
/// Each node gets the first forest that stays one, else a new one.
Blocks forest_blocks(const SparseLines& graph, std::span<const Index> order);

/// The partition `red_black` or `trees` of a quadratic: by its lattice where it has one.
/// Throws std::invalid_argument where the matrix is not that of a 4-neighbour lattice.
Blocks graph_blocks(const Rule& rule, Objective& objective);

}  // namespace ashlar::bcd
