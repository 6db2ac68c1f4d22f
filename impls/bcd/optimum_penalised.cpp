// The active-set method of Lawson and Hanson ("Solving Least Squares Problems", 1974, chapter 23),
// with several coordinates freed at once. Rounds: f is minimised over the free coordinates, each of
// which keeps its sign; what would change it stops at 0 and is free no more; then coordinates that
// violate the conditions of optimality are freed. Each round lowers f, so that in exact arithmetic
// no set of free coordinates is settled twice. One that comes back is told from its successors by
// rounding alone: this, and not a change of x, is what ends the method.
#include "impls/bcd/optimum_penalised.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unordered_set>

#include "impls/bcd/exact_quadratic.hpp"
#include "impls/bcd/growing_cholesky.hpp"

namespace ashlar::bcd {
namespace {

// In units of a derivative's resolution.
constexpr double kSettledSlope = 1;  // a free coordinate's slope: more Newton steps cannot help
constexpr double kViolation = 4;     // of a bound one's: less could be that of a settled one
constexpr double kAccepted = 16;     // at the end

constexpr std::size_t kMostFree = 5000;
constexpr std::size_t kLeastFreed = 10;  // in a round, unless sets come back

constexpr double kUnbounded = std::numeric_limits<double>::infinity();

/// SplitMix64's finaliser.
std::uint64_t mixed(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

class PenalisedSolver {
 public:
  explicit PenalisedSolver(const Problem& problem)
      : f_(problem),
        lambda_(problem.penalty.nonnegative ? 0 : problem.penalty.lambda),
        nonnegative_(problem.penalty.nonnegative),
        x_(static_cast<std::size_t>(problem.size()), 0.0),
        sign_(x_.size(), 1.0),
        barred_(x_.size(), false) {}

  Optimum solve() {
    const std::size_t most_rounds = 1000 + 10 * x_.size();
    for (std::size_t round = 0; round < most_rounds; ++round) {
      settle();
      if (seen_.insert(name_of_free_set()).second) {
        limit_ = std::max(kLeastFreed, free_.size() / 10);
      } else if (freed_.size() > 1) {
        limit_ = 1;
      } else if (!freed_.empty()) {
        barred_[freed_.front()] = true;
      }
      if (!free_violators()) break;
    }
    check();
    return result();
  }

 private:
  // Of y_i = sign_i x_i >= 0.
  double slope(Index i) const { return static_cast<double>(sign_[i] * f_.derivative(i) + lambda_); }
  void take_sign_of_descent(Index i) {
    sign_[i] = nonnegative_ || f_.derivative(i) < 0 ? 1.0 : -1.0;
  }

  std::uint64_t name_of_free_set() const {
    std::uint64_t name = 0;
    for (const Index i : free_) name ^= mixed(2 * std::uint64_t(i) + (sign_[i] > 0 ? 1 : 0));
    return name;
  }

  /// Newton steps until the free coordinates' slopes are rounding, or fall no more. A step that
  /// binds none halves them at least; others make the set smaller.
  void settle() {
    f_.look(x_);
    double least = kUnbounded;
    std::vector<double> best = x_;
    while (!free_.empty()) {
      std::vector<double> slopes;
      double largest = 0;
      for (const Index i : free_) {
        slopes.push_back(slope(i));
        largest = std::max(largest, std::abs(slopes.back()) / f_.resolution(i));
      }
      if (largest <= kSettledSlope) return;
      if (!(largest <= 0.5 * least)) {
        if (largest > least) x_ = best;
        break;
      }
      least = largest;
      best = x_;
      if (!newton_step(slopes)) least = kUnbounded;
      f_.look(x_);
    }
    f_.look(x_);
  }

  /// False where coordinates were bound.
  bool newton_step(std::span<const double> slopes) {
    std::vector<double> step(slopes.begin(), slopes.end());
    for (std::size_t k = 0; k < step.size(); ++k) step[k] *= -sign_[free_[k]];
    factor_.solve(step);
    // What would become negative stops at 0, all at once if f falls by that, else the first.
    std::vector<double> clipped = step;
    std::vector<bool> stops(step.size(), false);
    double rise = 0;
    bool clips = false;
    for (std::size_t k = 0; k < step.size(); ++k) {
      const Index i = free_[k];
      stops[k] = sign_[i] * (x_[i] + step[k]) <= 0;
      if (stops[k]) clipped[k] = -x_[i];
      clips = clips || stops[k];
      rise += sign_[i] * slopes[k] * clipped[k];
    }
    if (clips && rise + 0.5 * f_.curvature(free_, clipped) >= 0) {
      stops = shorten(step);
    } else {
      step = clipped;
    }
    move(step, stops);
    return !clips;
  }
  /// The share of a step at which the first coordinate is 0; infinite where none becomes it.
  double share_until_stop(std::span<const double> step) const {
    double share = kUnbounded;
    for (std::size_t k = 0; k < step.size(); ++k) {
      const Index i = free_[k];
      if (sign_[i] * step[k] < 0) share = std::min(share, x_[i] / -step[k]);
    }
    return share;
  }
  /// To where the first coordinate is 0. Those that are; one that was freed and has yet to move is
  /// none of them.
  std::vector<bool> shorten(std::span<double> step) const {
    const double share = share_until_stop(step);
    std::vector<bool> stops;
    for (std::size_t k = 0; k < step.size(); ++k) {
      const Index i = free_[k];
      stops.push_back(sign_[i] * step[k] < 0 && x_[i] / -step[k] <= share);
      step[k] *= share;
      // By rounding alone: it has come as near to 0 as the first.
      if (x_[i] != 0 && sign_[i] * (x_[i] + step[k]) <= 0) stops.back() = true;
    }
    return stops;
  }
  /// Binds at 0 what stops.
  void move(std::span<const double> step, const std::vector<bool>& stops) {
    for (std::size_t k = free_.size(); k-- > 0;) {
      const Index i = free_[k];
      x_[i] = stops[k] ? 0 : x_[i] + step[k];
      if (stops[k]) {
        free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(k));
        factor_.remove(static_cast<Index>(k));
      }
    }
  }

  /// At most limit_ of the coordinates that violate the conditions, those first that promise the
  /// largest decrease alone; false where none is freed.
  bool free_violators() {
    std::vector<std::pair<double, Index>> violators;
    for (Index i = 0; i < f_.size(); ++i) {
      if (x_[i] != 0 || barred_[i]) continue;
      take_sign_of_descent(i);
      const double slope_of_i = slope(i);
      if (slope_of_i < 0 && slope_of_i < -kViolation * f_.resolution(i)) {
        violators.emplace_back(-slope_of_i * slope_of_i / f_.diagonal(i), i);
      }
    }
    std::sort(violators.begin(), violators.end());
    freed_.clear();
    for (const auto& [promise, i] : violators) {
      if (freed_.size() == limit_) break;
      if (append(i)) freed_.push_back(i);
    }
    // All of them depend on free coordinates.
    for (auto at = violators.begin(); freed_.empty() && at != violators.end(); ++at) {
      if (exchange(at->second)) freed_.push_back(at->second);
    }
    return !freed_.empty();
  }

  bool append(Index i) {
    if (free_.size() == kMostFree) {
      throw std::invalid_argument("find_optimum: more than " + std::to_string(kMostFree) +
                                  " coordinates are not 0; a larger lambda has fewer");
    }
    std::vector<double> beside(free_.size());
    f_.row(i, free_, beside);
    if (!factor_.append(beside, f_.diagonal(i))) return false;
    free_.push_back(i);
    return true;
  }

  /// Frees i, whose column the free ones span: along the direction that changes no A x the slope is
  /// the same all the way, to where a free coordinate stops. False, and nothing has moved, where
  /// none does before the curvature, which is not quite 0, counts.
  bool exchange(Index i) {
    bool moved = false;
    while (true) {
      std::vector<double> step(free_.size());
      f_.row(i, free_, step);
      factor_.solve(step);
      double slope_along = slope(i);
      for (std::size_t k = 0; k < step.size(); ++k) {
        step[k] *= -sign_[i];
        slope_along += sign_[free_[k]] * slope(free_[k]) * step[k];
      }
      std::vector<Index> set = free_;
      set.push_back(i);
      std::vector<double> direction = step;
      direction.push_back(sign_[i]);
      const double share = share_until_stop(step);
      if (!(share < kUnbounded) || !(share * f_.curvature(set, direction) < -slope_along)) {
        if (moved) give_up();
        return false;
      }
      const std::vector<bool> stops = shorten(step);
      move(step, stops);
      x_[i] += share * sign_[i];
      f_.look(x_);
      if (append(i)) return true;
      moved = true;
    }
  }

  /// The conditions of optimality.
  void check() const {
    for (Index i = 0; i < f_.size(); ++i) {
      const double violation = x_[i] != 0 ? std::abs(slope(i)) : -slope(i);
      if (violation > kAccepted * f_.resolution(i)) give_up();
    }
  }
  [[noreturn]] static void give_up() {
    throw std::runtime_error(
        "find_optimum: the conditions of optimality are not reached to rounding; columns of A are "
        "nearly dependent, or the matrix of a quadratic is not positive definite");
  }

  Optimum result() const {
    Optimum optimum;
    optimum.x = x_;
    long double value = f_.value();
    for (Index i = 0; i < f_.size(); ++i) {
      optimum.gradient.push_back(static_cast<double>(f_.derivative(i)));
      value += static_cast<long double>(lambda_) * std::abs(x_[i]);
    }
    optimum.value = static_cast<double>(value);
    return optimum;
  }

  ExactQuadratic f_;
  double lambda_;  // 0 where it is part of f
  bool nonnegative_;
  std::vector<double> x_;
  std::vector<double> sign_;
  std::vector<Index> free_;  // in the order of the factor
  GrowingCholesky factor_;
  std::vector<Index> freed_;  // in the last round
  std::size_t limit_ = kLeastFreed;
  std::vector<bool> barred_;                // whose violation turned out to be rounding
  std::unordered_set<std::uint64_t> seen_;  // sets that were settled
};

}  // namespace

Optimum penalised_optimum(const Problem& problem) { return PenalisedSolver(problem).solve(); }

}  // namespace ashlar::bcd
