#pragma once
// FISTA, accelerated proximal gradient with restart: the first-order method that looks at every
// coordinate in every iteration. For least squares and logistic regression with an L1 penalty,
// signed or with x >= 0.
//
// Source: Beck, Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse
// problems", SIAM J. Imaging Sciences 2 (2009); restart by the gradient's sign: O'Donoghue, Candes,
// "Adaptive restart for accelerated gradient schemes", Found. Comput. Math. 15 (2015), section 3.2.
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd::baselines {

struct FistaOutcome {
  std::int64_t iterations = 0;
  std::int64_t restarts = 0;
  double inverse_step = 0;  // at the end; the start's estimate of lambda_max(H), or more
};

/// Keeps a reference to the problem. H, the bound of the curvature, is A'A for least squares and
/// 0.25 A'A for logistic regression. Work per iteration: one product with A', and one with the
/// columns of A at which x is not 0. Runs on core::thread_count() threads, or fewer
/// where A is small.
class Fista {
 public:
  /// After an iteration: its number from 1 on, x, and f(x) with the penalty. True ends the run.
  using Stop = std::function<bool(std::int64_t iteration, std::span<const double> x, double value)>;

  /// Throws std::invalid_argument for another loss.
  explicit Fista(const Problem& problem);

  /// From x = 0, until `stop` says so or after `iterations`; f(x) is only computed where there is a
  /// `stop`. x: p numbers, written. The step is 1 over an estimate of lambda_max(H) by power
  /// iteration, which is part of this call; where a step shows more curvature, the estimate was too
  /// low: it is raised and the step taken again, so convergence does not hang on it.
  FistaOutcome solve(std::span<double> x, std::int64_t iterations, const Stop& stop = {});

 private:
  struct Sums {
    double distance = 0;  // ||x_new - point||^2
    double turn = 0;      // (point - x_new)'(x_new - x): above 0 where the momentum is uphill
    double penalty = 0;   // sum |x_new|
  };

  double estimate_curvature();
  double proximal(double value, double threshold) const;
  Sums step(double inverse_step);
  double curvature_of_step(double distance) const;
  double slope(Index row, double score) const;  // of the row's loss
  double loss() const;                          // at product_

  const Problem& problem_;
  double bound_ = 1;  // H = bound_ A'A
  double momentum_ = 0;
  std::vector<double> x_;  // the iterate, and the one before
  std::vector<double> before_;
  std::vector<double> next_;
  std::vector<double> product_;  // A x_, A before_, A next_; A times the point of the gradient
  std::vector<double> product_before_;
  std::vector<double> product_next_;
  std::vector<double> product_point_;
  std::vector<double> residual_;              // slopes of the rows' losses at that point
  std::vector<std::vector<double>> partial_;  // A next_ of each worker's columns
};

}  // namespace ashlar::bcd::baselines
