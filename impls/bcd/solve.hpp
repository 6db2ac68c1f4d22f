#pragma once
// The loop: select, update, look at the gap.
#include <functional>
#include <vector>

#include "impls/bcd/rule.hpp"

namespace ashlar::bcd {

struct SolveOptions {
  std::int64_t iterations = 500;
  double tolerance = 1e-8;            // stops where the gap is below ...
  std::int64_t least_iterations = 6;  // ... after at least so many iterations, as published
  double seconds = 0;                 // stops after so many; 0: never
};

/// One line per iteration; line 0 is the start.
struct Trace {
  std::vector<double> gap;
  std::vector<Index> block_size;       // 0 at the start
  std::vector<double> select_seconds;  // of this iteration
  std::vector<double> update_seconds;
  std::vector<double> flops;  // since the start
  std::vector<double> bytes;
  /// Where the optimum is known: iterations from which on the support {i: x_i != 0} is the optimal
  /// one until the end; -1 if it is not at the end.
  std::int64_t identified_after = -1;
  std::int64_t support = 0;  // at the end
  bool converged = false;

  std::int64_t iterations() const { return static_cast<std::int64_t>(gap.size()) - 1; }
};

/// The parts of one method; reference parts by make_parts().
struct Parts {
  std::unique_ptr<Objective> objective;
  std::unique_ptr<const Blocks> blocks;  // where the selection looks, however the parts move
  std::unique_ptr<SelectionRule> selection;
  std::unique_ptr<UpdateRule> update;
};
Parts make_parts(const Problem& problem, const Rule& rule);
/// The reference rules on another tier's objective.
Parts make_parts(std::unique_ptr<Objective> objective, const Rule& rule);

/// The block that the selection takes at the present x, with the estimates of L_i that the update
/// keeps, if it does. Valid until the next call.
Block next_block(Parts& parts);
/// So many iterations, without a look at the gap.
void iterate(Parts& parts, std::int64_t iterations);

/// From the objective's present x on. Time spent on gaps is not in the trace's seconds.
Trace solve(Parts& parts, const Optimum& optimum, const SolveOptions& options = {});

/// A minimiser to working precision: quadratics by a sparse factorisation with refinement, least
/// squares of independent columns by a dense one, penalised ones of both by an active-set method
/// (optimum_penalised.hpp says how exactly), penalised logistic and softmax by Newton's
/// (optimum_newton.hpp). Value 0 and no x for least squares without penalty,
/// logistic and softmax where the rows of A are independent, which a factorisation proves: A x then
/// takes every value, so that the first interpolates and labels are separable. Throws
/// std::invalid_argument where none of these applies, and std::runtime_error where rounding keeps
/// the conditions of optimality from holding.
Optimum find_optimum(const Problem& problem);

}  // namespace ashlar::bcd
