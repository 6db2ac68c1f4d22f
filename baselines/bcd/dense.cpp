#include "baselines/bcd/dense.hpp"

#include <stdexcept>

#include <Eigen/Cholesky>

namespace ashlar::bcd::baselines {

void solve_dense(const SymmetricMatrix& matrix, std::span<const double> rhs, std::span<double> x) {
  const Index size = matrix.size();
  Eigen::MatrixXd dense = Eigen::MatrixXd::Zero(size, size);
  for (Index i = 0; i < size; ++i) {
    dense(i, i) = matrix.diagonal[i];
    const auto indices = matrix.rest.indices_of(i);
    const auto values = matrix.rest.values_of(i);
    for (std::size_t e = 0; e < indices.size(); ++e) dense(i, indices[e]) = values[e];
  }
  const Eigen::LLT<Eigen::MatrixXd> factor(dense);
  if (factor.info() != Eigen::Success)
    throw std::invalid_argument("the matrix is not positive definite; no factorisation exists");
  Eigen::Map<Eigen::VectorXd>(x.data(), size) =
      factor.solve(Eigen::Map<const Eigen::VectorXd>(rhs.data(), size));
}

}  // namespace ashlar::bcd::baselines
