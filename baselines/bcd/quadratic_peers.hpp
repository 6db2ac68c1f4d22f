#pragma once
// What one would do with a sparse symmetric positive definite system M x = c, the minimiser of
// 0.5 x'M x - c'x: factorise it, or run conjugate gradients.
//
// cholmod_...: SuiteSparse's CHOLMOD, opened at run time where the build found its headers.
// eigen_...: Eigen's LDL' (simplicial, minimum degree) and its conjugate gradients, one thread.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd::baselines {

enum class QuadraticSolver : std::uint8_t {
  cholmod_supernodal,
  cholmod_simplicial,
  eigen_ldlt,
  eigen_cg_jacobi,
  eigen_cg_cholesky,  // preconditioned by an incomplete Cholesky factorisation without fill
};
inline constexpr std::array kQuadraticSolvers{
    QuadraticSolver::cholmod_supernodal, QuadraticSolver::cholmod_simplicial,
    QuadraticSolver::eigen_ldlt, QuadraticSolver::eigen_cg_jacobi,
    QuadraticSolver::eigen_cg_cholesky};

std::string_view name_of(QuadraticSolver solver);

/// Whether it stops by a tolerance; the others are direct.
bool is_iterative(QuadraticSolver solver);

struct QuadraticOutcome {
  std::int64_t iterations = 0;      // of conjugate gradients
  std::int64_t factor_entries = 0;  // of the factor, where it is direct
};

class QuadraticPeer {
 public:
  virtual ~QuadraticPeer() = default;
  /// The whole way from M to x: ordering, analysis and factorisation (or preconditioner), solution
  /// from x = 0. Conjugate gradients stop at ||c - M x|| <= tolerance * ||c||, or after 2 p
  /// iterations. x: p numbers. Throws std::runtime_error where the library fails.
  virtual QuadraticOutcome solve(std::span<double> x, double tolerance) = 0;
};

/// Why the solver is not there, in one line.
std::optional<std::string> unsupported(QuadraticSolver solver);
/// Version of the library.
std::string version_of(QuadraticSolver solver);

/// Brings M into the layout of the library. Throws std::invalid_argument unless the loss is
/// quadratic, and std::runtime_error where the solver is not there.
std::unique_ptr<QuadraticPeer> make_quadratic_peer(QuadraticSolver solver, const Problem& problem);

}  // namespace ashlar::bcd::baselines
