#include "impls/bcd/eigen_value.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace ashlar::bcd {
namespace {

/// 800 MB of doubles.
constexpr std::size_t kLargestDenseBlock = 10000;

using EigenValueMap = Eigen::Map<const Eigen::MatrixXd>;

}  // namespace

double largest_eigenvalue(std::span<const double> matrix, Index k) {
  for (const double entry : matrix) {
    if (!std::isfinite(entry)) {
      throw std::invalid_argument("largest eigenvalue: an entry of the block's H is not finite");
    }
  }
  if (k == 1) return matrix[0];
  const EigenValueMap dense(matrix.data(), k, k);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(dense, Eigen::EigenvaluesOnly);
  if (solver.info() != Eigen::Success) {
    throw std::runtime_error(fmt::format("largest eigenvalue: no convergence on a block of {}", k));
  }
  return std::max(solver.eigenvalues()[k - 1], dense.diagonal().maxCoeff());
}

void dense_bound_block(Objective& objective, Block block, std::vector<double>& matrix) {
  if (block.size() > kLargestDenseBlock) {
    throw std::invalid_argument(
        fmt::format("selection: a block of {} coordinates is too large for the dense H_b that this "
                    "rule needs; take 'cyclic', 'random' or 'gs'",
                    block.size()));
  }
  matrix.resize(block.size() * block.size());
  objective.bound_block(block, matrix);
}

std::vector<double> block_lipschitz(Objective& objective, const Blocks& blocks) {
  std::vector<double> constants;
  constants.reserve(blocks.size());
  std::vector<double> matrix;
  for (const std::vector<Index>& block : blocks) {
    dense_bound_block(objective, block, matrix);
    constants.push_back(largest_eigenvalue(matrix, static_cast<Index>(block.size())));
  }
  return constants;
}

void invert_root(BlockMatrix matrix, Index k, double ridge) {
  Eigen::Map<Eigen::MatrixXd> dense(matrix.data(), k, k);
  dense.diagonal().array() += ridge;
  const Eigen::LLT<Eigen::MatrixXd> factor(dense);
  if (factor.info() == Eigen::Success) {
    dense.setIdentity();
    factor.matrixL().solveInPlace(dense);
    return;
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(dense);
  if (solver.info() != Eigen::Success) {
    throw std::runtime_error(fmt::format("no factor of a block of {}", k));
  }
  const Eigen::VectorXd scale = solver.eigenvalues().cwiseMax(ridge).cwiseSqrt().cwiseInverse();
  dense = scale.asDiagonal() * solver.eigenvectors().transpose();
}

}  // namespace ashlar::bcd
