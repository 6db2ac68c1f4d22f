#pragma once
// lambda_max of a block without the other eigenvalues.
#include <span>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// What was found: `exact` where all eigenvalues were computed, else the Ritz value plus a bound of
/// its error, which is below 1e-13 of it.
struct LargestEigenvalue {
  double value = 0;
  bool exact = false;
  int products = 0;
};

/// Lanczos' method with full reorthogonalisation on symmetric positive semidefinite k x k matrices,
/// column after column; some 2 m (k^2 + 2 m k) operations for m steps, where all eigenvalues take
/// 4/3 k^3. The error of a Ritz value theta with residual r is at most min(r, r^2 / (theta -
/// theta_2)), where theta_2 is the second one. (That it is the largest eigenvalue holds unless the
/// start has no part in its vector, as always in this method; the start has random parts.) Small
/// matrices, and those where it does not converge in k / 2 steps, are left to largest_eigenvalue().
class LanczosEigenvalue {
 public:
  LargestEigenvalue of(std::span<const double> matrix, Index k);

 private:
  void start(std::span<const double> matrix, Index k);
  bool step(Index k);
  Index eigenvalues_above(double value) const;
  double ritz_value(Index place, double low, double high, double precision) const;
  double last_component(double ritz) const;

  std::vector<double> basis_;  // vectors of k, one after another
  std::vector<const double*> lines_;
  std::vector<double> diagonal_;
  std::vector<double> beside_;
};

}  // namespace ashlar::bcd
