#pragma once
// Label propagation on a rectangular lattice with four neighbours and one weight for all edges: the
// unknowns x of the nodes without a label minimise the energy
//
//   0.5 sum over edges w (x_i - x_j)^2,   x_i = y_i where node i is labelled,
//
// which is f of the quadratic problem (problem.hpp) plus a constant. Blocks are the two halves of a
// partition, and a half sweep minimises exactly over one of them. No matrix is formed, so that 4096
// x 4096 nodes fit.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), section 5 (message passing) and figure 6.
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "impls/bcd/data.hpp"

namespace ashlar::bcd {

/// Node = column * rows + row, 0 <= row < rows.
struct LatticeProblem {
  Index rows = 0;
  Index columns = 0;
  double weight = 1;                   // of every edge
  std::vector<std::uint8_t> labelled;  // one per node; 0 or 1
  std::vector<double> labels;          // one per node; read where labelled

  Index nodes() const { return rows * columns; }
  Index node(Index row, Index column) const { return column * rows + row; }
  /// How many neighbours, with a label or without.
  int degree(Index row, Index column) const {
    return (row > 0) + (row + 1 < rows) + (column > 0) + (column + 1 < columns);
  }
};

/// Throws std::invalid_argument, naming the first place that is wrong: sizes that do not fit or
/// exceed 2^31 - 1 nodes, a weight that is not positive and finite, a mask other than 0 and 1, a
/// label that is not finite, no label at all (the energy then has no unique minimiser).
void validate(const LatticeProblem& problem);

/// Throws as validate(), and for a node that does not exist or comes twice.
LatticeProblem lattice_with_labels(const LabelledLattice& listed);
/// For make_lattice() (data.hpp), which gives the general problem: of small lattices.
LabelledLattice labelled_nodes(const LatticeProblem& problem);

/// Each node is labelled with probability `share`, by 10 N(0, 1); the first node is labelled where
/// chance left none. A pure function of its arguments, whatever the thread count. Throws as
/// validate(), and for a share outside [0, 1].
LatticeProblem random_lattice(Index rows, Index columns, double share, double weight,
                              std::uint64_t seed);

enum class LatticePartition : std::uint8_t {
  red_black,  // white: row + column is even
  combs,      // white: row 0, and rows 0 to rows - 2 of even columns; black: the rest
};
std::string_view name_of(LatticePartition partition);

/// 0 (white) or 1 (black): the half that a node is in, if it has no label.
inline int half_of(LatticePartition partition, Index rows, Index row, Index column) {
  if (partition == LatticePartition::red_black) return (row + column) % 2;
  if (row == 0) return 0;
  return row == rows - 1 ? 1 : column % 2;
}

/// One value per node. Those of labelled nodes are the labels.
struct LatticeState {
  std::vector<double> values;
};

/// 0 where there is no label: where the published runs start.
LatticeState start_state(const LatticeProblem& problem);

// Sums have a fixed order, whatever the thread count.
double energy(const LatticeProblem& problem, std::span<const double> values);
/// energy(values) - energy(optimum) without cancellation: the energy of the difference, whose
/// labels are 0. Right as far as `optimum` is the minimiser.
double gap(const LatticeProblem& problem, std::span<const double> values,
           std::span<const double> optimum);
/// The largest derivative of the energy by an unknown, in magnitude; 0 where there is none.
double residual(const LatticeProblem& problem, std::span<const double> values);
/// The same over the unknowns of one half.
double residual_of(const LatticeProblem& problem, std::span<const double> values,
                   LatticePartition partition, int half);

/// The minimiser to working precision, by conjugate gradients; throws std::runtime_error where they
/// do not get there.
LatticeState lattice_optimum(const LatticeProblem& problem);

}  // namespace ashlar::bcd
