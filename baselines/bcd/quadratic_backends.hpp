#pragma once
// CHOLMOD behind QuadraticPeer. Internal.
#include "baselines/bcd/quadratic_peers.hpp"

namespace ashlar::bcd::baselines {

/// The lower triangle of M with its diagonal, column after column.
SparseLines lower_triangle(const SymmetricMatrix& matrix);

namespace cholmod {
std::optional<std::string> unsupported();
std::string version();
std::unique_ptr<QuadraticPeer> make(const Problem& problem, bool supernodal);
}  // namespace cholmod

}  // namespace ashlar::bcd::baselines
