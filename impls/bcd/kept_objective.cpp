#include "impls/bcd/kept_objective.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "impls/core/range.hpp"

namespace ashlar::bcd {

KeptObjective::KeptObjective(const Problem& problem, const OptimizedOptions& options)
    : problem_(problem),
      kernels_(fast_kernels()),
      constants_(options.constants ? options.constants
                                   : std::make_shared<SharedConstants>(problem)),
      threads_(options.threads),
      refresh_every_(options.refresh_every),
      x_(static_cast<std::size_t>(problem.size()), 0.0) {
  if (&constants_->problem() != &problem) {
    throw std::invalid_argument("optimized objective: the constants are of another problem");
  }
  if (threads_ < 1 || refresh_every_ < 1) {
    throw std::invalid_argument("optimized objective: threads = " + std::to_string(threads_) +
                                " and refresh_every = " + std::to_string(refresh_every_) +
                                "; both must be at least 1");
  }
}

int KeptObjective::threads_for(double entries) const {
  // Waking a team takes as long as 60 000 entries of a pass; half of the work must be well above
  // it.
  constexpr double kWorthATeam = 400e3;
  return entries >= kWorthATeam ? threads_ : 1;
}

void KeptObjective::set_x(std::span<const double> x) {
  if (x.size() != x_.size()) {
    throw std::invalid_argument("set_x: " + std::to_string(x.size()) +
                                " numbers for a problem of " + std::to_string(x_.size()) +
                                " coordinates");
  }
  x_.assign(x.begin(), x.end());
  moves_ = 0;
  renew();
}

void KeptObjective::move(Block block, std::span<const double> step) {
  for (std::size_t k = 0; k < block.size(); ++k) x_[block[k]] += step[k];
  count(static_cast<double>(block.size()), 0, 3.0 * static_cast<double>(block.size()));
  if (++moves_ < refresh_every_) {
    moved(block, step);
    return;
  }
  moves_ = 0;
  const core::Range range("refresh");
  renew();
}

double KeptObjective::value() {
  const double penalty = slope() != 0 ? slope() * kernels_.sum(x_.data(), size()) : 0;
  return loss() + penalty;
}

double KeptObjective::value_after(Block block, std::span<const double> step) {
  double change = loss_change(block, step);
  for (std::size_t k = 0; k < block.size(); ++k) change += slope() * step[k];
  return value() + change;
}

/// See ReferenceObjective::distance().
double KeptObjective::gap(const Optimum& optimum) {
  const core::Range range("objective");
  const Traffic before = traffic_;  // looking at the gap is not part of a method
  const double lambda = problem_.penalty.nonnegative ? 0 : problem_.penalty.lambda;
  const std::optional<double> half = optimum.x.empty() ? std::nullopt : half_square(optimum);
  double gap = half ? *half : value() - optimum.value;
  if (half && lambda == 0) {
    gap += kernels_.dot_of_difference(optimum.gradient.data(), x_.data(), optimum.x.data(), size());
  } else if (lambda != 0) {
    for (std::size_t i = 0; i < x_.size(); ++i) {
      gap += half ? optimum.gradient[i] * (x_[i] - optimum.x[i]) +
                        lambda * (std::abs(x_[i]) - std::abs(optimum.x[i]))
                  : lambda * std::abs(x_[i]);
    }
  }
  traffic_ = before;
  return half ? std::max(gap, 0.0) : gap;
}

std::unique_ptr<Objective> make_optimized_objective(const Problem& problem,
                                                    const OptimizedOptions& options) {
  switch (problem.loss) {
    case Loss::least_squares:
    case Loss::logistic:
      return make_kept_linear(problem, options);
    case Loss::softmax:
      return make_kept_softmax(problem, options);
    case Loss::quadratic:
      return make_kept_quadratic(problem, options);
  }
  throw std::invalid_argument("unknown loss");
}

}  // namespace ashlar::bcd
