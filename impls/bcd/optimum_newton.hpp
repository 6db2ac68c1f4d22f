#pragma once
// Minimisers of logistic regression and softmax, with a penalty or without.
#include "impls/bcd/solve.hpp"

namespace ashlar::bcd {

/// By Newton's method: each step minimises the second-order model with the penalty, a penalised
/// least squares of weighted rows, exactly (optimum_penalised.hpp), and searches along the line to
/// its minimiser. At the end no derivative violates its condition of optimality by more than 1e-10
/// of the largest |f_i| at x = 0; it is far less unless f's own rounding is in the way. Without a
/// penalty, value 0 and no x where an iterate separates the classes.
///
/// Throws std::invalid_argument for another loss, for softmax whose model has more than 2e7 entries
/// (entries of A times the square of the classes), and where more than 5000 coordinates are not 0;
/// std::runtime_error where it does not converge, as without a penalty where classes can be
/// separated but for ties.
///
/// Source: the model is that of Lee, Sun, Saunders, "Proximal Newton-type methods for minimizing
/// composite functions", SIAM J. Optim. 24 (2014).
Optimum newton_optimum(const Problem& problem);

}  // namespace ashlar::bcd
