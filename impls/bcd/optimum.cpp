#include <Eigen/Dense>
#include <Eigen/SparseCholesky>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "impls/bcd/exact_quadratic.hpp"
#include "impls/bcd/optimum_newton.hpp"
#include "impls/bcd/optimum_penalised.hpp"
#include "impls/bcd/solve.hpp"

namespace ashlar::bcd {
namespace {

constexpr int kMostRefinements = 10;
constexpr Index kMostDense = 5000;  // rows or columns whose products are all taken

std::invalid_argument no_optimum(const std::string& why) {
  return std::invalid_argument("find_optimum: " + why);
}

Eigen::SparseMatrix<double> lower_triangle(const SymmetricMatrix& m) {
  std::vector<Eigen::Triplet<double>> entries;
  for (Index i = 0; i < m.size(); ++i) {
    entries.emplace_back(i, i, m.diagonal[i]);
    const auto neighbours = m.rest.indices_of(i);
    const auto values = m.rest.values_of(i);
    for (std::size_t e = 0; e < neighbours.size() && neighbours[e] < i; ++e) {
      entries.emplace_back(i, neighbours[e], values[e]);
    }
  }
  Eigen::SparseMatrix<double> lower(m.size(), m.size());
  lower.setFromTriplets(entries.begin(), entries.end());
  return lower;
}

/// The zero of f's gradient by `factors` of H, with refinement: corrections until they help no
/// more.
template <class Factors>
Optimum refined(const Problem& problem, const Factors& factors) {
  const Index size = problem.size();
  ExactQuadratic f(problem);
  std::vector<double> x(static_cast<std::size_t>(size), 0.0);
  Eigen::VectorXd gradient(size);
  double least = std::numeric_limits<double>::infinity();
  Optimum optimum;
  for (int pass = 0; pass <= kMostRefinements; ++pass) {
    f.look(x);
    for (Index i = 0; i < size; ++i) gradient[i] = static_cast<double>(f.derivative(i));
    const double largest = gradient.cwiseAbs().maxCoeff();
    if (!(largest < least)) break;
    least = largest;
    optimum = {static_cast<double>(f.value()), x, {gradient.begin(), gradient.end()}};
    Eigen::Map<Eigen::VectorXd>(x.data(), size) -= factors.solve(gradient);
  }
  return optimum;
}

Optimum quadratic_optimum(const Problem& problem) {
  const Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> factors(lower_triangle(*problem.matrix));
  if (factors.info() != Eigen::Success || factors.vectorD().minCoeff() <= 0) {
    throw no_optimum("the matrix of the quadratic is not positive definite");
  }
  return refined(problem, factors);
}

/// Whether a Cholesky factorisation shows that a matrix with a diagonal of 1, whose entries are
/// sums of `terms` products, is positive definite: of a matrix that is smaller by more than all
/// rounding, its own (n (n + 1) eps at most; Rump, "Verification of positive definiteness", BIT 46,
/// 2006) and that of the entries.
bool is_definite(Eigen::MatrixXd scaled, Index terms) {
  const auto n = static_cast<double>(scaled.rows());
  const double rounding = std::numeric_limits<double>::epsilon() * n * (n + terms + 10);
  scaled.diagonal().array() -= 2 * rounding;
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> factors(scaled);
  return factors.info() == Eigen::Success;
}
/// The lower triangle of M with rows and columns divided so that its diagonal is 1.
Eigen::MatrixXd with_diagonal_of_one(const Eigen::MatrixXd& m) {
  const Eigen::VectorXd scale = m.diagonal().cwiseSqrt().cwiseInverse();
  return scale.asDiagonal() * m * scale.asDiagonal();
}

/// Of least squares without penalty.
Optimum least_squares_optimum(const Problem& problem) {
  const Index size = problem.size();
  if (size > kMostDense) {
    throw no_optimum("least squares without penalty has " + std::to_string(size) +
                     " columns; at most " + std::to_string(kMostDense));
  }
  std::vector<Index> all(static_cast<std::size_t>(size));
  std::iota(all.begin(), all.end(), 0);
  Eigen::MatrixXd h(size, size);
  ExactQuadratic f(problem);
  for (Index i = 0; i < size; ++i) f.row(i, all, {&h(0, i), all.size()});
  if (!is_definite(with_diagonal_of_one(h), problem.features->rows)) {
    throw no_optimum("columns of the problem are linearly dependent");
  }
  return refined(problem, Eigen::LLT<Eigen::MatrixXd>(std::move(h)));
}

/// Whether A x takes every value: then least squares interpolates, and labels are separable
/// whatever they are. A A' is definite then.
bool rows_are_independent(const FeatureMatrix& a) {
  if (a.rows > a.columns) return false;
  if (a.rows > kMostDense) {
    throw no_optimum(std::to_string(a.rows) +
                     " rows are too many to see whether they are independent; at most " +
                     std::to_string(kMostDense));
  }
  Eigen::MatrixXd products = Eigen::MatrixXd::Zero(a.rows, a.rows);
  for (Index f = 0; f < a.columns; ++f) {
    const auto rows = a.by_column.indices_of(f);
    const auto values = a.by_column.values_of(f);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = i; j < rows.size(); ++j)
        products(rows[j], rows[i]) += values[i] * values[j];
    }
  }
  return is_definite(with_diagonal_of_one(products), a.columns);
}

}  // namespace

Optimum find_optimum(const Problem& problem) {
  const bool penalised = problem.penalty.lambda != 0 || problem.penalty.nonnegative;
  const std::string name(name_of(problem.loss));
  switch (problem.loss) {
    case Loss::quadratic:
      return penalised ? penalised_optimum(problem) : quadratic_optimum(problem);
    case Loss::least_squares:
      if (penalised) return penalised_optimum(problem);
      if (problem.features->rows < problem.features->columns) break;
      return least_squares_optimum(problem);
    case Loss::logistic:
    case Loss::softmax:
      if (penalised) return newton_optimum(problem);
  }
  if (!rows_are_independent(*problem.features)) {
    throw no_optimum("none is known for " + name +
                     " without penalty where rows of A are not linearly independent");
  }
  return {};
}

}  // namespace ashlar::bcd
