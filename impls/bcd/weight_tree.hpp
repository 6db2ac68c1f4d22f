#pragma once
// Draws with probability proportional to weights that change: a tree of sums, O(log p) per draw and
// per change. A sum is always that of its two parts, so that nothing drifts when weights are taken
// away and put back.
#include <span>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

class WeightTree {
 public:
  /// Weights are finite and at least 0.
  explicit WeightTree(std::span<const double> weights);

  double weight(Index place) const { return sums_[leaves_ + place]; }
  void set(Index place, double weight);
  double total() const { return sums_[1]; }
  /// The place in which uniform * total() falls, 0 <= uniform < 1; never one of weight 0 while
  /// total() is above 0.
  Index find(double uniform) const;

 private:
  std::size_t leaves_ = 1;    // a power of two
  std::vector<double> sums_;  // node i is the sum of 2i and 2i + 1; leaves at the end
};

}  // namespace ashlar::bcd
