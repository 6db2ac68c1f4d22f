#pragma once
// The optimized tier: the reference's objective and rules with what they know kept between
// questions.
//
// Kept: scores z = A x (least squares: the residual), slopes and losses of rows, the gradient. A
// move of k coordinates changes the rows in which their columns have entries; the gradient is
// brought up to date when it is asked for, in the cheapest of three ways (kept_linear.cpp has the
// break-evens): columns of A'A (least squares), the changed rows, or one pass over A. Rules that
// never ask for it cost k columns per iteration. Rounding errors of what is kept do not grow: every
// `refresh_every` moves all of it is computed anew from x.
#include <memory>

#include "impls/bcd/objective.hpp"
#include "impls/bcd/shared_constants.hpp"
#include "impls/bcd/solve.hpp"

namespace ashlar::bcd {

struct OptimizedOptions {
  int threads = 1;  // for passes that are long enough; runs of a study go in parallel anyway
  /// Of this problem, from another run on it; made where null.
  std::shared_ptr<SharedConstants> constants = nullptr;
  Index refresh_every = 100;  // moves
};

/// Keeps a reference to the problem, which must have passed validate(). Throws
/// std::invalid_argument where `constants` are of another problem or an option is not positive.
/// Answers equal those of the reference objective but for rounding.
std::unique_ptr<Objective> make_optimized_objective(const Problem& problem,
                                                    const OptimizedOptions& options = {});

/// The reference's rules on that objective, with another way to find the k largest scores
/// (top_k.hpp) and the largest eigenvalue of a block (fast_eigen.hpp), and with what is fixed for a
/// fixed block kept: blocks and iterates are the reference's but for rounding. Throws as
/// make_parts() and make_optimized_objective() do.
Parts make_optimized_parts(const Problem& problem, const Rule& rule,
                           const OptimizedOptions& options = {});

}  // namespace ashlar::bcd
