#pragma once
// Dense algebra on the k x k matrices of blocks. Matrices are symmetric and lie column after
// column; both triangles are read or the lower one alone. All of it is O(k^3) and allocates.
#include <cstddef>
#include <span>
#include <vector>

namespace ashlar::bcd {

/// A k x k matrix, column after column, as BlockMatrix but read only.
using ConstBlockMatrix = std::span<const double>;

/// rhs <- H^-1 rhs by Cholesky factorisation. False, with rhs as it was, where H is not positive
/// definite.
bool solve_cholesky(ConstBlockMatrix h, std::span<double> rhs);

/// rhs <- pinv(H) rhs: eigenvalues at most 1e-15 times the largest in magnitude count as 0, as
/// NumPy's pinv has it. H may be indefinite. Where H is positive definite with a condition of at
/// most about 1e10, a Cholesky factorisation does the same.
void solve_pseudo_inverse(ConstBlockMatrix h, std::span<double> rhs);

/// The same for a matrix that is solved with many times: k^2 numbers are kept.
class PseudoInverse {
 public:
  PseudoInverse() = default;
  PseudoInverse(ConstBlockMatrix h, std::size_t k);
  /// rhs <- pinv(H) rhs.
  void apply(std::span<double> rhs) const;

 private:
  bool triangular_ = false;      // a Cholesky factor, else pinv(H) itself
  std::vector<double> numbers_;  // column after column
};

/// lambda_min of a symmetric H; 0 for an empty one.
double smallest_eigenvalue(ConstBlockMatrix h, std::size_t k);

/// A minimiser of a block's quadratic under x + d >= 0, with what was needed and reached.
struct NonnegativeStep {
  std::vector<double> d;  // d_i = -x_i exactly where x_i + d_i = 0
  int factorisations = 0;
  /// The largest violation of the conditions of optimality, r = g + H d: |r_i| where x_i + d_i > 0,
  /// -r_i elsewhere; relative to |g_i| + sum_j |H_ij d_j|.
  double violation = 0;
};

/// The exact minimiser of q(d) = g'd + 0.5 d'H d with x + d >= 0 ("PN" solves this for H_b, g_b,
/// x_b): a primal active-set method with a Cholesky factorisation per set, started from {x_i > 0 or
/// g_i < 0}. Every full step starts from the present gradient, which refines it: the conditions
/// hold to about 1e-14. Where H is singular (a column that is there twice) the factorised matrix
/// has a ridge of 1e-12 times its largest diagonal element, which the repeated steps take out
/// again; the minimiser is then one of many. A start below 0 is first raised to 0. Throws
/// std::invalid_argument where H is not positive semidefinite, something is not finite, or q has no
/// minimum there.
///
/// Source: Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 16.3.
NonnegativeStep minimise_nonnegative(ConstBlockMatrix h, std::span<const double> g,
                                     std::span<const double> x);

}  // namespace ashlar::bcd
