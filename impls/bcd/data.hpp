#pragma once
// The paper's data sets, drawn from NumPy's stream in the order of its published generator (section
// 7 and its code). A and E were files that are not public: A' and E' are drawn by the same recipe.
#include <cstdint>
#include <vector>

#include "impls/bcd/mersenne.hpp"
#include "impls/bcd/problem.hpp"

namespace ashlar::bcd {

struct FeatureShape {
  Index rows = 0;
  Index columns = 0;
};

/// Of figures 7 and 13, for A'.
inline constexpr Penalty kPaperPenalty{.lambda = 50000, .nonnegative = true};

// `rest` gets the stream behind the data: the published code draws its random blocks from it.
//
// A is N(1, 1), times 10 N(0, 1) per column, each entry kept with probability 10 ln(rows) / rows.
// No more than the kept entries is held in memory. Columns of small shapes can be empty; validate()
// says so.

/// Least squares; y = A w + N(0, 1), a tenth of w is N(0, 1) and the rest 0. Seed 1: 691366
/// entries.
Problem make_a_prime(std::uint32_t seed = 1, Penalty penalty = {},
                     FeatureShape shape = {1000, 10000});
/// Logistic; A and w as in A', y = sign(A w), a tenth of which is flipped.
Problem make_b(std::uint32_t seed = 1, FeatureShape shape = {1000, 10000},
               Mersenne* rest = nullptr);
/// Softmax; w is N(0, 1), columns x classes, the class is the largest of A w + N(0, 1).
Problem make_c(std::uint32_t seed = 1, FeatureShape shape = {1000, 1000}, Index classes = 50,
               Mersenne* rest = nullptr);

/// Label propagation on a grid with four neighbours. Node = column * rows + row.
struct LabelledLattice {
  Index rows = 0;
  Index columns = 0;
  double weight = 0;           // of every edge
  std::vector<Index> nodes;    // with a known value, in the order drawn
  std::vector<double> labels;  // of `nodes`
};
/// Labels are 10 N(0, 1) at `labelled` nodes without replacement. Throws std::invalid_argument for
/// a grid that is empty or has more than 2^31 - 1 nodes, and where not 1 to all but one are
/// labelled.
LabelledLattice draw_lattice(Index rows, Index columns, Index labelled, std::uint32_t seed,
                             double weight = 1e5, Mersenne* rest = nullptr);
/// Unknowns are the nodes without a label, in order; `lattice` of the problem is set. 1.2 GB for
/// 4096 x 4096: what needs no matrix there takes the LabelledLattice alone.
Problem make_lattice(const LabelledLattice& lattice);
Problem make_lattice(Index rows, Index columns, Index labelled, std::uint32_t seed,
                     double weight = 1e5);
/// 50 x 50, 100 labelled: 2400 unknowns. Seed 1: f* = -1045999575.22707.
Problem make_d(std::uint32_t seed = 1, Mersenne* rest = nullptr);

/// Label propagation on two half moons of 1000 points each with N(0, 0.2^2) noise, the graph of 5
/// nearest neighbours, weight 1, and the class (1 or 2) of 100 random points: 1900 unknowns. Drawn
/// in the order: angles of both classes, noise point by point, a permutation whose first 100 are
/// labelled.
Problem make_e_prime(std::uint32_t seed = 1);
/// The same with `per_class` points each, at least 10, a twentieth of all labelled, and one more
/// where a component of the graph has none of these: for up to millions of points, 19 of 20
/// unknown. Throws std::invalid_argument for fewer.
Problem make_moons(std::uint32_t seed, Index per_class);

}  // namespace ashlar::bcd
