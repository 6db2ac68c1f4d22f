#pragma once
// Least squares and quadratics as their minimisers are looked for: H entry by entry, and
// derivatives in long double, which know more of x than a solution in double can.
#include <span>
#include <vector>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd {

/// f(x) = 0.5 x'H x - b'x + constant, with lambda * sum x where the penalty asks for x >= 0. Keeps
/// a reference to the problem.
class ExactQuadratic {
 public:
  explicit ExactQuadratic(const Problem& problem);

  Index size() const { return static_cast<Index>(diagonal_.size()); }
  double diagonal(Index i) const { return diagonal_[i]; }
  /// out_k = H_ij, j = others_k.
  void row(Index i, Block others, std::span<double> out);
  /// d'H d, of d that is 0 outside `set`.
  double curvature(Block set, std::span<const double> d);

  /// What follows is at this x.
  void look(std::span<const double> x);
  long double value() const;
  long double derivative(Index i) const;
  /// How much the last bits of x can change derivative i: eps sum_j |H_ij| |x_j| for quadratics,
  /// and the like through the rows for least squares.
  double resolution(Index i) const;

 private:
  const Problem& problem_;
  double slope_;  // lambda, where it is part of f
  std::vector<double> diagonal_;
  std::vector<double> scattered_;  // row of M or column of A; 0 between calls
  std::vector<double> x_;
  std::vector<long double> residual_;  // A x - y, or M x - c
  std::vector<double> sizes_;          // the magnitudes that are added up in it
};

}  // namespace ashlar::bcd
