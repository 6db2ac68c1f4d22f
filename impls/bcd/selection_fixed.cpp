// Greedy rules for blocks of a partition.
#include <algorithm>
#include <cmath>

#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/selection.hpp"

namespace ashlar::bcd {
namespace {

/// The W_b of invert_root() of all blocks, one after another.
class BlockRoots {
 public:
  BlockRoots(Objective& objective, const Blocks& blocks) {
    std::size_t largest = 0;
    for (const std::vector<Index>& block : blocks) {
      dense_bound_block(objective, block, matrix_);
      invert_root(matrix_, static_cast<Index>(block.size()), kRootRidge);
      starts_.push_back(roots_.size());
      roots_.insert(roots_.end(), matrix_.begin(), matrix_.end());
      largest = std::max(largest, block.size());
    }
    product_.resize(largest);
  }

  /// g' H_b^-1 g.
  double squared_norm(std::size_t place, std::span<const double> gradient) {
    double sum = 0;
    for (const double entry : times_root(place, gradient)) sum += entry * entry;
    return sum;
  }

  /// step = -H_b^-1 g.
  void step(std::size_t place, std::span<const double> gradient, std::span<double> step) {
    const std::span<const double> product = times_root(place, gradient);
    const double* column = roots_.data() + starts_[place];
    for (double& entry : step) {
      entry = 0;
      for (std::size_t row = 0; row < product.size(); ++row) entry -= column[row] * product[row];
      column += product.size();
    }
  }

 private:
  std::span<const double> times_root(std::size_t place, std::span<const double> gradient) {
    const std::span<double> product = std::span(product_).first(gradient.size());
    std::fill(product.begin(), product.end(), 0.0);
    const double* column = roots_.data() + starts_[place];
    for (const double entry : gradient) {
      for (std::size_t row = 0; row < product.size(); ++row) product[row] += column[row] * entry;
      column += product.size();
    }
    return product;
  }

  std::vector<double> matrix_;
  std::vector<double> roots_;
  std::vector<std::size_t> starts_;
  std::vector<double> product_;
};

/// The best of the scores that are offered in turn: the first on ties.
class BestBlock {
 public:
  void offer(double score, std::size_t place) {
    require_number(score, static_cast<Index>(place));
    if (score <= score_) return;
    score_ = score;
    place_ = place;
  }
  /// Empty where no score is above 0.
  Block in(const Blocks& blocks) const { return score_ > 0 ? Block(blocks[place_]) : Block{}; }

 private:
  double score_ = 0;
  std::size_t place_ = 0;
};

/// gs, gsl, gsd, gsq_nonnegative: sums over the block's coordinates. 2-norms are compared by their
/// squares.
class SummedScores final : public SelectionRule {
 public:
  SummedScores(const Rule& rule, const Blocks& blocks, Objective& objective)
      : blocks_(blocks),
        selection_(rule.selection),
        squares_(rule.norm == Norm::l2),
        estimated_(rule.update == Update::line_search) {
    if (selection_ == Selection::gsl && !estimated_) {
      constants_ = block_lipschitz(objective, blocks);
    }
  }

  Block select(Objective& objective, std::span<const double> lipschitz) override {
    const State state{.x = objective.x(), .gradient = objective.gradient(), .lipschitz = lipschitz};
    BestBlock best;
    for (std::size_t place = 0; place < blocks_.size(); ++place) {
      best.offer(score(state, place), place);
    }
    return best.in(blocks_);
  }

 private:
  struct State {
    std::span<const double> x, gradient, lipschitz;
  };

  double score(const State& state, std::size_t place) const {
    double sum = 0;
    for (const Index i : blocks_[place]) sum += term(state, i);
    if (selection_ != Selection::gsl) return sum;
    const double constant =
        estimated_ ? largest_estimate(state.lipschitz, blocks_[place]) : constants_[place];
    return sum / (squares_ ? constant : std::sqrt(constant));
  }

  double term(const State& state, Index i) const {
    const double g = state.gradient[i];
    const double constant = state.lipschitz[i];
    if (selection_ == Selection::gsq_nonnegative) return nonnegative_gain(state.x[i], g, constant);
    if (selection_ != Selection::gsd) return squares_ ? g * g : std::abs(g);
    return squares_ ? g * g / constant : std::abs(g) / std::sqrt(constant);
  }

  static double largest_estimate(std::span<const double> lipschitz, Block block) {
    double largest = 0;
    for (const Index i : block) largest = std::max(largest, lipschitz[i]);
    return largest;
  }

  const Blocks& blocks_;
  Selection selection_;
  bool squares_;
  bool estimated_;
  std::vector<double> constants_;  // L_b, for gsl
};

class QuadraticNorm final : public SelectionRule {
 public:
  QuadraticNorm(const Blocks& blocks, Objective& objective)
      : blocks_(blocks), roots_(objective, blocks) {}

  Block select(Objective& objective, std::span<const double>) override {
    const std::span<const double> gradient = objective.gradient();
    BestBlock best;
    for (std::size_t place = 0; place < blocks_.size(); ++place) {
      part_.clear();
      for (const Index i : blocks_[place]) part_.push_back(gradient[i]);
      best.offer(roots_.squared_norm(place, part_), place);
    }
    return best.in(blocks_);
  }

 private:
  const Blocks& blocks_;
  BlockRoots roots_;
  std::vector<double> part_;
};

/// Minimises over each block by steps of its bound; x is restored after each block.
class MaximumImprovement final : public SelectionRule {
 public:
  MaximumImprovement(const Blocks& blocks, Objective& objective)
      : blocks_(blocks), roots_(objective, blocks) {}

  Block select(Objective& objective, std::span<const double>) override {
    start_.assign(objective.x().begin(), objective.x().end());
    const double value = objective.value();
    BestBlock best;
    for (std::size_t place = 0; place < blocks_.size(); ++place) {
      best.offer(std::max(0.0, value - least_value(objective, place)), place);
      objective.set_x(start_);
    }
    return best.in(blocks_);
  }

 private:
  static constexpr int kSteps = 200;
  /// Of the first step's decrease.
  static constexpr double kTolerance = 1e-12;

  double least_value(Objective& objective, std::size_t place) {
    const Block block = blocks_[place];
    part_.resize(block.size());
    step_.resize(block.size());
    double first = 0;
    for (int step = 0; step < kSteps; ++step) {
      objective.gradient_of(block, part_);
      const double decrease = roots_.squared_norm(place, part_);
      if (step == 0) first = decrease;
      if (decrease <= kTolerance * first) break;
      roots_.step(place, part_, step_);
      objective.move(block, step_);
    }
    return objective.value();
  }

  const Blocks& blocks_;
  BlockRoots roots_;
  std::vector<double> start_;
  std::vector<double> part_;
  std::vector<double> step_;
};

}  // namespace

std::unique_ptr<SelectionRule> select_fixed(const Rule& rule, const Blocks& blocks,
                                            Objective& objective) {
  const Loss loss = objective.problem().loss;
  const bool improvement = rule.selection == Selection::maximum_improvement;
  if (improvement && loss != Loss::quadratic && loss != Loss::least_squares) {
    return std::make_unique<MaximumImprovement>(blocks, objective);
  }
  // Where H is the Hessian, a block's best improvement is half its g' H_b^-1 g.
  if (improvement || rule.selection == Selection::gsq) {
    return std::make_unique<QuadraticNorm>(blocks, objective);
  }
  return std::make_unique<SummedScores>(rule, blocks, objective);
}

}  // namespace ashlar::bcd
