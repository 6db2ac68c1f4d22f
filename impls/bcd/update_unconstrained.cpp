// Updates for f without a constraint: gradient steps, the fixed matrix, Newton's.
#include <algorithm>
#include <cmath>

#include "impls/bcd/block_algebra.hpp"
#include "impls/bcd/line_search.hpp"
#include "impls/bcd/update.hpp"

namespace ashlar::bcd {
namespace {

double square_of(std::span<const double> g) {
  double sum = 0;
  for (const double element : g) sum += element * element;
  return sum;
}

/// "Lb"
class LipschitzBlock final : public UpdateRule {
 public:
  LipschitzBlock(const Rule& rule, const RuleTools& tools) : view_(rule, tools) {}

  void update(Objective& objective, Block block) override {
    if (block.empty()) return;
    view_.gradient_step(objective, block, view_.gradient(objective, block));
  }

 private:
  BlockView view_;
};

/// "LA": L starts from the largest estimate in the block and is doubled until a step of 1 / L
/// decreases f by what L promises; all of the block then have this estimate.
class LipschitzEstimates final : public UpdateRule {
 public:
  LipschitzEstimates(const Rule& rule, const Objective& objective, const RuleTools& tools)
      : view_(rule, tools), estimates_(static_cast<std::size_t>(objective.size()), 1.0) {}

  std::optional<std::span<const double>> estimates() const override { return estimates_; }

  void update(Objective& objective, Block block) override {
    if (block.empty()) return;
    const std::span<const double> g = view_.gradient(objective, block);
    const double square = square_of(g);
    const double value = objective.value();
    double estimate = 0;
    // The trace of the block's Hessian, which is at least its largest eigenvalue: from there on the
    // condition holds, and where it does not seem to, f cannot resolve the decrease.
    double enough = 0;
    for (const Index i : block) {
      estimate = std::max(estimate, estimates_[i]);
      enough += objective.lipschitz()[i];
    }
    step_.resize(block.size());
    while (true) {
      for (std::size_t i = 0; i < block.size(); ++i) step_[i] = -g[i] / estimate;
      if (estimate >= enough) break;
      if (objective.value_after(block, step_) <= value - square / (2 * estimate)) break;
      estimate *= 2;
    }
    objective.move(block, step_);
    for (const Index i : block) estimates_[i] = estimate;
  }

 private:
  BlockView view_;
  std::vector<double> estimates_;
  std::vector<double> step_;
};

/// "Hb"
class FixedMatrix final : public UpdateRule {
 public:
  FixedMatrix(const Rule& rule, const RuleTools& tools)
      : view_(rule, tools),
        inverses_(true),
        keeps_(tools.keep_factors && rule.partition != Partition::variable) {}

  void update(Objective& objective, Block block) override {
    const std::span<double> d = view_.gradient(objective, block);
    if (keeps_) {
      const PseudoInverse& inverse = inverses_.of(block, [&](PseudoInverse& made) {
        made = PseudoInverse(view_.bound(objective, block), block.size());
      });
      inverse.apply(d);
    } else {
      solve_pseudo_inverse(view_.bound(objective, block), d);
    }
    for (double& step : d) step = -step;
    objective.move(block, d);
  }

 private:
  BlockView view_;
  BlockMemo<PseudoInverse> inverses_;
  bool keeps_;
};

/// "LS"
class NewtonStep final : public UpdateRule {
 public:
  NewtonStep(const Rule& rule, const RuleTools& tools) : view_(rule, tools) {}

  void update(Objective& objective, Block block) override {
    if (block.empty()) return;
    const std::span<const double> g = view_.gradient(objective, block);
    if (square_of(g) == 0) return;
    direction_.assign(g.begin(), g.end());
    solve_pseudo_inverse(view_.hessian(objective, block), direction_);
    double slope = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      direction_[i] = -direction_[i];
      slope += g[i] * direction_[i];
    }
    step_.resize(block.size());
    const auto take = [&](double share) {
      for (std::size_t i = 0; i < block.size(); ++i) step_[i] = share * direction_[i];
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
    } else {
      // Where the Hessian has vanished before the gradient (margins of hundreds), no share of the
      // direction is any good; the bound's step is.
      view_.gradient_step(objective, block, g);
    }
  }

 private:
  BlockView view_;
  std::vector<double> direction_;
  std::vector<double> step_;
};

}  // namespace

std::unique_ptr<UpdateRule> update_unconstrained(const Rule& rule, Objective& objective,
                                                 const RuleTools& tools) {
  switch (rule.update) {
    case Update::line_search:
      return std::make_unique<LipschitzEstimates>(rule, objective, tools);
    case Update::matrix:
      return std::make_unique<FixedMatrix>(rule, tools);
    case Update::newton:
      return std::make_unique<NewtonStep>(rule, tools);
    default:
      return std::make_unique<LipschitzBlock>(rule, tools);
  }
}

}  // namespace ashlar::bcd
