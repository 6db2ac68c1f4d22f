#include <Eigen/Sparse>
#include <Eigen/SparseCholesky>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "impls/bcd/neighbours.hpp"
#include "impls/bcd/validate_detail.hpp"

namespace ashlar::bcd::detail {
namespace {

using SparseColumns = Eigen::SparseMatrix<double>;

// Sums of |M_ij| are exact to about this, relative to M_ii: less of an excess is none.
constexpr double kRounding = 1e-12;
// A pivot that cancels to this share of M_ii has no right digit left.
constexpr double kLeastPivot = 1e-13;

std::string unknown_name(const Problem& problem, Index unknown) {
  if (!problem.lattice) return fmt::format("unknown {}", unknown);
  const Index node = problem.lattice->nodes[unknown];
  return fmt::format("unknown {} (row {}, column {} of the lattice)", unknown,
                     node % problem.lattice->rows, node / problem.lattice->rows);
}

void check_lattice(const Problem& problem) {
  if (!problem.lattice) return;
  const Lattice& lattice = *problem.lattice;
  const std::int64_t nodes = static_cast<std::int64_t>(lattice.rows) * lattice.columns;
  if (lattice.rows < 1 || lattice.columns < 1 || nodes > std::numeric_limits<Index>::max()) {
    refuse_problem(problem.loss, "a lattice of {} x {}; it needs 1 to 2^31 - 1 nodes", lattice.rows,
                   lattice.columns);
  }
  if (lattice.nodes.size() != static_cast<std::size_t>(problem.size())) {
    refuse_problem(problem.loss, "the lattice has nodes of {} unknowns, M of {}",
                   lattice.nodes.size(), problem.size());
  }
  Index before = -1;
  for (std::size_t i = 0; i < lattice.nodes.size(); ++i) {
    if (lattice.nodes[i] <= before || lattice.nodes[i] >= nodes) {
      refuse_problem(problem.loss,
                     "unknown {} is at node {}, after {}; they must rise and be below {}", i,
                     lattice.nodes[i], before, nodes);
    }
    before = lattice.nodes[i];
  }
}

void check_entries(const Problem& problem) {
  const SymmetricMatrix& matrix = *problem.matrix;
  for (Index i = 0; i < matrix.size(); ++i) {
    if (!std::isfinite(problem.linear[i])) {
      refuse_problem(problem.loss, "c of {} is {}; it must be finite", unknown_name(problem, i),
                     problem.linear[i]);
    }
    if (!(matrix.diagonal[i] > 0) || !std::isfinite(matrix.diagonal[i])) {
      refuse_problem(
          problem.loss,
          "M_ii of {} is {}; M is positive definite only where it is positive and finite",
          unknown_name(problem, i), matrix.diagonal[i]);
    }
    for (std::int64_t entry = matrix.rest.starts[i]; entry < matrix.rest.starts[i + 1]; ++entry) {
      const Index j = matrix.rest.indices[entry];
      const double value = matrix.rest.values[entry];
      if (j == i) {
        refuse_problem(problem.loss, "{} has its M_ii among the off-diagonal entries too",
                       unknown_name(problem, i));
      }
      if (!std::isfinite(value)) {
        refuse_problem(problem.loss, "M of {} and unknown {} is {}; it must be finite",
                       unknown_name(problem, i), j, value);
      }
    }
  }
}

// Walking the lines in order meets the entries of each mirrored line in order.
void check_symmetry(const Problem& problem) {
  const SparseLines& rest = problem.matrix->rest;
  std::vector<std::int64_t> next(rest.starts.begin(), rest.starts.end() - 1);
  for (Index i = 0; i < rest.lines(); ++i) {
    for (std::int64_t entry = rest.starts[i]; entry < rest.starts[i + 1]; ++entry) {
      const Index j = rest.indices[entry];
      const std::int64_t mirrored = next[j]++;
      if (mirrored < rest.starts[j + 1] && rest.indices[mirrored] == i &&
          rest.values[mirrored] == rest.values[entry]) {
        continue;
      }
      refuse_problem(problem.loss, "M is not symmetric at {} and unknown {}; store both triangles",
                     unknown_name(problem, i), j);
    }
  }
}

// Whether every M_ii is at least the sum of the others' sizes, and more than that somewhere in each
// component: then M is positive definite. A component of a Laplacian without any excess is refused.
bool is_dominant(const Problem& problem) {
  const SymmetricMatrix& matrix = *problem.matrix;
  const std::vector<Index> component = components(matrix.rest);
  std::vector<bool> has_excess(component.size(), false), is_laplacian(component.size(), true);
  bool dominant = true;
  for (Index i = 0; i < matrix.size(); ++i) {
    double excess = matrix.diagonal[i];
    for (const double value : matrix.rest.values_of(i)) {
      excess -= std::fabs(value);
      if (value > 0) is_laplacian[component[i]] = false;
    }
    if (excess > kRounding * matrix.diagonal[i]) has_excess[component[i]] = true;
    if (excess < -kRounding * matrix.diagonal[i]) {
      dominant = is_laplacian[component[i]] = false;
    }
  }
  for (Index i = 0; i < matrix.size(); ++i) {
    if (component[i] != i || has_excess[i]) continue;
    if (is_laplacian[i]) {
      refuse_problem(
          problem.loss,
          "M is singular: of {} and the {} others in its component of the graph none has a "
          "labelled neighbour; label one of them, or leave the component out",
          unknown_name(problem, i), std::count(component.begin(), component.end(), i) - 1);
    }
    dominant = false;
  }
  return dominant;
}

void factorise(const Problem& problem) {
  const SymmetricMatrix& matrix = *problem.matrix;
  const Index size = matrix.size();
  if (matrix.rest.entries() + size > std::numeric_limits<SparseColumns::StorageIndex>::max()) {
    refuse_problem(problem.loss, "M is not diagonally dominant, and too large to be factorised");
  }
  SparseColumns lower(size, size);
  std::vector<Eigen::Triplet<double>> entries;
  for (Index i = 0; i < size; ++i) {
    entries.emplace_back(i, i, matrix.diagonal[i]);
    for (std::int64_t entry = matrix.rest.starts[i]; entry < matrix.rest.starts[i + 1]; ++entry) {
      if (matrix.rest.indices[entry] < i) {
        entries.emplace_back(i, matrix.rest.indices[entry], matrix.rest.values[entry]);
      }
    }
  }
  lower.setFromTriplets(entries.begin(), entries.end());
  const Eigen::SimplicialLDLT<SparseColumns> factors(lower);
  // At a pivot of 0 the factorisation stops; those behind it are not looked at.
  const Eigen::VectorXd& pivots = factors.vectorD();
  for (Index k = 0; k < size; ++k) {
    const Index unknown = factors.permutationPinv().indices()[k];
    if (pivots[k] > kLeastPivot * matrix.diagonal[unknown]) continue;
    refuse_problem(
        problem.loss,
        "M is not positive definite: the pivot of {} is {} where M_ii is {}, so that f has "
        "no unique minimiser; check the signs, or add to the diagonal",
        unknown_name(problem, unknown), pivots[k], matrix.diagonal[unknown]);
  }
}

}  // namespace

void check_quadratic(const Problem& problem) {
  if (!problem.matrix || problem.matrix->size() < 1) {
    refuse_problem(problem.loss, "there is no matrix, or it has no unknowns");
  }
  const SymmetricMatrix& matrix = *problem.matrix;
  if (problem.linear.size() != matrix.diagonal.size()) {
    refuse_problem(problem.loss, "c has {} numbers, M is {} x {}", problem.linear.size(),
                   matrix.size(), matrix.size());
  }
  check_lattice(problem);
  check_lines(problem.loss, matrix.rest, matrix.size(), matrix.size(), "line", "unknown");
  check_entries(problem);
  check_symmetry(problem);
  if (!is_dominant(problem)) factorise(problem);
}

}  // namespace ashlar::bcd::detail
