#pragma once
// Tests of "no difference", and their correction for many cases.
#include <cstddef>
#include <span>
#include <vector>

namespace ashlar::statistics {

/// Exact two-sided sign test of `median of differences = 0`; zeros are left out. 1 where nothing is
/// left, NaN where a difference is NaN.
double sign_test(std::span<const double> differences);
/// The same from counts.
double sign_test(std::size_t positive, std::size_t negative);

struct MannWhitney {
  double u = 0;        // pairs (a, b) with a > b, ties as one half
  double p = 1;        // two-sided
  bool exact = false;  // by counting, else by the normal approximation
};

/// Mann-Whitney U test of two independent samples. Exact where both have at most 20 values and no
/// value occurs twice; else normal approximation with tie and continuity correction. Empty input or
/// NaN: u and p are NaN. All values equal: p = 1.
MannWhitney mann_whitney(std::span<const double> a, std::span<const double> b);

/// Adjusted p-values in the order of the input: reject where adjusted <= the wanted rate. A p-value
/// that is NaN (nothing known) counts as 1. Throws std::invalid_argument for a p outside [0, 1].
std::vector<double> benjamini_hochberg(std::span<const double> p_values);  // false discovery rate
std::vector<double> holm(std::span<const double> p_values);                // family-wise error

}  // namespace ashlar::statistics
