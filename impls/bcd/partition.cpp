// Fixed partitions by size: an order of all coordinates, cut into runs.
#include <algorithm>
#include <numeric>

#include "impls/bcd/graph_partition.hpp"
#include "impls/bcd/numpy_order.hpp"
#include "impls/bcd/rule.hpp"

namespace ashlar::bcd {
namespace {

std::vector<Index> ascending_order(Ties ties, std::span<const double> key) {
  if (ties == Ties::numpy) return numpy_order(key);
  std::vector<Index> order(key.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](Index one, Index other) { return key[one] < key[other]; });
  return order;
}

/// First, last, second, second last, ...
std::vector<Index> from_both_ends(const std::vector<Index>& order) {
  std::vector<Index> mixed;
  mixed.reserve(order.size());
  for (std::size_t low = 0, high = order.size(); low < high; ++low) {
    mixed.push_back(order[low]);
    if (low < --high) mixed.push_back(order[high]);
  }
  return mixed;
}

std::vector<Index> partition_order(const Rule& rule, Objective& objective) {
  switch (rule.partition) {
    case Partition::sort:
      return ascending_order(rule.ties, objective.lipschitz());
    case Partition::average:
      return from_both_ends(ascending_order(rule.ties, objective.lipschitz()));
    case Partition::hessian_sort:
      return ascending_order(rule.ties, objective.row_sums());
    case Partition::hessian_average:
      return from_both_ends(ascending_order(rule.ties, objective.row_sums()));
    default: {
      std::vector<Index> order(objective.size());
      std::iota(order.begin(), order.end(), 0);
      return order;
    }
  }
}

}  // namespace

Blocks make_blocks(const Rule& rule, Objective& objective) {
  validate(rule, objective.problem());
  if (rule.partition == Partition::variable) return {};
  if (rule.partition == Partition::red_black || rule.partition == Partition::trees) {
    return graph_blocks(rule, objective);
  }
  const std::vector<Index> order = partition_order(rule, objective);
  const auto k = static_cast<std::size_t>(rule.block_size);
  Blocks blocks;
  for (std::size_t start = 0; start < order.size(); start += k) {
    const std::size_t end = std::min(start + k, order.size());
    blocks.emplace_back(order.begin() + start, order.begin() + end);
  }
  return blocks;
}

}  // namespace ashlar::bcd
