#include "baselines/bcd/quadratic_peers.hpp"

#include <Eigen/IterativeLinearSolvers>
#include <Eigen/SparseCholesky>
#include <Eigen/SparseCore>
#include <stdexcept>

#include "baselines/bcd/quadratic_backends.hpp"

namespace ashlar::bcd::baselines {
namespace {

using EigenMatrix = Eigen::SparseMatrix<double, Eigen::ColMajor, int>;
using EigenVector = Eigen::Map<const Eigen::VectorXd>;

EigenMatrix eigen_matrix(const SparseLines& lines) {
  const int size = lines.lines();
  EigenMatrix made(size, size);
  made.reserve(lines.entries());
  for (int line = 0; line < size; ++line) {
    made.startVec(line);
    const auto indices = lines.indices_of(line);
    const auto values = lines.values_of(line);
    for (std::size_t entry = 0; entry < indices.size(); ++entry) {
      made.insertBack(indices[entry], line) = values[entry];
    }
  }
  made.finalize();
  return made;
}

EigenVector right_side(const Problem& problem) {
  return {problem.linear.data(), static_cast<Eigen::Index>(problem.linear.size())};
}

void require_success(Eigen::ComputationInfo info, const char* what) {
  if (info == Eigen::Success) return;
  throw std::runtime_error(std::string("Eigen's ") + what +
                           " failed: the matrix is not positive definite to working precision");
}

class EigenLdlt final : public QuadraticPeer {
 public:
  explicit EigenLdlt(const Problem& problem)
      : problem_(problem), matrix_(eigen_matrix(lower_triangle(*problem.matrix))) {}

  QuadraticOutcome solve(std::span<double> x, double) override {
    const Eigen::SimplicialLDLT<EigenMatrix, Eigen::Lower> factor(matrix_);
    require_success(factor.info(), "LDL' factorisation");
    Eigen::Map<Eigen::VectorXd>(x.data(), static_cast<Eigen::Index>(x.size())) =
        factor.solve(right_side(problem_));
    // The diagonal of L is 1 and not stored; that of D is beside it.
    return {.factor_entries = factor.matrixL().nestedExpression().nonZeros() + matrix_.rows()};
  }

 private:
  const Problem& problem_;
  EigenMatrix matrix_;
};

template <class Preconditioner>
class EigenCg final : public QuadraticPeer {
 public:
  explicit EigenCg(const Problem& problem) : problem_(problem) {
    const EigenMatrix lower = eigen_matrix(lower_triangle(*problem.matrix));
    matrix_ = lower.selfadjointView<Eigen::Lower>();
  }

  QuadraticOutcome solve(std::span<double> x, double tolerance) override {
    Eigen::ConjugateGradient<EigenMatrix, Eigen::Lower | Eigen::Upper, Preconditioner> method;
    method.setTolerance(tolerance);
    method.compute(matrix_);
    require_success(method.info(), "preconditioner");
    Eigen::Map<Eigen::VectorXd>(x.data(), static_cast<Eigen::Index>(x.size())) =
        method.solve(right_side(problem_));
    return {.iterations = method.iterations()};
  }

 private:
  const Problem& problem_;
  EigenMatrix matrix_;
};

}  // namespace

SparseLines lower_triangle(const SymmetricMatrix& matrix) {
  SparseLines lower;
  lower.starts.push_back(0);
  for (Index line = 0; line < matrix.size(); ++line) {
    lower.indices.push_back(line);
    lower.values.push_back(matrix.diagonal[line]);
    const auto indices = matrix.rest.indices_of(line);
    const auto values = matrix.rest.values_of(line);
    for (std::size_t entry = 0; entry < indices.size(); ++entry) {
      if (indices[entry] < line) continue;
      lower.indices.push_back(indices[entry]);
      lower.values.push_back(values[entry]);
    }
    lower.starts.push_back(static_cast<std::int64_t>(lower.indices.size()));
  }
  return lower;
}

std::string_view name_of(QuadraticSolver solver) {
  switch (solver) {
    case QuadraticSolver::cholmod_supernodal:
      return "cholmod-supernodal";
    case QuadraticSolver::cholmod_simplicial:
      return "cholmod-simplicial";
    case QuadraticSolver::eigen_ldlt:
      return "eigen-ldlt";
    case QuadraticSolver::eigen_cg_jacobi:
      return "eigen-cg-jacobi";
    case QuadraticSolver::eigen_cg_cholesky:
      return "eigen-cg-cholesky";
  }
  return "?";
}

bool is_iterative(QuadraticSolver solver) {
  return solver == QuadraticSolver::eigen_cg_jacobi || solver == QuadraticSolver::eigen_cg_cholesky;
}

static bool is_cholmod(QuadraticSolver solver) {
  return solver == QuadraticSolver::cholmod_supernodal ||
         solver == QuadraticSolver::cholmod_simplicial;
}

std::optional<std::string> unsupported(QuadraticSolver solver) {
  return is_cholmod(solver) ? cholmod::unsupported() : std::nullopt;
}

std::string version_of(QuadraticSolver solver) {
  if (is_cholmod(solver)) return cholmod::version();
  return "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." +
         std::to_string(EIGEN_MAJOR_VERSION) + "." + std::to_string(EIGEN_MINOR_VERSION);
}

std::unique_ptr<QuadraticPeer> make_quadratic_peer(QuadraticSolver solver, const Problem& problem) {
  if (problem.loss != Loss::quadratic) {
    throw std::invalid_argument(std::string(name_of(solver)) + " solves quadratics, not the loss " +
                                std::string(name_of(problem.loss)));
  }
  switch (solver) {
    case QuadraticSolver::cholmod_supernodal:
      return cholmod::make(problem, true);
    case QuadraticSolver::cholmod_simplicial:
      return cholmod::make(problem, false);
    case QuadraticSolver::eigen_ldlt:
      return std::make_unique<EigenLdlt>(problem);
    case QuadraticSolver::eigen_cg_jacobi:
      return std::make_unique<EigenCg<Eigen::DiagonalPreconditioner<double>>>(problem);
    case QuadraticSolver::eigen_cg_cholesky:
      return std::make_unique<EigenCg<Eigen::IncompleteCholesky<double>>>(problem);
  }
  throw std::invalid_argument("no such solver of quadratics");
}

}  // namespace ashlar::bcd::baselines
