#include "impls/bcd/theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "impls/bcd/block_algebra.hpp"
#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/line_search.hpp"

namespace ashlar::bcd {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class... Arguments>
[[noreturn]] void refuse_theory(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  throw std::invalid_argument("theory: " +
                              fmt::format(text, std::forward<Arguments>(arguments)...));
}

bool is_quadratic(const Problem& problem) {
  return problem.loss == Loss::least_squares || problem.loss == Loss::quadratic;
}

std::vector<double> gradient_at(Objective& objective, Block block) {
  std::vector<double> g(block.size());
  objective.gradient_of(block, g);
  return g;
}

std::vector<double> bound_at(Objective& objective, Block block) {
  std::vector<double> h(block.size() * block.size());
  objective.bound_block(block, h);
  return h;
}

double inner(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// min_d f(x + U_b d) by Newton's method with a line search; moves x there.
double minimise_block(Objective& objective, Block block) {
  constexpr int kMost = 200;
  std::vector<double> h(block.size() * block.size());
  double value = objective.value();
  for (int iteration = 0; iteration < kMost; ++iteration) {
    const std::vector<double> g = gradient_at(objective, block);
    std::vector<double> d = g;
    objective.hessian_block(block, h);
    solve_pseudo_inverse(h, d);
    for (double& step : d) step = -step;
    std::vector<double> part(d.size());
    const auto along = [&](double share) {
      for (std::size_t i = 0; i < d.size(); ++i) part[i] = share * d[i];
      return objective.value_after(block, part);
    };
    const LineSearchResult found = search_line(along, value, inner(g, d));
    if (!found.accepted) break;
    for (std::size_t i = 0; i < d.size(); ++i) part[i] = found.step * d[i];
    objective.move(block, part);
    const double before = value;
    value = found.value;
    if (before - value <= 1e-15 * std::abs(before)) break;
  }
  return value;
}

}  // namespace

double gradient_progress(Objective& objective, Block block) {
  if (block.empty()) return 0;
  const std::vector<double> g = gradient_at(objective, block);
  const std::vector<double> h = bound_at(objective, block);
  return 0.5 * inner(g, g) / largest_eigenvalue(h, static_cast<Index>(block.size()));
}

double diagonal_progress(Objective& objective, Block block) {
  const std::vector<double> g = gradient_at(objective, block);
  const std::span<const double> sums = objective.row_sums();
  double progress = 0;
  for (std::size_t i = 0; i < block.size(); ++i) progress += 0.5 * g[i] * g[i] / sums[block[i]];
  return progress;
}

double matrix_progress(Objective& objective, Block block) {
  const std::vector<double> g = gradient_at(objective, block);
  std::vector<double> d = g;
  solve_pseudo_inverse(bound_at(objective, block), d);
  return 0.5 * inner(g, d);
}

double exact_progress(Objective& objective, Block block) {
  if (is_quadratic(objective.problem())) return matrix_progress(objective, block);
  if (block.empty()) return 0;
  const std::vector<double> start(objective.x().begin(), objective.x().end());
  const double before = objective.value();
  const double after = minimise_block(objective, block);
  objective.set_x(start);
  return before - after;
}

BlockProgress progress_of(Objective& objective, Block block) {
  return {gradient_progress(objective, block), diagonal_progress(objective, block),
          matrix_progress(objective, block), exact_progress(objective, block)};
}

std::vector<Index> support_of(std::span<const double> x) {
  std::vector<Index> support;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] != 0) support.push_back(static_cast<Index>(i));
  }
  return support;
}

Nondegeneracy nondegeneracy(const Problem& problem, const Optimum& optimum) {
  if (optimum.x.empty() || optimum.gradient.size() != optimum.x.size()) {
    refuse_theory("the optimum has no minimiser x: there is no support to identify");
  }
  Nondegeneracy result{kInfinity, -1, false};
  if (!problem.penalty.nonnegative && problem.penalty.lambda == 0) return result;
  double scale = problem.penalty.lambda;
  for (std::size_t i = 0; i < optimum.x.size(); ++i) {
    const double g = optimum.gradient[i];
    scale = std::max(scale, std::abs(g));
    if (optimum.x[i] != 0) continue;
    const double room = problem.penalty.nonnegative ? g : problem.penalty.lambda - std::abs(g);
    if (room < result.delta) {
      result.delta = room;
      result.at = static_cast<Index>(i);
    }
  }
  result.degenerate = !(result.delta > 1e-8 * scale);
  return result;
}

double strong_convexity(Objective& objective, Block block) {
  if (!is_quadratic(objective.problem())) {
    refuse_theory("strong convexity of {}: its Hessian has no positive lower bound over all x",
                  name_of(objective.problem().loss));
  }
  return std::max(0.0, smallest_eigenvalue(bound_at(objective, block), block.size()));
}

IdentificationBound identification_bound(Objective& objective, const Optimum& optimum, double mu) {
  IdentificationBound bound;
  bound.nondegeneracy = nondegeneracy(objective.problem(), optimum);
  bound.lipschitz = objective.bound_lambda_max();
  bound.radius = bound.nondegeneracy.delta / (2 * bound.lipschitz);
  bound.convexity = mu;
  for (Index i = 0; i < objective.size(); ++i) {
    bound.distance = std::hypot(bound.distance, objective.x()[i] - optimum.x[i]);
  }
  if (bound.nondegeneracy.degenerate || !(mu > 0)) {
    bound.full_steps = kInfinity;
  } else {
    const double factor = std::max(1.0, bound.distance / bound.radius);
    bound.full_steps = std::ceil(bound.lipschitz / mu * std::log(factor)) + 1;
  }
  return bound;
}

BlockIdentificationBound block_identification_bound(Objective& objective, const Optimum& optimum,
                                                    double mu,
                                                    std::span<const double> lipschitz_of_blocks) {
  if (lipschitz_of_blocks.empty()) refuse_theory("no blocks");
  BlockIdentificationBound bound;
  bound.full = identification_bound(objective, optimum, mu);
  bound.gap = objective.gap(optimum);
  const auto count = static_cast<double>(lipschitz_of_blocks.size());
  for (std::size_t block = 0; block < lipschitz_of_blocks.size(); ++block) {
    if (!(lipschitz_of_blocks[block] > 0)) {
      refuse_theory("L_b of block {} is not positive", block);
    }
    bound.largest_lipschitz = std::max(bound.largest_lipschitz, lipschitz_of_blocks[block]);
    bound.random_steps += count / static_cast<double>(block + 1);
  }
  bound.cyclic_steps = count;
  if (bound.full.nondegeneracy.degenerate || !(mu > 0)) {
    bound.steps_to_radius = kInfinity;
  } else {
    const double enough = 0.5 * mu * bound.full.radius * bound.full.radius;
    const double factor = std::max(1.0, bound.gap / enough);
    bound.steps_to_radius = std::ceil(count * bound.largest_lipschitz / mu * std::log(factor));
  }
  return bound;
}

}  // namespace ashlar::bcd
