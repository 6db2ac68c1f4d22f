#pragma once
// What the reference objectives of all losses share: the iterate, the linear penalty, gaps,
// counting. A loss says what f is at a given x; nothing is kept from one question to the next.
#include <optional>
#include <span>
#include <vector>

#include "impls/bcd/objective.hpp"

namespace ashlar::bcd {

class ReferenceObjective : public Objective {
 public:
  explicit ReferenceObjective(const Problem& problem);

  const Problem& problem() const final { return problem_; }
  std::span<const double> lipschitz() final;
  std::span<const double> row_sums() final;
  double bound_lambda_max() final;

  std::span<const double> x() const final { return x_; }
  void set_x(std::span<const double> x) final;
  double value() final;
  double gap(const Optimum& optimum) final;
  std::span<const double> gradient() final;
  void gradient_of(Block block, std::span<double> out) final;
  double value_after(Block block, std::span<const double> step) final;
  void move(Block block, std::span<const double> step) final;

  Traffic traffic() const final { return traffic_; }

 protected:
  using Vector = std::vector<double>;

  virtual Vector make_lipschitz() = 0;
  virtual Vector make_row_sums() = 0;
  virtual double make_lambda_max() = 0;
  // f alone, without penalty.
  virtual double loss_at(std::span<const double> x) = 0;
  virtual void loss_gradient_at(std::span<const double> x, std::span<double> out) = 0;
  virtual void loss_gradient_of(std::span<const double> x, Block block, std::span<double> out) = 0;
  /// 0.5 d'(Hessian)d where the Hessian does not depend on x, at least 0 and without cancellation.
  virtual std::optional<double> half_square(std::span<const double> d) = 0;

  /// `entries` of a sparse matrix and `numbers` of vectors, read or written.
  void count(double flops, double entries, double numbers) {
    traffic_.flops += flops;
    traffic_.bytes += 12 * entries + 8 * numbers;
  }

 private:
  double slope() const { return problem_.penalty.nonnegative ? problem_.penalty.lambda : 0; }
  double penalised(std::span<const double> x);
  double distance(const Optimum& optimum, double half_square, std::span<const double> d) const;

  const Problem& problem_;
  Vector x_;
  Vector gradient_;
  Vector lipschitz_;
  Vector row_sums_;
  std::optional<double> lambda_max_;
  Traffic traffic_;
};

std::unique_ptr<Objective> make_reference_linear(
    const Problem& problem);  // least squares, logistic
std::unique_ptr<Objective> make_reference_softmax(const Problem& problem);
std::unique_ptr<Objective> make_reference_quadratic(const Problem& problem);

}  // namespace ashlar::bcd
