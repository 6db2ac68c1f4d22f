#pragma once
// An iterate x of a problem, with all that selection rules and updates may ask about f there. No
// rule knows a loss: this is the one interface between them. Each tier has its own: dense
// (baselines), reference (sparse, everything anew), optimized (residual and gradient kept).
//
// "H" is the matrix of the quadratic upper bound f(x + d) <= f(x) + g'd + 0.5 d'H d for all x, d:
//   least squares A'A; logistic 0.25 A'A; softmax 0.5 (A'A) kron (I - 11'/K); quadratic M.
// For least squares and quadratics it is the Hessian.
#include <memory>
#include <span>
#include <vector>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd {

/// A k x k matrix in memory of the caller, column after column; H is symmetric, both triangles are
/// filled.
using BlockMatrix = std::span<double>;

/// A minimiser, where there is one: what gaps are measured against.
struct Optimum {
  double value = 0;  // f(x*) with the penalty
  /// Empty where no minimiser exists (separable data) or many do: the gap is then f(x) - value.
  std::vector<double> x;
  std::vector<double> gradient;  // of the smooth part at x, with lambda where x >= 0
};

/// Counted by formula, not measured: what the operations so far did.
struct Traffic {
  double flops = 0;
  double bytes = 0;  // read and written: 12 per entry of a sparse matrix, 8 per number of a vector
};

class Objective {
 public:
  virtual ~Objective() = default;

  virtual const Problem& problem() const = 0;
  Index size() const { return problem().size(); }

  // Constants of the loss; computed when first asked for.
  /// L_i = H_ii: how fast coordinate i of the gradient can change with x_i. (Softmax: 0.25
  /// ||a_f||^2, as published, which is at least the curvature and at most 0.5 (1 - 1/K) ||a_f||^2.)
  virtual std::span<const double> lipschitz() = 0;
  /// D_i = sum_j |H_ij| over all coordinates: the diagonal matrix D is an upper bound of H.
  virtual std::span<const double> row_sums() = 0;
  /// lambda_max(H), to a relative error of 1e-6 from above.
  virtual double bound_lambda_max() = 0;
  /// out = H v.
  virtual void bound_product(std::span<const double> v, std::span<double> out) = 0;
  /// H_bb of the published code: for softmax 0.5 (1 - 1/q) or -0.5/q times (A'A)_{ff'} for equal or
  /// different classes, q = min(K, classes in the block + 1).
  virtual void bound_block(Block block, BlockMatrix out) = 0;

  // At x. The start is x = 0.
  virtual std::span<const double> x() const = 0;
  virtual void set_x(std::span<const double> x) = 0;
  /// f(x); with lambda * sum x where x >= 0 is required, without the penalty otherwise.
  virtual double value() = 0;
  /// f(x) - f*, with the penalty, without cancellation where the optimum has an x:
  /// 0.5 ||A (x - x*)||^2 + g*'(x - x*) and the like, at least 0.
  virtual double gap(const Optimum& optimum) = 0;
  /// All p derivatives of what value() returns. Valid until x changes.
  virtual std::span<const double> gradient() = 0;
  /// Those of the block alone: for rules that do not look at the others.
  virtual void gradient_of(Block block, std::span<double> out) = 0;
  /// value() after move(block, step), without moving.
  virtual double value_after(Block block, std::span<const double> step) = 0;
  virtual void move(Block block, std::span<const double> step) = 0;
  /// The Hessian's block at x.
  virtual void hessian_block(Block block, BlockMatrix out) = 0;

  virtual Traffic traffic() const = 0;
};

/// Sparse and clear: everything is computed anew from x whenever it is asked for. Keeps a reference
/// to the problem, which must have passed validate().
std::unique_ptr<Objective> make_reference_objective(const Problem& problem);

}  // namespace ashlar::bcd
