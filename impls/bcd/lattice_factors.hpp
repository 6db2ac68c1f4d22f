#pragma once
// What elimination on a comb takes from the mask alone, as the weight is one and cancels: a node
// with degree d and a child of factor f has the factor 1 / (d - f), and passes (sum of neighbours
// outside the comb + child's message) * factor on. A labelled node has the factor 0 and passes its
// label on, which is all that breaks the comb into trees. Down from the root: x = message + factor
// * x of the parent.
//
// Along a tooth f depends only on the degree and on how many nodes ago a label or the end was, and
// converges fast (to 2 - sqrt 3 for degree 4, with each step 14 times nearer): so few values occur
// that one byte per node says which, instead of 8 for the value. On lattices of 1024 x 1024 and
// 4096 x 4096 sweeps were as fast or faster than with the values in memory; where all of it is in
// the second-level cache (512 x 512) they were a quarter slower. Factors cannot be recomputed on
// the way back from the root, which is against the recursion.
#include <cstdint>
#include <vector>

#include "impls/bcd/lattice.hpp"

namespace ashlar::bcd {

/// Classes of factors of tooth nodes: 0 has a label; then degree 4 at distance 1, 2, ... from a
/// label or the end of the tooth; then degree 3. The last of each stands for all further ones,
/// which are the same number in double precision.
struct ToothFactors {
  static constexpr int kInner = 20;   // of degree 4
  static constexpr int kBorder = 28;  // of degree 3
  static constexpr int kClasses = 64;

  double of[kClasses] = {};
  ToothFactors();
  static int first(int degree) { return degree == 4 ? 1 : 1 + kInner; }
  static int last(int degree) { return degree == 4 ? kInner : kInner + kBorder; }
};

/// Of one comb (0 white, 1 black). Teeth are the rows 1 to rows - 2 of columns of that parity.
struct CombFactors {
  /// class of the tooth node of tooth k in row r at (r * teeth + k); rows 0 and rows - 1 are 0.
  std::vector<std::uint8_t> classes;
  Index teeth = 0;
  /// Of the spine, column by column; the parent is to the right.
  std::vector<double> spine;
};

/// For rows >= 2 and columns >= 2 (a lattice of one column has teeth of degree 2, whose factors do
/// not converge), and for rows == 1, where the white comb is its spine and the black one is empty.
CombFactors comb_factors(const LatticeProblem& problem, int comb);

}  // namespace ashlar::bcd
