#pragma once
// The k largest of p scores without sorting them.
#include <cstdint>
#include <span>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// Memory that is kept between calls.
struct TopKWorkspace {
  std::vector<double> maxima;
  std::vector<std::int64_t> indices;
  std::vector<double> kept;
  std::vector<Index> order;
};

/// The indices of the k largest scores into `chosen`, rising. Of equal scores the lowest index
/// comes first (0 and -0 are equal); NaN is below every number and equal to -infinity. k in 0..p,
/// else std::invalid_argument.
///
/// The k-th largest of the maxima of disjoint groups is a lower bound of the k-th largest score:
/// one pass for the maxima of some 4 k groups, one that keeps what is not below the bound, and a
/// selection among the few that are left. All p are left only where nearly all are equal.
void top_k(std::span<const double> scores, Index k, TopKWorkspace& workspace,
           std::vector<Index>& chosen);

}  // namespace ashlar::bcd
