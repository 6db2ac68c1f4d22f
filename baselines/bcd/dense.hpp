#pragma once
// A block's system by a dense factorisation, as the published code solves it.
#include <span>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd::baselines {

/// x = M^-1 rhs by a Cholesky factorisation of all of M: p^3 / 3 operations and 8 p^2 bytes. Throws
/// std::invalid_argument where M is not positive definite.
void solve_dense(const SymmetricMatrix& matrix, std::span<const double> rhs, std::span<double> x);

}  // namespace ashlar::bcd::baselines
