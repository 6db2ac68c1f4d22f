#pragma once
// Answers in higher precision, by formulas of their own.
#include <vector>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd::suite {

/// The gradient of f at x in long double, the penalty's lambda included where x >= 0 is asked for.
std::vector<double> gradient_in_long_double(const Problem& problem, const std::vector<double>& x);

}  // namespace ashlar::bcd::suite
