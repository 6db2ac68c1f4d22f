#include "impls/bcd/graph_partition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "impls/bcd/numpy_order.hpp"

namespace ashlar::bcd {
namespace {

void drop_empty_blocks(Blocks& blocks) {
  std::erase_if(blocks, [](const std::vector<Index>& block) { return block.empty(); });
}

/// Unknowns where `second(row, column)` is false, and where it is true.
template <class Second>
Blocks lattice_halves(const Lattice& lattice, const Second& second) {
  Blocks blocks(2);
  for (std::size_t unknown = 0; unknown < lattice.nodes.size(); ++unknown) {
    const Index row = lattice.nodes[unknown] % lattice.rows;
    const Index column = lattice.nodes[unknown] / lattice.rows;
    blocks[second(row, column) ? 1 : 0].push_back(static_cast<Index>(unknown));
  }
  drop_empty_blocks(blocks);
  return blocks;
}

Blocks blocks_of_labels(std::span<const Index> label, std::size_t count) {
  Blocks blocks(count);
  for (std::size_t node = 0; node < label.size(); ++node) {
    blocks[label[node]].push_back(static_cast<Index>(node));
  }
  return blocks;
}

}  // namespace

GrowingForest::GrowingForest(const SparseLines& graph)
    : graph_(graph), link_(graph.lines(), kAbsent), seen_(graph.lines(), 0) {}

void GrowingForest::clear() { std::fill(link_.begin(), link_.end(), kAbsent); }

Index GrowingForest::root_of(Index node) {
  while (link_[node] >= 0) {
    const Index parent = link_[node];
    if (link_[parent] >= 0) link_[node] = link_[parent];
    node = parent;
  }
  return node;
}

void GrowingForest::unite(Index one, Index other) {
  if (link_[one] > link_[other]) std::swap(one, other);
  link_[one] += link_[other];
  link_[other] = one;
}

bool GrowingForest::add(Index node) {
  if (contains(node)) return false;
  ++attempt_;
  for (const Index neighbour : graph_.indices_of(node)) {
    if (!contains(neighbour)) continue;
    const Index root = root_of(neighbour);
    if (seen_[root] == attempt_) return false;
    seen_[root] = attempt_;
  }
  link_[node] = -1;
  for (const Index neighbour : graph_.indices_of(node)) {
    if (contains(neighbour)) unite(root_of(neighbour), root_of(node));
  }
  return true;
}

bool is_forest(Block block, const SparseLines& graph) {
  GrowingForest forest(graph);
  return std::all_of(block.begin(), block.end(), [&](Index node) { return forest.add(node); });
}

bool is_independent(Block block, const SparseLines& graph) {
  std::vector<bool> inside(graph.lines(), false);
  for (const Index node : block) {
    if (inside[node]) return false;
    inside[node] = true;
  }
  return std::all_of(block.begin(), block.end(), [&](Index node) {
    const std::span<const Index> around = graph.indices_of(node);
    return std::none_of(around.begin(), around.end(), [&](Index other) { return inside[other]; });
  });
}

Blocks red_black_blocks(const Lattice& lattice) {
  return lattice_halves(lattice, [](Index row, Index column) { return (row + column) % 2 != 0; });
}

Blocks comb_blocks(const Lattice& lattice) {
  const Index last = lattice.rows - 1;
  return lattice_halves(lattice, [last](Index row, Index column) {
    return row != 0 && (row == last || column % 2 != 0);
  });
}

std::vector<Index> scan_order(Scan scan, Ties ties, std::span<const double> lipschitz) {
  if (ties == Ties::numpy) {
    const std::vector<double> constant(scan == Scan::order ? lipschitz.size() : 0, 1.0);
    std::vector<Index> backwards = numpy_order(scan == Scan::order ? constant : lipschitz);
    std::reverse(backwards.begin(), backwards.end());
    return backwards;
  }
  std::vector<Index> order(lipschitz.size());
  std::iota(order.begin(), order.end(), 0);
  if (scan == Scan::lipschitz) {
    std::stable_sort(order.begin(), order.end(),
                     [&](Index one, Index other) { return lipschitz[one] > lipschitz[other]; });
  }
  return order;
}

Blocks colour_blocks(const SparseLines& graph, std::span<const Index> order) {
  std::vector<Index> colour(graph.lines(), -1);
  std::vector<Index> members;  // of each colour
  std::vector<Index> seen;     // by each colour: the last node with a neighbour of it
  for (const Index node : order) {
    for (const Index neighbour : graph.indices_of(node)) {
      if (colour[neighbour] >= 0) seen[colour[neighbour]] = node;
    }
    Index best = -1;
    for (Index one = 0; one < static_cast<Index>(members.size()); ++one) {
      if (seen[one] != node && (best < 0 || members[one] < members[best])) best = one;
    }
    if (best < 0) {
      best = static_cast<Index>(members.size());
      members.push_back(0);
      seen.push_back(-1);
    }
    colour[node] = best;
    ++members[best];
  }
  return blocks_of_labels(colour, members.size());
}

Blocks forest_blocks(const SparseLines& graph, std::span<const Index> order) {
  std::vector<Index> label(graph.lines(), 0);
  std::deque<GrowingForest> forests;
  for (const Index node : order) {
    std::size_t taker = 0;
    while (taker < forests.size() && !forests[taker].add(node)) ++taker;
    if (taker == forests.size()) forests.emplace_back(graph).add(node);
    label[node] = static_cast<Index>(taker);
  }
  return blocks_of_labels(label, forests.size());
}

Blocks graph_blocks(const Rule& rule, Objective& objective) {
  const Problem& problem = objective.problem();
  const SparseLines& graph = problem.matrix->rest;
  const bool colours = rule.partition == Partition::red_black;
  if (!problem.lattice) {
    const std::vector<Index> order = scan_order(rule.scan, rule.ties, objective.lipschitz());
    return colours ? colour_blocks(graph, order) : forest_blocks(graph, order);
  }
  Blocks blocks = colours ? red_black_blocks(*problem.lattice) : comb_blocks(*problem.lattice);
  for (const std::vector<Index>& block : blocks) {
    if (colours ? is_independent(block, graph) : is_forest(block, graph)) continue;
    throw std::invalid_argument(fmt::format(
        "partition '{}': the matrix has entries that a lattice of 4 neighbours has not; "
        "leave the problem's lattice out and the graph is partitioned greedily",
        name_of(rule.partition)));
  }
  return blocks;
}

}  // namespace ashlar::bcd
