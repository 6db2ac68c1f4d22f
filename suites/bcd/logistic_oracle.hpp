#pragma once
// What proves an answer to logistic regression with a signed L1 penalty, in long double and by
// formulas of its own.
#include <span>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd::suite {

/// f(x) with the penalty.
long double penalised_logistic_value(const Problem& problem, std::span<const double> x);

/// A lower bound of f everywhere: the dual's value at the slopes at x, scaled until they are
/// feasible. At the minimiser it is f there.
long double logistic_lower_bound(const Problem& problem, std::span<const double> x);

}  // namespace ashlar::bcd::suite
