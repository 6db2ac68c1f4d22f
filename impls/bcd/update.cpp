#include "impls/bcd/update.hpp"

#include <stdexcept>

#include "impls/bcd/eigen_value.hpp"

namespace ashlar::bcd {

std::span<double> BlockView::gradient(Objective& objective, Block block) {
  gradient_.resize(block.size());
  objective.gradient_of(block, gradient_);
  return gradient_;
}

std::span<double> BlockView::x(Objective& objective, Block block) {
  x_.resize(block.size());
  for (std::size_t i = 0; i < block.size(); ++i) x_[i] = objective.x()[block[i]];
  return x_;
}

std::span<double> BlockView::bound(Objective& objective, Block block) {
  matrix_.resize(block.size() * block.size());
  objective.bound_block(block, matrix_);
  return matrix_;
}

std::span<double> BlockView::hessian(Objective& objective, Block block) {
  matrix_.resize(block.size() * block.size());
  objective.hessian_block(block, matrix_);
  return matrix_;
}

double BlockView::lipschitz(Objective& objective, Block block) {
  return lipschitz_.of(block, [&](double& value) {
    const std::span<const double> matrix = bound(objective, block);
    const auto k = static_cast<Index>(block.size());
    value = tools_.largest_eigenvalue ? tools_.largest_eigenvalue(matrix, k)
                                      : largest_eigenvalue(matrix, k);
  });
}

void BlockView::gradient_step(Objective& objective, Block block, std::span<const double> g) {
  const double constant = lipschitz(objective, block);
  step_.resize(block.size());
  for (std::size_t i = 0; i < block.size(); ++i) step_[i] = -g[i] / constant;
  objective.move(block, step_);
}

std::unique_ptr<UpdateRule> make_update(const Rule& rule, Objective& objective) {
  return make_update(rule, objective, {});
}

std::unique_ptr<UpdateRule> make_update(const Rule& rule, Objective& objective,
                                        const RuleTools& tools) {
  validate(rule, objective.problem());
  switch (rule.update) {
    case Update::lipschitz_block:
    case Update::line_search:
    case Update::matrix:
    case Update::newton:
      return update_unconstrained(rule, objective, tools);
    case Update::message_passing:
    case Update::dense_exact:
      return update_exact(rule, objective, tools);
    case Update::projected_gradient:
    case Update::projected_newton:
    case Update::two_metric:
    case Update::proximal:
      return update_constrained(rule, tools);
  }
  throw std::invalid_argument("unknown update");
}

}  // namespace ashlar::bcd
