#pragma once
// Everything of this folder. Pure functions of spans: no clock, no global state, no hidden seed.
//
// One rule for bad input everywhere: no data, or a NaN among them, gives NaN (intervals: see
// Interval); infinities are values like others and sort to the ends. What is a mistake of the
// caller (paired sets of unequal length, a level outside (0, 1)) throws std::invalid_argument.
#include "harness/statistics/bootstrap.hpp"
#include "harness/statistics/interval.hpp"
#include "harness/statistics/order.hpp"
#include "harness/statistics/proportion.hpp"
#include "harness/statistics/random.hpp"
#include "harness/statistics/significance.hpp"
#include "harness/statistics/slope.hpp"
