#pragma once
// What is minimised: f(x) + lambda * sum |x_i|, optionally with x >= 0, where f is one of four
// losses.
//
//   least squares   0.5 ||A x - y||^2
//   logistic        sum_r log(1 + exp(-y_r a_r'x)),   y in {-1, 1}
//   softmax         sum_r [logsumexp(a_r'X) - (a_r'X)_{y_r}],   X is features x classes and x is X
//                   row by row: coordinate = feature * classes + class
//   quadratic       0.5 x'M x - c'x,   M symmetric positive definite and sparse
//
// Source: Nutini, Laradji, Schmidt, "Let's Make Block Coordinate Descent Converge Faster", JMLR 23
// (2022), section 7 (experiments).
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

enum class Loss { least_squares, logistic, softmax, quadratic };

/// lambda * sum |x_i|; with `nonnegative` also x >= 0, and the penalty is then linear: f's value
/// and gradient as the rules see them include it.
struct Penalty {
  double lambda = 0;
  bool nonnegative = false;
};

/// Where the unknowns of a quadratic lie on a grid: for partitions that follow rows and columns.
/// Node = column * rows + row (0 <= row < rows).
struct Lattice {
  Index rows = 0;
  Index columns = 0;
  std::vector<Index> nodes;  // of unknown i; rising. Nodes with a known value are not among them
};

struct Problem {
  Loss loss = Loss::least_squares;
  Penalty penalty;
  std::shared_ptr<const FeatureMatrix> features;  // null for a quadratic
  std::vector<double> targets;  // one per row: real; -1 or 1; a class from 0 to classes - 1
  Index classes = 1;            // of softmax
  std::shared_ptr<const SymmetricMatrix> matrix;  // M, of a quadratic
  std::vector<double> linear;                     // c, of a quadratic
  std::optional<Lattice> lattice;

  /// p: features, features * classes, or the size of M.
  Index size() const;
};

/// Throws std::invalid_argument, which names the first place that is wrong: NaN or infinity in A,
/// y, M or c, a row without entries, a column without entries (L_i = 0), a target that is not of
/// its kind, a matrix that is not symmetric or not positive definite (a component of the graph
/// without a labelled node makes a Laplacian singular), sizes that do not fit, a penalty below 0.
/// `f` has a minimiser only where this passes; for logistic and softmax not even then.
void validate(const Problem& problem);

std::string_view name_of(Loss loss);

}  // namespace ashlar::bcd
