#pragma once
// Minimisers of piecewise quadratics with few coordinates that are not 0.
#include "impls/bcd/solve.hpp"

namespace ashlar::bcd {

/// Of least squares or a quadratic with lambda * sum |x_i|, with or without x >= 0, by an
/// active-set method. In units of how much the last bits of x can change a derivative (see
/// ExactQuadratic): where x_i is not 0, |f_i + lambda sign(x_i)| is at most 16; elsewhere |f_i|
/// exceeds lambda by at most 16. Where many minimise, it is one of them. Ends always: throws
/// std::runtime_error where that is not reached, as columns are nearly dependent or M is not
/// definite, and std::invalid_argument where more than 5000 coordinates are not 0.
Optimum penalised_optimum(const Problem& problem);

}  // namespace ashlar::bcd
