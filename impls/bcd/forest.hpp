#pragma once
// Systems M_bb x = r whose graph is a forest, in O(|b|): elimination from the leaves to the roots
// and back, and the same as Gaussian belief propagation.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), section 5 (message passing on forest-structured
// blocks); Shental, Siegel, Wolf, Bickson, Dolev, "Gaussian belief propagation solver for systems
// of linear equations", ISIT 2008, for the messages.
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// The forest that a block induces in the graph of a symmetric matrix M, in an order of
/// elimination: step t removes the block's coordinate number places[t], which is then a leaf or the
/// last of its tree. All arrays have |b| elements.
struct ForestOrder {
  std::vector<Index> places;     // step -> place in the block
  std::vector<Index> parents;    // step -> step of the parent, which is later; -1 at a root
  std::vector<double> edges;     // M_ij between step and parent; 0 at a root
  std::vector<double> diagonal;  // M_ii
  std::vector<double> pivots;    // M_ii less what the children take off it; > 0
  Index trees = 0;

  Index size() const { return static_cast<Index>(places.size()); }
};

/// Finds orders. Keeps a workspace of M's size, so that a block costs O(|b| + its edges in M),
/// without an allocation once blocks as large were seen. The matrix must outlive it.
class ForestFinder {
 public:
  explicit ForestFinder(const SymmetricMatrix& matrix);

  /// Overwrites `order`. Throws std::invalid_argument where the block does not induce a forest (an
  /// edge that closes a cycle is named), has a coordinate twice or outside the matrix, or where
  /// M_bb is not positive definite (the coordinate with a pivot <= 0 is named).
  void find(Block block, ForestOrder& order);

 private:
  void enter(Block block);
  Index last_neighbour(Index node, double& weight) const;
  [[noreturn]] void refuse_cycle(Block block) const;

  const SymmetricMatrix& matrix_;
  std::vector<Index> place_;   // node -> place in the present block; -1 outside and once removed
  std::vector<Index> degree_;  // place -> neighbours that are not removed
  std::vector<Index> step_;    // place -> step
};

/// Solves M_bb x = r in place; `rhs` is in the block's order, `scratch` grows to its size and then
/// stays. 3 operations per edge up and 3 down, no recursion.
void solve(const ForestOrder& order, std::span<double> rhs, std::vector<double>& scratch);

/// A second formulation of solve(), for comparison: directed messages, which every node sends along
/// every edge from all that it heard on its other edges,
///   P_{i->j} = -M_ij^2 / (M_ii + sum_{k in N(i) \ j} P_{k->i})
///   h_{i->j} = -M_ij (r_i + sum_{k in N(i) \ j} h_{k->i}) / (M_ii + sum_{k in N(i) \ j} P_{k->i})
/// and x_i = (r_i + sum h_{k->i}) / (M_ii + sum P_{k->i}). h is P times the mean mu that is usually
/// sent: no division by an edge's weight, which may be 0.
void solve_by_messages(const ForestOrder& order, std::span<double> rhs);

}  // namespace ashlar::bcd
