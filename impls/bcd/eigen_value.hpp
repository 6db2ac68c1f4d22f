#pragma once
// Eigenvalues and factors of the blocks of H.
#include <span>
#include <vector>

#include "impls/bcd/rule.hpp"

namespace ashlar::bcd {

/// lambda_max of a symmetric k x k matrix, column after column, to working precision, never below
/// its largest diagonal entry. Throws std::invalid_argument for an entry that is not finite.
double largest_eigenvalue(std::span<const double> matrix, Index k);

/// L_b = lambda_max(H_b) of each block, with H_b of Objective::bound_block().
/// Throws std::invalid_argument where a block is too large for a dense matrix.
std::vector<double> block_lipschitz(Objective& objective, const Blocks& blocks);

/// W with W'W = (H + ridge I)^-1 for the symmetric positive semidefinite k x k matrix H, in its
/// place: g'(H + ridge I)^-1 g is then the square of the norm of W g. Where H + ridge I is not
/// positive definite to working precision, directions of no curvature count with the ridge alone.
void invert_root(BlockMatrix matrix, Index k, double ridge);

/// H_bb, with room for k x k numbers made in `matrix`. Throws as block_lipschitz().
void dense_bound_block(Objective& objective, Block block, std::vector<double>& matrix);

}  // namespace ashlar::bcd
