#include "impls/bcd/optimum_newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "impls/bcd/losses.hpp"
#include "impls/bcd/optimum_penalised.hpp"

namespace ashlar::bcd {
namespace {

constexpr int kMostSteps = 200;
constexpr double kAcceptedViolation = 1e-10;  // of the largest derivative at x = 0
constexpr double kLeastWeight = 1e-8;         // keeps rows that are all but decided in the model
constexpr double kMostModelEntries = 2e7;

/// What one row says at x: B and u with B'B the (slightly enlarged) Hessian by its scores, and B'u
/// the gradient, as they stand in least squares.
class NewtonRows {
 public:
  explicit NewtonRows(const Problem& problem)
      : problem_(problem),
        a_(*problem.features),
        classes_(problem.loss == Loss::softmax ? problem.classes : 1) {}

  Index model_rows() const { return a_.rows * classes_; }

  void look(std::span<const double> x) {
    const auto k = static_cast<std::size_t>(classes_);
    scores_.assign(static_cast<std::size_t>(a_.rows) * k, 0.0);
    for (Index r = 0; r < a_.rows; ++r) {
      const auto features = a_.by_row.indices_of(r);
      const auto values = a_.by_row.values_of(r);
      for (std::size_t e = 0; e < features.size(); ++e) {
        for (std::size_t c = 0; c < k; ++c) {
          scores_[r * k + c] += values[e] * x[features[e] * k + c];
        }
      }
    }
    evaluate();
  }

  double loss() const { return loss_; }
  /// Whether every row's own class is ahead by more than rounding.
  bool separated() const { return separated_; }

  std::vector<double> gradient() const {
    const auto k = static_cast<std::size_t>(classes_);
    std::vector<long double> sums(static_cast<std::size_t>(problem_.size()), 0.0L);
    for (Index r = 0; r < a_.rows; ++r) {
      const auto features = a_.by_row.indices_of(r);
      const auto values = a_.by_row.values_of(r);
      for (std::size_t e = 0; e < features.size(); ++e) {
        for (std::size_t c = 0; c < k; ++c) {
          sums[features[e] * k + c] += static_cast<long double>(values[e]) * slopes_[r * k + c];
        }
      }
    }
    return {sums.begin(), sums.end()};
  }

  /// 0.5 ||A~ x - t||^2 is the model of the loss at the present scores but for a constant.
  Problem model() const {
    Problem model;
    model.loss = Loss::least_squares;
    model.penalty = problem_.penalty;
    SparseLines rows;
    rows.starts.push_back(0);
    for (Index r = 0; r < a_.rows; ++r) {
      classes_ == 1 ? add_logistic(r, rows, model.targets) : add_softmax(r, rows, model.targets);
    }
    model.features =
        std::make_shared<FeatureMatrix>(features_from_rows(problem_.size(), std::move(rows)));
    return model;
  }

 private:
  void evaluate() {
    const auto k = static_cast<std::size_t>(classes_);
    slopes_ = scores_;
    loss_ = 0;
    separated_ = true;
    for (Index r = 0; r < a_.rows; ++r) {
      const double y = problem_.targets[r];
      const std::span<double> row = std::span(slopes_).subspan(r * k, k);
      if (classes_ == 1) {
        const double margin = y * row[0];
        loss_ += logistic_loss(margin);
        row[0] = y * logistic_slope(margin);
        separated_ = separated_ && margin > kAhead;
      } else {
        const auto target = static_cast<std::size_t>(y);
        for (std::size_t c = 0; c < k; ++c) {
          separated_ =
              separated_ && (c == target || scores_[r * k + target] > scores_[r * k + c] + kAhead);
        }
        const SoftmaxRow at = softmax_in_place(row, target);
        loss_ += at.loss;
        row[target] = -at.one_minus(row, target);
      }
    }
  }

  void add_logistic(Index r, SparseLines& rows, std::vector<double>& targets) const {
    const double weight =
        std::max(logistic_curvature(problem_.targets[r] * scores_[r]), kLeastWeight);
    const double root = std::sqrt(weight);
    const auto features = a_.by_row.indices_of(r);
    const auto values = a_.by_row.values_of(r);
    for (std::size_t e = 0; e < features.size(); ++e) {
      rows.indices.push_back(features[e]);
      rows.values.push_back(root * values[e]);
    }
    rows.starts.push_back(static_cast<std::int64_t>(rows.indices.size()));
    targets.push_back(root * scores_[r] - slopes_[r] / root);
  }

  /// The Hessian by scores is diag(p) - p p' = B'B with rows sqrt(p_c) (e_c - p)', and B'u is the
  /// slope s for u_c = s_c / sqrt(p_c), as the slopes' sum is 0.
  void add_softmax(Index r, SparseLines& rows, std::vector<double>& targets) const {
    const auto k = static_cast<std::size_t>(classes_);
    const auto target = static_cast<std::size_t>(problem_.targets[r]);
    std::vector<double> p(k);
    double mean = 0;
    for (std::size_t c = 0; c < k; ++c) {
      p[c] = slopes_[r * k + c] + (c == target ? 1 : 0);
      p[c] = (1 - kLeastWeight) * p[c] + kLeastWeight / static_cast<double>(k);
      mean += p[c] * scores_[r * k + c];
    }
    const auto features = a_.by_row.indices_of(r);
    const auto values = a_.by_row.values_of(r);
    for (std::size_t c = 0; c < k; ++c) {
      const double root = std::sqrt(p[c]);
      for (std::size_t e = 0; e < features.size(); ++e) {
        for (std::size_t other = 0; other < k; ++other) {
          rows.indices.push_back(static_cast<Index>(features[e] * k + other));
          rows.values.push_back(root * values[e] * ((other == c ? 1 : 0) - p[other]));
        }
      }
      rows.starts.push_back(static_cast<std::int64_t>(rows.indices.size()));
      targets.push_back(root * (scores_[r * k + c] - mean) - slopes_[r * k + c] / root);
    }
  }

  static constexpr double kAhead = 1e-6;

  const Problem& problem_;
  const FeatureMatrix& a_;
  Index classes_;  // 1 for logistic
  std::vector<double> scores_;
  std::vector<double> slopes_;  // derivatives of the rows' losses by their scores
  double loss_ = 0;
  bool separated_ = false;
};

class NewtonSolver {
 public:
  explicit NewtonSolver(const Problem& problem)
      : problem_(problem),
        lambda_(problem.penalty.lambda),
        rows_(problem),
        x_(static_cast<std::size_t>(problem.size()), 0.0) {}

  Optimum solve() {
    double largest_at_start = 0;
    double least = std::numeric_limits<double>::infinity();
    Optimum best;
    for (int step = 0; step < kMostSteps; ++step) {
      rows_.look(x_);
      if (lambda_ == 0 && rows_.separated()) return {};
      gradient_ = rows_.gradient();
      if (step == 0) {
        for (const double g : gradient_) largest_at_start = std::max(largest_at_start, std::abs(g));
      }
      const double violation = worst_violation();
      if (violation < least) {
        least = violation;
        best = {value_of(x_), x_, gradient_};
        if (problem_.penalty.nonnegative) {
          for (double& g : best.gradient) g += lambda_;
        }
      } else if (least <= kAcceptedViolation * largest_at_start) {
        break;  // rounding
      }
      if (violation == 0 || !move()) break;
    }
    if (least > kAcceptedViolation * largest_at_start) {
      throw std::runtime_error(
          "find_optimum: Newton's method does not reach the conditions of optimality; without a "
          "penalty there may be no minimiser");
    }
    return best;
  }

 private:
  double penalty_of(std::span<const double> x) const {
    double sum = 0;
    for (const double element : x) sum += std::abs(element);
    return lambda_ * sum;
  }
  /// At the scores that were looked at last.
  double value_of(std::span<const double> x) const { return rows_.loss() + penalty_of(x); }

  /// The distance of 0 from the subdifferential, coordinate by coordinate.
  double worst_violation() const {
    double worst = 0;
    for (std::size_t i = 0; i < x_.size(); ++i) {
      const double g = gradient_[i];
      double violation = 0;
      if (x_[i] != 0) {
        violation = std::abs(g + std::copysign(lambda_, x_[i]));
      } else {
        violation = problem_.penalty.nonnegative ? -g - lambda_ : std::abs(g) - lambda_;
      }
      worst = std::max(worst, violation);
    }
    return worst;
  }

  /// Along the line to the model's minimiser, halving. False where f falls no more.
  bool move() {
    const std::vector<double> target = penalised_optimum(rows_.model()).x;
    const double before = value_of(x_);
    double promise = penalty_of(target) - penalty_of(x_);
    for (std::size_t i = 0; i < x_.size(); ++i) promise += gradient_[i] * (target[i] - x_[i]);
    constexpr int kMostHalvings = 40;
    constexpr double kRounding = 1e-14;  // of f: nearer to the optimum the whole step is right
    std::vector<double> next = target;
    for (double share = 1; share > std::ldexp(1.0, -kMostHalvings); share /= 2) {
      for (std::size_t i = 0; share < 1 && i < x_.size(); ++i) {
        next[i] = x_[i] + share * (target[i] - x_[i]);
      }
      rows_.look(next);
      if (value_of(next) <= before + 1e-4 * share * promise + kRounding * std::abs(before)) {
        const bool moved = next != x_;
        x_ = std::move(next);
        return moved;
      }
    }
    return false;
  }

  const Problem& problem_;
  double lambda_;
  NewtonRows rows_;
  std::vector<double> x_;
  std::vector<double> gradient_;  // of the loss
};

}  // namespace

Optimum newton_optimum(const Problem& problem) {
  if (problem.loss != Loss::logistic && problem.loss != Loss::softmax) {
    throw std::invalid_argument("newton_optimum: is for logistic and softmax, not for " +
                                std::string(name_of(problem.loss)));
  }
  const double classes = problem.loss == Loss::softmax ? problem.classes : 1;
  const double entries =
      static_cast<double>(problem.features->by_row.entries()) * classes * classes;
  if (classes > 1 && entries > kMostModelEntries) {
    throw std::invalid_argument(
        "find_optimum: softmax with " + std::to_string(problem.classes) +
        " classes is too large for Newton's model; entries times the square of the classes may be "
        "2e7");
  }
  return NewtonSolver(problem).solve();
}

}  // namespace ashlar::bcd
