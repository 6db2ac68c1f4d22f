#pragma once
// The largest eigenvalue of a matrix that is known by its products.
#include <functional>
#include <span>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// out = H v, where H is symmetric and positive semidefinite.
using Product = std::function<void(std::span<const double> v, std::span<double> out)>;

/// lambda_max(H) <= result <= (1 + 1e-6) lambda_max(H), by Lanczos' method from a random start with
/// full reorthogonalisation: the Ritz value plus the norm of its residual. (The residual bounds the
/// distance to an eigenvalue; that it is the largest one holds unless the start has no part in that
/// eigenvector.) 0 where H is 0. Of any magnitude at which products are normal numbers; throws
/// std::invalid_argument where they are not finite, std::runtime_error where it does not converge.
double largest_eigenvalue_from_above(Index size, const Product& product);

}  // namespace ashlar::bcd
