#pragma once
// What the optimized objectives of all losses share. Internal.
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "impls/bcd/fast_kernels.hpp"
#include "impls/bcd/optimized.hpp"

namespace ashlar::bcd {

class KeptObjective : public Objective {
 public:
  KeptObjective(const Problem& problem, const OptimizedOptions& options);

  const Problem& problem() const final { return problem_; }
  std::span<const double> lipschitz() final { return constants_->lipschitz(); }
  std::span<const double> row_sums() final { return constants_->row_sums(threads_); }
  double bound_lambda_max() final { return constants_->bound_lambda_max(); }

  std::span<const double> x() const final { return x_; }
  void set_x(std::span<const double> x) final;
  double value() final;
  double gap(const Optimum& optimum) final;
  double value_after(Block block, std::span<const double> step) final;
  void move(Block block, std::span<const double> step) final;
  Traffic traffic() const final { return traffic_; }

 protected:
  using Vector = std::vector<double>;

  /// Everything from x.
  virtual void renew() = 0;
  /// x is already moved.
  virtual void moved(Block block, std::span<const double> step) = 0;
  // Without the penalty:
  virtual double loss() = 0;
  virtual double loss_change(Block block, std::span<const double> step) = 0;
  /// 0.5 (x - x*)'H(x - x*) where H is the Hessian everywhere.
  virtual std::optional<double> half_square(const Optimum& optimum) = 0;

  /// lambda where x >= 0: part of the gradient then.
  double slope() const { return problem_.penalty.nonnegative ? problem_.penalty.lambda : 0; }
  const FastKernels& kernels() const { return kernels_; }
  SharedConstants& constants() { return *constants_; }
  /// Threads for a loop over `entries` entries of A.
  int threads_for(double entries) const;

  /// As ReferenceObjective counts.
  void count(double flops, double entries, double numbers) {
    traffic_.flops += flops;
    traffic_.bytes += 12 * entries + 8 * numbers;
  }

 private:
  const Problem& problem_;
  const FastKernels& kernels_;
  std::shared_ptr<SharedConstants> constants_;
  int threads_;
  Index refresh_every_;
  Index moves_ = 0;  // since everything was computed from x
  Vector x_;
  Traffic traffic_;
};

std::unique_ptr<Objective> make_kept_linear(const Problem& problem,
                                            const OptimizedOptions& options);
std::unique_ptr<Objective> make_kept_softmax(const Problem& problem,
                                             const OptimizedOptions& options);
std::unique_ptr<Objective> make_kept_quadratic(const Problem& problem,
                                               const OptimizedOptions& options);

}  // namespace ashlar::bcd
