// Greedy rules that form their blocks anew each iteration.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "impls/bcd/selection.hpp"

namespace ashlar::bcd {
namespace {

/// One score per coordinate.
class ScoredCoordinates final : public SelectionRule {
 public:
  ScoredCoordinates(const Rule& rule, Objective& objective, const RuleTools& tools)
      : selection_(rule.selection),
        estimated_(rule.update == Update::line_search),
        scores_(objective.size()),
        top_(objective.size(),
             selection_ == Selection::general ? cube_root(objective.size()) : rule.block_size,
             tools) {}

  Block select(Objective& objective, std::span<const double> lipschitz) override {
    const std::span<const double> gradient = objective.gradient();
    switch (selection_) {
      case Selection::gsl:
        divide_by_roots(gradient, objective.row_sums());
        break;
      case Selection::gsd:
        divide_by_roots(gradient, lipschitz);
        break;
      case Selection::gsq_nonnegative: {
        const std::span<const double> x = objective.x();
        for (std::size_t i = 0; i < scores_.size(); ++i) {
          scores_[i] = nonnegative_gain(x[i], gradient[i], lipschitz[i]);
        }
        break;
      }
      default:
        for (std::size_t i = 0; i < scores_.size(); ++i) scores_[i] = std::abs(gradient[i]);
    }
    return top_.of(scores_);
  }

 private:
  void divide_by_roots(std::span<const double> gradient, std::span<const double> bound) {
    if (roots_.empty() || (estimated_ && selection_ == Selection::gsd)) {
      roots_.resize(scores_.size());
      for (std::size_t i = 0; i < scores_.size(); ++i) roots_[i] = std::sqrt(bound[i]);
    }
    for (std::size_t i = 0; i < scores_.size(); ++i) {
      scores_[i] = std::abs(gradient[i]) / roots_[i];
    }
  }

  Selection selection_;
  bool estimated_;
  std::vector<double> roots_;  // of a bound that is the same each time, unless it is estimated
  std::vector<double> scores_;
  TopCoordinates top_;
};

/// gsq: iterative hard thresholding of g'd + 0.5 d'H d over d with k coordinates that are not 0.
/// Finds a good support, not the best. The start's sign is the published code's: it points uphill.
class HardThresholding final : public SelectionRule {
 public:
  HardThresholding(const Rule& rule, Objective& objective, const RuleTools& tools)
      : step_(1 / objective.bound_lambda_max()),
        direction_(objective.size()),
        product_(objective.size()),
        moved_(objective.size()),
        magnitude_(objective.size()),
        all_(objective.size()),
        top_(objective.size(), rule.block_size, tools) {
    std::iota(all_.begin(), all_.end(), 0);
    support_.reserve(static_cast<std::size_t>(rule.block_size));
  }

  Block select(Objective& objective, std::span<const double> lipschitz) override {
    const std::span<const double> gradient = objective.gradient();
    for (std::size_t i = 0; i < direction_.size(); ++i) {
      direction_[i] = gradient[i] / std::sqrt(lipschitz[i]);
    }
    Block support = all_;
    for (int round = 0; round < kRounds; ++round) {
      objective.bound_product(direction_, product_);
      for (std::size_t i = 0; i < direction_.size(); ++i) {
        moved_[i] = direction_[i] - step_ * (gradient[i] + product_[i]);
        magnitude_[i] = std::abs(moved_[i]);
      }
      const double change = keep_only(support, top_.of(magnitude_));
      support = support_;
      if (change < kTolerance) break;
    }
    return support;
  }

 private:
  static constexpr int kRounds = 10;
  static constexpr double kTolerance = 1e-10;

  /// The direction becomes what was moved to, on the new support alone; returns how far it changed.
  /// Outside of the old support it is 0.
  double keep_only(Block old, Block support) {
    double sum = 0;
    for (const Index i : support) {
      sum += (moved_[i] - direction_[i]) * (moved_[i] - direction_[i]);
      direction_[i] = 0;
    }
    for (const Index i : old) {
      sum += direction_[i] * direction_[i];
      direction_[i] = 0;
    }
    for (const Index i : support) direction_[i] = moved_[i];
    support_.assign(support.begin(), support.end());
    return std::sqrt(sum);
  }

  double step_;
  std::vector<double> direction_;
  std::vector<double> product_;
  std::vector<double> moved_;
  std::vector<double> magnitude_;
  std::vector<Index> all_;
  std::vector<Index> support_;
  TopCoordinates top_;
};

}  // namespace

std::unique_ptr<SelectionRule> select_variable(const Rule& rule, Objective& objective,
                                               const RuleTools& tools) {
  if (rule.selection == Selection::gsq)
    return std::make_unique<HardThresholding>(rule, objective, tools);
  return std::make_unique<ScoredCoordinates>(rule, objective, tools);
}

}  // namespace ashlar::bcd
