#include "impls/bcd/weight_tree.hpp"

#include <bit>

namespace ashlar::bcd {

WeightTree::WeightTree(std::span<const double> weights) : leaves_(std::bit_ceil(weights.size())) {
  sums_.assign(2 * leaves_, 0);
  for (std::size_t place = 0; place < weights.size(); ++place) {
    sums_[leaves_ + place] = weights[place];
  }
  for (std::size_t node = leaves_ - 1; node > 0; --node) {
    sums_[node] = sums_[2 * node] + sums_[2 * node + 1];
  }
}

void WeightTree::set(Index place, double weight) {
  std::size_t node = leaves_ + place;
  sums_[node] = weight;
  while (node > 1) {
    node /= 2;
    sums_[node] = sums_[2 * node] + sums_[2 * node + 1];
  }
}

Index WeightTree::find(double uniform) const {
  double rest = uniform * total();
  std::size_t node = 1;
  while (node < leaves_) {
    const double left = sums_[2 * node];
    const double right = sums_[2 * node + 1];
    // Rounding may leave `rest` at or above the sum; an empty half is never entered.
    if ((rest < left && left > 0) || right == 0) {
      node = 2 * node;
    } else {
      rest -= left;
      node = 2 * node + 1;
    }
  }
  return static_cast<Index>(node - leaves_);
}

}  // namespace ashlar::bcd
