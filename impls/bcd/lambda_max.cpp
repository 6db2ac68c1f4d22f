#include "impls/bcd/lambda_max.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "impls/core/random.hpp"

namespace ashlar::bcd {
namespace {

constexpr Index kLongestBasis = 150;
constexpr int kMostRestarts = 200;
constexpr double kResidual = 5e-7;  // relative; with what is added for rounding less than 1e-6
constexpr double kRounding = 1e-9;

Eigen::VectorXd times(const Product& product, const Eigen::VectorXd& v) {
  Eigen::VectorXd out(v.size());
  product({v.data(), static_cast<std::size_t>(v.size())},
          {out.data(), static_cast<std::size_t>(out.size())});
  if (!out.allFinite()) {
    throw std::invalid_argument(
        "largest eigenvalue: products with the matrix are not finite; scale the problem down");
  }
  return out;
}

/// An orthonormal basis of {v, H v, H^2 v, ...} and H / scale in it, which is tridiagonal.
class LanczosBasis {
 public:
  LanczosBasis(const Eigen::VectorXd& start, const Product& product, double scale)
      : product_(product), scale_(scale) {
    vectors_.push_back(start / start.norm());
  }

  /// False where the basis is invariant under H: no further vector.
  bool grow() {
    const Eigen::VectorXd& last = vectors_.back();
    Eigen::VectorXd next = times(product_, last) / scale_;
    diagonal_.push_back(last.dot(next));
    const double length = next.norm();
    for (int pass = 0; pass < 2; ++pass) {  // twice is enough to be orthogonal to rounding
      for (const Eigen::VectorXd& vector : vectors_) next -= vector.dot(next) * vector;
    }
    beside_.push_back(next.norm());
    if (beside_.back() <= 1e-13 * length) {
      beside_.back() = 0;
      return false;
    }
    vectors_.push_back(next / beside_.back());
    return true;
  }

  struct Ritz {
    double value = 0;
    double residual = 0;
    Eigen::VectorXd vector;
  };
  Ritz largest() const {
    const auto steps = static_cast<Eigen::Index>(diagonal_.size());
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> small;
    small.computeFromTridiagonal(Eigen::Map<const Eigen::VectorXd>(diagonal_.data(), steps),
                                 Eigen::Map<const Eigen::VectorXd>(beside_.data(), steps - 1));
    const Eigen::VectorXd weights = small.eigenvectors().col(steps - 1);
    Ritz ritz{small.eigenvalues()[steps - 1], beside_.back() * std::abs(weights[steps - 1]),
              Eigen::VectorXd::Zero(vectors_.front().size())};
    for (Eigen::Index step = 0; step < steps; ++step) ritz.vector += weights[step] * vectors_[step];
    return ritz;
  }
  Index steps() const { return static_cast<Index>(diagonal_.size()); }

 private:
  const Product& product_;
  double scale_;
  std::vector<Eigen::VectorXd> vectors_;
  std::vector<double> diagonal_;
  std::vector<double> beside_;
};

Eigen::VectorXd random_start(Index size) {
  Eigen::VectorXd start(size);
  for (Index i = 0; i < size; ++i) {
    start[i] =
        core::random_element(core::Distribution::normal, 1, 0, static_cast<std::uint64_t>(i));
  }
  return start;
}

}  // namespace

double largest_eigenvalue_from_above(Index size, const Product& product) {
  if (size == 0) return 0;
  Eigen::VectorXd start = random_start(size);
  // Squares of lengths must neither overflow nor vanish. A power of 2 rounds nothing.
  const double magnitude = times(product, start).cwiseAbs().maxCoeff();
  if (magnitude == 0) return 0;
  const double scale = std::exp2(std::ilogb(magnitude));
  for (int restart = 0; restart < kMostRestarts; ++restart) {
    LanczosBasis basis(start, product, scale);
    while (true) {
      const bool grown = basis.grow();
      const bool look = !grown || basis.steps() % 10 == 0;
      if (!look) continue;
      const LanczosBasis::Ritz ritz = basis.largest();
      if (!grown || ritz.residual <= kResidual * ritz.value) {
        return (std::max(ritz.value, 0.0) + ritz.residual) * (1 + kRounding) * scale;
      }
      if (basis.steps() >= kLongestBasis) {
        start = ritz.vector;
        break;
      }
    }
  }
  throw std::runtime_error("largest eigenvalue: Lanczos' method did not converge after " +
                           std::to_string(kMostRestarts * kLongestBasis) + " products");
}

}  // namespace ashlar::bcd
