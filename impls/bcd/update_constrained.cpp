// Updates that keep x >= 0, and the proximal step for a signed penalty. Coordinates that are to be
// 0 are 0 exactly: the step is then -x_i.
#include <algorithm>
#include <cmath>

#include "impls/bcd/block_algebra.hpp"
#include "impls/bcd/line_search.hpp"
#include "impls/bcd/update.hpp"

namespace ashlar::bcd {
namespace {

/// "PG": x_b <- max(0, x_b - g_b / L_b), for a g_b that is at hand; in its place the step.
void projected_step(BlockView& view, Objective& objective, Block block, std::span<double> g) {
  const double constant = view.lipschitz(objective, block);
  for (std::size_t i = 0; i < block.size(); ++i) {
    g[i] = std::max(-objective.x()[block[i]], -g[i] / constant);
  }
  objective.move(block, g);
}

class ProjectedGradient final : public UpdateRule {
 public:
  ProjectedGradient(const Rule& rule, const RuleTools& tools) : view_(rule, tools) {}

  void update(Objective& objective, Block block) override {
    if (block.empty()) return;
    projected_step(view_, objective, block, view_.gradient(objective, block));
  }

 private:
  BlockView view_;
};

/// "PN"
class ProjectedNewton final : public UpdateRule {
 public:
  ProjectedNewton(const Rule& rule, const RuleTools& tools) : view_(rule, tools) {}

  void update(Objective& objective, Block block) override {
    if (block.empty()) return;
    const NonnegativeStep step = minimise_nonnegative(
        view_.bound(objective, block), view_.gradient(objective, block), view_.x(objective, block));
    objective.move(block, step.d);
  }

 private:
  BlockView view_;
};

/// soft(x_b - g_b / L_b, lambda / L_b)
class ProximalStep final : public UpdateRule {
 public:
  ProximalStep(const Rule& rule, const RuleTools& tools) : view_(rule, tools) {}

  void update(Objective& objective, Block block) override {
    if (block.empty()) return;
    const double constant = view_.lipschitz(objective, block);
    const double threshold = objective.problem().penalty.lambda / constant;
    const std::span<double> d = view_.gradient(objective, block);
    for (std::size_t i = 0; i < block.size(); ++i) {
      const double x = objective.x()[block[i]];
      const double gradient_step = -d[i] / constant;
      const double reached = x + gradient_step;
      if (std::abs(reached) <= threshold) {
        d[i] = -x;
      } else {
        d[i] = gradient_step - std::copysign(threshold, reached);
      }
    }
    objective.move(block, d);
  }

 private:
  BlockView view_;
};

/// "TMP": a Newton direction on the coordinates that are not held by their bound, a scaled gradient
/// on those that are, and a line search along the projected arc.
class TwoMetric final : public UpdateRule {
 public:
  TwoMetric(const Rule& rule, const RuleTools& tools) : view_(rule, tools) {}

  void update(Objective& objective, Block block) override {
    if (block.empty()) return;
    const std::span<double> g = view_.gradient(objective, block);
    x_ = view_.x(objective, block);
    const double slope = find_direction(objective, block, g);
    step_.resize(block.size());
    const auto take = [&](double share) {
      for (std::size_t i = 0; i < block.size(); ++i) {
        step_[i] = std::max(-x_[i], share * direction_[i]);
      }
    };
    const LineSearchResult found = search_line(
        [&](double share) {
          take(share);
          return objective.value_after(block, step_);
        },
        objective.value(), slope);
    if (found.accepted) {
      take(found.step);
      objective.move(block, step_);
    } else if (slope < 0) {
      projected_step(view_, objective, block, g);
    }
  }

 private:
  static constexpr double kNearBound = 1e-4;

  /// The slope counts what the coordinates at their bound can move, not what their direction says:
  /// promised decreases that no step can bring would have every step refused near the optimum.
  double find_direction(Objective& objective, Block block, std::span<const double> g) {
    const std::size_t size = block.size();
    direction_.assign(size, 0.0);
    working_.clear();
    double lipschitz = 0;  // of the active ones
    for (std::size_t i = 0; i < size; ++i) {
      if (x_[i] < kNearBound && g[i] > 0) {
        lipschitz += objective.lipschitz()[block[i]];
      } else {
        working_.push_back(i);
      }
    }
    double slope = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (!(x_[i] < kNearBound && g[i] > 0)) continue;
      direction_[i] = -g[i] / lipschitz;
      slope += g[i] * std::max(-x_[i], direction_[i]);
    }
    solve_working(view_.hessian(objective, block), g);
    for (const std::size_t i : working_) slope += g[i] * direction_[i];
    return slope;
  }

  void solve_working(std::span<const double> hessian, std::span<const double> g) {
    const std::size_t size = g.size();
    const std::size_t count = working_.size();
    part_.resize(count * count);
    newton_.resize(count);
    for (std::size_t j = 0; j < count; ++j) {
      newton_[j] = -g[working_[j]];
      for (std::size_t i = 0; i < count; ++i) {
        part_[i + j * count] = hessian[working_[i] + working_[j] * size];
      }
    }
    solve_pseudo_inverse(part_, newton_);
    for (std::size_t j = 0; j < count; ++j) direction_[working_[j]] = newton_[j];
  }

  BlockView view_;
  std::span<const double> x_;
  std::vector<double> direction_;
  std::vector<double> step_;
  std::vector<std::size_t> working_;  // places in the block
  std::vector<double> part_;
  std::vector<double> newton_;
};

}  // namespace

std::unique_ptr<UpdateRule> update_constrained(const Rule& rule, const RuleTools& tools) {
  switch (rule.update) {
    case Update::projected_newton:
      return std::make_unique<ProjectedNewton>(rule, tools);
    case Update::two_metric:
      return std::make_unique<TwoMetric>(rule, tools);
    case Update::proximal:
      return std::make_unique<ProximalStep>(rule, tools);
    default:
      return std::make_unique<ProjectedGradient>(rule, tools);
  }
}

}  // namespace ashlar::bcd
