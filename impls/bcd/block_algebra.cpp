#include "impls/bcd/block_algebra.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

namespace ashlar::bcd {
namespace {

using ConstMatrixMap = Eigen::Map<const Eigen::MatrixXd>;
using VectorMap = Eigen::Map<Eigen::VectorXd>;

constexpr double kWellConditioned = 1e-10;  // the reciprocal of a condition
constexpr double kCutoff = 1e-15;           // NumPy's, of the largest eigenvalue

ConstMatrixMap matrix_of(ConstBlockMatrix h, std::size_t size) {
  const auto k = static_cast<Eigen::Index>(size);
  return {h.data(), k, k};
}

}  // namespace

bool solve_cholesky(ConstBlockMatrix h, std::span<double> rhs) {
  if (rhs.empty()) return true;
  const Eigen::LLT<Eigen::MatrixXd> factor(matrix_of(h, rhs.size()));
  if (factor.info() != Eigen::Success) return false;
  VectorMap solution(rhs.data(), static_cast<Eigen::Index>(rhs.size()));
  factor.solveInPlace(solution);
  return true;
}

void solve_pseudo_inverse(ConstBlockMatrix h, std::span<double> rhs) {
  if (rhs.empty()) return;
  VectorMap solution(rhs.data(), static_cast<Eigen::Index>(rhs.size()));
  const Eigen::LLT<Eigen::MatrixXd> factor(matrix_of(h, rhs.size()));
  if (factor.info() == Eigen::Success && factor.rcond() > kWellConditioned) {
    factor.solveInPlace(solution);
    return;
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(matrix_of(h, rhs.size()));
  const Eigen::VectorXd& values = eigen.eigenvalues();
  const double cutoff = kCutoff * values.cwiseAbs().maxCoeff();
  Eigen::VectorXd shares = eigen.eigenvectors().transpose() * solution;
  for (Eigen::Index i = 0; i < shares.size(); ++i) {
    shares[i] = std::abs(values[i]) > cutoff ? shares[i] / values[i] : 0;
  }
  solution = eigen.eigenvectors() * shares;
}

PseudoInverse::PseudoInverse(ConstBlockMatrix h, std::size_t k) : numbers_(k * k) {
  const auto size = static_cast<Eigen::Index>(k);
  Eigen::Map<Eigen::MatrixXd> numbers(numbers_.data(), size, size);
  const Eigen::LLT<Eigen::MatrixXd> factor(matrix_of(h, k));
  if (factor.info() == Eigen::Success && factor.rcond() > kWellConditioned) {
    triangular_ = true;
    numbers = factor.matrixL();
    return;
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(matrix_of(h, k));
  Eigen::VectorXd inverses = eigen.eigenvalues();
  const double cutoff = kCutoff * inverses.cwiseAbs().maxCoeff();
  for (double& value : inverses) value = std::abs(value) > cutoff ? 1 / value : 0;
  numbers = eigen.eigenvectors() * inverses.asDiagonal() * eigen.eigenvectors().transpose();
}

void PseudoInverse::apply(std::span<double> rhs) const {
  const auto size = static_cast<Eigen::Index>(rhs.size());
  const ConstMatrixMap numbers = matrix_of(numbers_, rhs.size());
  VectorMap solution(rhs.data(), size);
  if (triangular_) {
    numbers.triangularView<Eigen::Lower>().solveInPlace(solution);
    numbers.triangularView<Eigen::Lower>().transpose().solveInPlace(solution);
  } else {
    solution = (numbers * solution).eval();
  }
}

double smallest_eigenvalue(ConstBlockMatrix h, std::size_t k) {
  if (k == 0) return 0;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(matrix_of(h, k),
                                                             Eigen::EigenvaluesOnly);
  return eigen.eigenvalues()[0];
}

}  // namespace ashlar::bcd
