#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "impls/bcd/reference_objective.hpp"

namespace ashlar::bcd {

ReferenceObjective::ReferenceObjective(const Problem& problem)
    : problem_(problem),
      x_(static_cast<std::size_t>(problem.size()), 0.0),
      gradient_(x_.size(), 0.0) {}

std::span<const double> ReferenceObjective::lipschitz() {
  if (lipschitz_.empty()) lipschitz_ = make_lipschitz();
  return lipschitz_;
}

std::span<const double> ReferenceObjective::row_sums() {
  if (row_sums_.empty()) row_sums_ = make_row_sums();
  return row_sums_;
}

double ReferenceObjective::bound_lambda_max() {
  if (!lambda_max_) lambda_max_ = make_lambda_max();
  return *lambda_max_;
}

void ReferenceObjective::set_x(std::span<const double> x) {
  if (x.size() != x_.size()) {
    throw std::invalid_argument("set_x: " + std::to_string(x.size()) +
                                " numbers for a problem of " + std::to_string(x_.size()) +
                                " coordinates");
  }
  x_.assign(x.begin(), x.end());
}

double ReferenceObjective::penalised(std::span<const double> x) {
  double value = loss_at(x);
  if (slope() != 0) {
    double sum = 0;
    for (const double element : x) sum += element;
    count(static_cast<double>(x.size()), 0, static_cast<double>(x.size()));
    value += slope() * sum;
  }
  return value;
}

double ReferenceObjective::value() { return penalised(x_); }

std::span<const double> ReferenceObjective::gradient() {
  loss_gradient_at(x_, gradient_);
  if (slope() != 0) {
    for (double& element : gradient_) element += slope();
    count(static_cast<double>(x_.size()), 0, 2.0 * static_cast<double>(x_.size()));
  }
  return gradient_;
}

void ReferenceObjective::gradient_of(Block block, std::span<double> out) {
  loss_gradient_of(x_, block, out);
  if (slope() != 0) {
    for (std::size_t k = 0; k < block.size(); ++k) out[k] += slope();
  }
}

double ReferenceObjective::value_after(Block block, std::span<const double> step) {
  Vector moved = x_;
  count(0, 0, 2.0 * static_cast<double>(x_.size()));
  for (std::size_t k = 0; k < block.size(); ++k) moved[block[k]] += step[k];
  return penalised(moved);
}

void ReferenceObjective::move(Block block, std::span<const double> step) {
  for (std::size_t k = 0; k < block.size(); ++k) x_[block[k]] += step[k];
  const auto size = static_cast<double>(block.size());
  count(size, 0, 3 * size);
}

double ReferenceObjective::gap(const Optimum& optimum) {
  const Traffic before = traffic_;  // looking at the gap is not part of a method
  double gap = 0;
  std::optional<double> half;
  Vector d;
  if (!optimum.x.empty()) {
    d = x_;
    for (std::size_t i = 0; i < d.size(); ++i) d[i] -= optimum.x[i];
    half = half_square(d);
  }
  if (half) {
    gap = distance(optimum, *half, d);
  } else {
    gap = value() - optimum.value;
    if (!problem_.penalty.nonnegative && problem_.penalty.lambda != 0) {
      for (const double element : x_) gap += problem_.penalty.lambda * std::abs(element);
    }
  }
  traffic_ = before;
  return gap;
}

/// 0.5 d'Hd + sum_i [g*_i d_i + lambda (|x_i| - |x*_i|)]: each bracket is at least 0 but for
/// rounding, as -g*_i is in the subdifferential; where x >= 0, lambda is already in g*.
double ReferenceObjective::distance(const Optimum& optimum, double half_square,
                                    std::span<const double> d) const {
  const double lambda = problem_.penalty.nonnegative ? 0 : problem_.penalty.lambda;
  double gap = half_square;
  for (std::size_t i = 0; i < d.size(); ++i) {
    gap += optimum.gradient[i] * d[i];
    if (lambda != 0) gap += lambda * (std::abs(x_[i]) - std::abs(optimum.x[i]));
  }
  return std::max(gap, 0.0);
}

std::unique_ptr<Objective> make_reference_objective(const Problem& problem) {
  switch (problem.loss) {
    case Loss::least_squares:
    case Loss::logistic:
      return make_reference_linear(problem);
    case Loss::softmax:
      return make_reference_softmax(problem);
    case Loss::quadratic:
      return make_reference_quadratic(problem);
  }
  throw std::invalid_argument("unknown loss");
}

}  // namespace ashlar::bcd
