#include "impls/bcd/forest.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace ashlar::bcd {
namespace {

template <class... Arguments>
[[noreturn]] void refuse_forest(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  throw std::invalid_argument("forest: " +
                              fmt::format(text, std::forward<Arguments>(arguments)...));
}

}  // namespace

ForestFinder::ForestFinder(const SymmetricMatrix& matrix)
    : matrix_(matrix), place_(matrix.diagonal.size(), -1) {}

void ForestFinder::enter(Block block) {
  const auto leave = [&](std::size_t count) {
    for (std::size_t place = 0; place < count; ++place) place_[block[place]] = -1;
  };
  for (std::size_t place = 0; place < block.size(); ++place) {
    const Index node = block[place];
    const bool outside = node < 0 || node >= matrix_.size();
    if (outside || place_[node] >= 0) {
      leave(place);
      if (!outside) refuse_forest("coordinate {} is twice in the block", node);
      refuse_forest("coordinate {} is outside the matrix of size {}", node, matrix_.size());
    }
    place_[node] = static_cast<Index>(place);
  }
  degree_.resize(block.size());
  for (std::size_t place = 0; place < block.size(); ++place) {
    Index degree = 0;
    for (const Index other : matrix_.rest.indices_of(block[place])) degree += place_[other] >= 0;
    degree_[place] = degree;
  }
}

/// Of a node with one neighbour left: that one's place.
Index ForestFinder::last_neighbour(Index node, double& weight) const {
  const std::span<const Index> others = matrix_.rest.indices_of(node);
  for (std::size_t entry = 0; entry < others.size(); ++entry) {
    if (place_[others[entry]] >= 0) {
      weight = matrix_.rest.values_of(node)[entry];
      return place_[others[entry]];
    }
  }
  refuse_forest("the entries of row {} are not symmetric", node);
}

/// Every node that is left has two neighbours that are left: a walk that never turns back must meet
/// itself.
void ForestFinder::refuse_cycle(Block block) const {
  Index node = -1;
  for (const Index candidate : block) {
    if (place_[candidate] >= 0) node = candidate;
  }
  std::vector<bool> met(block.size());
  Index before = -1;
  while (!met[place_[node]]) {
    met[place_[node]] = true;
    Index next = -1;
    for (const Index other : matrix_.rest.indices_of(node)) {
      if (other != before && place_[other] >= 0) next = other;
    }
    before = node;
    node = next;
  }
  refuse_forest("the block has a cycle, which the edge between coordinates {} and {} closes",
                before, node);
}

void ForestFinder::find(Block block, ForestOrder& order) {
  enter(block);
  // The workspace is clean again whatever happens.
  struct Cleaner {
    std::vector<Index>& place;
    Block block;
    ~Cleaner() {
      for (const Index node : block) place[node] = -1;
    }
  } const cleaner{place_, block};

  const Index size = static_cast<Index>(block.size());
  order.places.clear();
  order.places.reserve(block.size());
  order.parents.resize(block.size());
  order.edges.resize(block.size());
  order.diagonal.resize(block.size());
  order.pivots.resize(block.size());
  order.trees = 0;
  step_.resize(block.size());

  // order.places is the queue too: nodes that are leaves by now, removed in the order of arrival.
  for (Index place = 0; place < size; ++place) {
    if (degree_[place] <= 1) order.places.push_back(place);
  }
  for (Index step = 0; step < static_cast<Index>(order.places.size()); ++step) {
    const Index place = order.places[step];
    step_[place] = step;
    place_[block[place]] = -1;
    order.parents[step] = -1;
    order.edges[step] = 0;
    if (degree_[place] == 0) {
      ++order.trees;
      continue;
    }
    const Index parent = last_neighbour(block[place], order.edges[step]);
    order.parents[step] = parent;  // a place for now: its step is not known yet
    if (--degree_[parent] == 1) order.places.push_back(parent);
  }
  if (static_cast<Index>(order.places.size()) < size) refuse_cycle(block);

  for (Index step = 0; step < size; ++step) {
    if (order.parents[step] >= 0) order.parents[step] = step_[order.parents[step]];
    order.diagonal[step] = matrix_.diagonal[block[order.places[step]]];
    order.pivots[step] = order.diagonal[step];
  }
  for (Index step = 0; step < size; ++step) {
    if (!(order.pivots[step] > 0)) {
      refuse_forest("the matrix is not positive definite at coordinate {}: its pivot is {}",
                    block[order.places[step]], order.pivots[step]);
    }
    if (const Index parent = order.parents[step]; parent >= 0) {
      order.pivots[parent] -= order.edges[step] * order.edges[step] / order.pivots[step];
    }
  }
}

void solve(const ForestOrder& order, std::span<double> rhs, std::vector<double>& scratch) {
  const Index size = order.size();
  if (scratch.size() < order.places.size()) scratch.resize(order.places.size());
  for (Index step = 0; step < size; ++step) scratch[step] = rhs[order.places[step]];
  for (Index step = 0; step < size; ++step) {
    if (const Index parent = order.parents[step]; parent >= 0) {
      scratch[parent] -= order.edges[step] / order.pivots[step] * scratch[step];
    }
  }
  for (Index step = size - 1; step >= 0; --step) {
    const Index parent = order.parents[step];
    const double above = parent >= 0 ? order.edges[step] * scratch[parent] : 0;
    scratch[step] = (scratch[step] - above) / order.pivots[step];
    rhs[order.places[step]] = scratch[step];
  }
}

void solve_by_messages(const ForestOrder& order, std::span<double> rhs) {
  struct Message {
    double precision = 0;
    double potential = 0;
  };
  const Index size = order.size();
  // What a node believes: its own terms and all messages so far. A tree needs one message up and
  // one down along every edge.
  std::vector<Message> belief(order.places.size());
  std::vector<Message> up(order.places.size());
  for (Index step = 0; step < size; ++step) {
    belief[step] = {order.diagonal[step], rhs[order.places[step]]};
  }
  const auto message = [&](Message without, double edge) {
    return Message{-edge * edge / without.precision, -edge * without.potential / without.precision};
  };
  const auto hear = [](Message& node, const Message& heard) {
    node.precision += heard.precision;
    node.potential += heard.potential;
  };
  for (Index step = 0; step < size; ++step) {
    const Index parent = order.parents[step];
    if (parent < 0) continue;
    up[step] = message(belief[step], order.edges[step]);
    hear(belief[parent], up[step]);
  }
  for (Index step = size - 1; step >= 0; --step) {
    if (const Index parent = order.parents[step]; parent >= 0) {
      // The parent has heard all its neighbours; what this node told it is no news to this node.
      const Message without{belief[parent].precision - up[step].precision,
                            belief[parent].potential - up[step].potential};
      hear(belief[step], message(without, order.edges[step]));
    }
    rhs[order.places[step]] = belief[step].potential / belief[step].precision;
  }
}

}  // namespace ashlar::bcd
