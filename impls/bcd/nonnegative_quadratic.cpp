// minimise_nonnegative() of block_algebra.hpp.
#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "impls/bcd/block_algebra.hpp"

namespace ashlar::bcd {
namespace {

// Of residuals relative to the sum of magnitudes behind them, which is what one evaluation
// resolves.
constexpr double kSettled = 4 * std::numeric_limits<double>::epsilon();
// More than the noise of a settled set: a coordinate that is freed for noise would be bound again.
constexpr double kFree = 16 * std::numeric_limits<double>::epsilon();
constexpr double kWorst = 1e-9;

[[noreturn]] void refuse_quadratic(std::string_view text) {
  throw std::invalid_argument(fmt::format("nonnegative quadratic: {}", text));
}

/// The state of the method: d is feasible at any time, `free` the coordinates that may move.
class ActiveSet {
 public:
  ActiveSet(ConstBlockMatrix h, std::span<const double> g, std::span<const double> x)
      : size_(static_cast<Eigen::Index>(g.size())),
        h_(h.data(), size_, size_),
        g_(g.data(), size_),
        x_(x.data(), size_),
        d_((-x_).cwiseMax(0)),
        free_(g.size()) {
    for (Eigen::Index i = 0; i < size_; ++i) free_[i] = x_[i] > 0 || g_[i] < 0;
    measure();
  }

  NonnegativeStep run() {
    // Far above what is needed (each set at most once; in practice a few times k in all).
    const int most = 100 + 50 * static_cast<int>(size_);
    for (int step = 0; step < most; ++step) {
      const double before = free_violation();
      if (before > kSettled && !stalled_) {
        newton_step();
        measure();
        // Within one set, a step that hardly helps has reached the rounding.
        stalled_ = kept_ && free_violation() > 0.95 * before;
        continue;
      }
      if (!free_worst()) break;
    }
    NonnegativeStep reached = result();
    if (reached.violation > kWorst) refuse_quadratic("it has no minimum, or H is not semidefinite");
    return reached;
  }

 private:
  void measure() {
    residual_ = g_ + h_ * d_;
    scale_ = g_.cwiseAbs() + h_.cwiseAbs() * d_.cwiseAbs();
  }

  double relative(Eigen::Index i, double r) const { return r > 0 ? r / scale_[i] : 0; }

  double free_violation() const {
    double worst = 0;
    for (Eigen::Index i = 0; i < size_; ++i) {
      if (free_[i]) worst = std::max(worst, relative(i, std::abs(residual_[i])));
    }
    return worst;
  }

  /// Frees the bound coordinate whose r is most negative; false where none is.
  bool free_worst() {
    Eigen::Index worst = -1;
    for (Eigen::Index i = 0; i < size_; ++i) {
      if (free_[i] || relative(i, -residual_[i]) <= kFree) continue;
      if (worst < 0 || residual_[i] < residual_[worst]) worst = i;
    }
    if (worst < 0) return false;
    free_[worst] = true;
    stalled_ = false;
    factorised_ = false;
    return true;
  }

  void factorise() {
    members_.clear();
    for (Eigen::Index i = 0; i < size_; ++i) {
      if (free_[i]) members_.push_back(i);
    }
    const auto count = static_cast<Eigen::Index>(members_.size());
    Eigen::MatrixXd part(count, count);
    for (Eigen::Index j = 0; j < count; ++j) {
      for (Eigen::Index i = 0; i < count; ++i) part(i, j) = h_(members_[i], members_[j]);
    }
    ++factorisations_;
    factor_.compute(part);
    if (factor_.info() != Eigen::Success || factor_.rcond() < 1e-13) {
      const double ridge = 1e-12 * part.diagonal().maxCoeff();
      part.diagonal().array() += ridge > 0 ? ridge : 1e-12;
      factor_.compute(part);
      if (factor_.info() != Eigen::Success) refuse_quadratic("H is not positive semidefinite");
    }
    factorised_ = true;
  }

  /// As far towards the minimum over the free coordinates as the bounds let it; coordinates that
  /// meet theirs are bound. kept_: none did.
  void newton_step() {
    if (!factorised_) factorise();
    const auto count = static_cast<Eigen::Index>(members_.size());
    Eigen::VectorXd step(count);
    for (Eigen::Index i = 0; i < count; ++i) step[i] = -residual_[members_[i]];
    factor_.solveInPlace(step);
    if (!step.allFinite()) refuse_quadratic("a number is not finite");
    double share = 1;
    Eigen::Index first = -1;  // to meet its bound
    for (Eigen::Index i = 0; i < count; ++i) {
      const double room = x_[members_[i]] + d_[members_[i]];
      if (step[i] < 0 && room < share * -step[i]) {
        share = room / -step[i];
        first = i;
      }
    }
    kept_ = true;
    for (Eigen::Index i = 0; i < count; ++i) {
      const Eigen::Index member = members_[i];
      const double room = x_[member] + d_[member];
      if (i == first || (share < 1 && step[i] < 0 && room <= share * -step[i])) {
        d_[member] = -x_[member];
        free_[member] = false;
        kept_ = factorised_ = false;
      } else {
        d_[member] = std::max(d_[member] + share * step[i], -x_[member]);
      }
    }
  }

  NonnegativeStep result() const {
    NonnegativeStep step;
    step.d.assign(d_.data(), d_.data() + size_);
    step.factorisations = factorisations_;
    for (Eigen::Index i = 0; i < size_; ++i) {
      const double r = x_[i] + d_[i] > 0 ? std::abs(residual_[i]) : -residual_[i];
      step.violation = std::max(step.violation, relative(i, r));
    }
    return step;
  }

  Eigen::Index size_;
  Eigen::Map<const Eigen::MatrixXd> h_;
  Eigen::Map<const Eigen::VectorXd> g_;
  Eigen::Map<const Eigen::VectorXd> x_;
  Eigen::VectorXd d_;
  std::vector<bool> free_;
  Eigen::VectorXd residual_;  // g + H d
  Eigen::VectorXd scale_;     // |g| + |H| |d|
  std::vector<Eigen::Index> members_;
  Eigen::LLT<Eigen::MatrixXd> factor_;
  bool factorised_ = false;
  bool kept_ = false;
  bool stalled_ = false;
  int factorisations_ = 0;
};

}  // namespace

NonnegativeStep minimise_nonnegative(ConstBlockMatrix h, std::span<const double> g,
                                     std::span<const double> x) {
  if (x.size() != g.size() || h.size() != g.size() * g.size()) {
    refuse_quadratic("H, g and x are not of one size");
  }
  const auto finite = [](std::span<const double> values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  };
  if (!finite(h) || !finite(g) || !finite(x)) refuse_quadratic("a number is not finite");
  if (g.empty()) return {};
  return ActiveSet(h, g, x).run();
}

}  // namespace ashlar::bcd
