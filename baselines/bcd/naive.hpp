#pragma once
// The naive tier: dense algebra, as in the paper's published program.
//   - A is dense, row by row, and every product takes all of it: a gradient is A x and A'r, 16 n p
//   bytes;
//     a block's gradient is cut from the whole one; a step's value is a product with a moved x;
//   - M of a quadratic is dense too;
//   - loops with several sums at a time that a compiler vectorises, one thread;
//   - H of a loss is not stored (the published program does so, 20 GB for 50 classes of 1000
//   features):
//     H v is two products with A, and row sums take one row of A'A at a time.
#include <memory>

#include "impls/bcd/objective.hpp"

namespace ashlar::bcd::baselines {

/// Keeps a reference to the problem, which must have passed validate(). Throws
/// std::invalid_argument where a dense A has more than 4 GiB or M more than 20000 unknowns.
std::unique_ptr<Objective> make_naive_objective(const Problem& problem);

}  // namespace ashlar::bcd::baselines
