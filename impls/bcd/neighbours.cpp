#include "impls/bcd/neighbours.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "impls/bcd/label_propagation_inl.hpp"
#include "impls/bcd/neighbour_tree.hpp"

namespace ashlar::bcd {
namespace {

template <class... Args>
[[noreturn]] void refuse_graph(fmt::format_string<Args...> text, Args&&... args) {
  throw std::invalid_argument("graph: " + fmt::format(text, std::forward<Args>(args)...));
}

// In more dimensions a tree of boxes leaves hardly any of them out.
constexpr Index kMostTreeDimensions = 8;

void check_points(std::span<const double> points, Index dimensions, Index neighbours) {
  if (dimensions < 1 || points.size() % static_cast<std::size_t>(dimensions) != 0) {
    refuse_graph("{} coordinates are no whole number of points in {} dimensions", points.size(),
                 dimensions);
  }
  const std::size_t count = points.size() / static_cast<std::size_t>(dimensions);
  if (neighbours < 1 || static_cast<std::size_t>(neighbours) >= count) {
    refuse_graph("{} neighbours of each of {} points; ask for 1 to {}", neighbours, count,
                 count == 0 ? 0 : count - 1);
  }
  const auto wrong = std::find_if_not(points.begin(), points.end(),
                                      [](double value) { return std::isfinite(value); });
  if (wrong != points.end()) {
    const std::ptrdiff_t place = wrong - points.begin();
    refuse_graph("coordinate {} of point {} is {}; leave such points out", place % dimensions,
                 place / dimensions, *wrong);
  }
}

// By a look at all pairs.
void nearest_of_all(std::span<const double> points, Index dimensions, Index i, Index neighbours,
                    std::vector<Neighbour>& others) {
  const auto count = static_cast<Index>(points.size() / static_cast<std::size_t>(dimensions));
  const double* point = &points[static_cast<std::size_t>(i) * dimensions];
  others.clear();
  for (Index j = 0; j < count; ++j) {
    if (j == i) continue;
    const double* other = &points[static_cast<std::size_t>(j) * dimensions];
    others.emplace_back(squared_distance(point, other, dimensions), j);
  }
  std::nth_element(others.begin(), others.begin() + (neighbours - 1), others.end());
  others.resize(static_cast<std::size_t>(neighbours));
}

// Half of the edges as pairs, lower node first, each once.
std::vector<std::pair<Index, Index>> edges_to_nearest(std::span<const double> points,
                                                      Index dimensions, Index neighbours) {
  const auto count = static_cast<Index>(points.size() / static_cast<std::size_t>(dimensions));
  std::vector<std::pair<Index, Index>> edges;
  edges.reserve(static_cast<std::size_t>(count) * static_cast<std::size_t>(neighbours));
  std::vector<Neighbour> nearest;
  const auto add = [&](Index i) {
    for (const Neighbour& other : nearest)
      edges.emplace_back(std::min(i, other.second), std::max(i, other.second));
  };
  if (dimensions <= kMostTreeDimensions) {
    const NeighbourTree tree(points, dimensions);
    for (const Index i : tree.order()) {
      tree.find(i, neighbours, nearest);
      add(i);
    }
  } else {
    for (Index i = 0; i < count; ++i) {
      nearest_of_all(points, dimensions, i, neighbours, nearest);
      add(i);
    }
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

void check_edges(const SparseLines& graph) {
  for (Index node = 0; node < graph.lines(); ++node) {
    for (std::int64_t entry = graph.starts[node]; entry < graph.starts[node + 1]; ++entry) {
      const Index other = graph.indices[entry];
      const double weight = graph.values[entry];
      if (other < 0 || other >= graph.lines()) {
        refuse_graph("node {} has neighbour {} of {} nodes", node, other, graph.lines());
      }
      if (other == node) refuse_graph("node {} is its own neighbour; leave that edge out", node);
      if (!(weight > 0) || !std::isfinite(weight)) {
        refuse_graph("the edge from node {} to {} has weight {}; it must be positive and finite",
                     node, other, weight);
      }
      const auto back = graph.indices_of(other);
      const auto place = std::lower_bound(back.begin(), back.end(), node);
      if (place == back.end() || *place != node ||
          graph.values_of(other)[static_cast<std::size_t>(place - back.begin())] != weight) {
        refuse_graph("the edge from node {} to {} has no edge of the same weight back; give both",
                     node, other);
      }
    }
  }
}

// The lowest nodes of the components without a label, rising.
std::vector<Index> unlabelled(const std::vector<Index>& component, const Labels& labels) {
  std::vector<bool> labelled(component.size(), false);
  for (std::size_t node = 0; node < component.size(); ++node) {
    if (labels[node]) labelled[static_cast<std::size_t>(component[node])] = true;
  }
  std::vector<Index> roots;
  for (std::size_t node = 0; node < component.size(); ++node) {
    if (component[node] == static_cast<Index>(node) && !labelled[node])
      roots.push_back(component[node]);
  }
  return roots;
}

void require_value_per_node(const SparseLines& graph, std::span<const double> values) {
  if (values.size() != static_cast<std::size_t>(graph.lines()))
    refuse_graph("{} values for {} nodes", values.size(), graph.lines());
}

}  // namespace

SparseLines nearest_neighbours(std::span<const double> points, Index dimensions, Index neighbours,
                               double weight) {
  check_points(points, dimensions, neighbours);
  const auto edges = edges_to_nearest(points, dimensions, neighbours);
  const std::size_t count = points.size() / static_cast<std::size_t>(dimensions);
  // Edges are sorted, so that each line fills in rising order: first lower nodes, then higher ones.
  SparseLines graph;
  graph.starts.assign(count + 1, 0);
  for (const auto& [low, high] : edges) {
    ++graph.starts[low + 1];
    ++graph.starts[high + 1];
  }
  std::partial_sum(graph.starts.begin(), graph.starts.end(), graph.starts.begin());
  graph.indices.resize(2 * edges.size());
  graph.values.assign(2 * edges.size(), weight);
  std::vector<std::int64_t> next(graph.starts.begin(), graph.starts.end() - 1);
  for (const auto& [low, high] : edges) graph.indices[next[high]++] = low;
  for (const auto& [low, high] : edges) graph.indices[next[low]++] = high;
  return graph;
}

std::vector<Index> components(const SparseLines& graph) {
  std::vector<Index> component(static_cast<std::size_t>(graph.lines()), -1);
  std::vector<Index> open;
  for (Index root = 0; root < graph.lines(); ++root) {
    if (component[root] >= 0) continue;
    component[root] = root;
    open.push_back(root);
    while (!open.empty()) {
      const Index node = open.back();
      open.pop_back();
      for (const Index other : graph.indices_of(node)) {
        if (component[other] >= 0) continue;
        component[other] = root;
        open.push_back(other);
      }
    }
  }
  return component;
}

Labels label_at_random(const SparseLines& graph, std::span<const double> values, Index labelled,
                       Mersenne& random) {
  require_value_per_node(graph, values);
  const std::vector<Index> component = components(graph);
  for (int draw = 0; draw < 100; ++draw) {
    Labels labels(values.size());
    for (const Index node : random.choice(graph.lines(), labelled)) labels[node] = values[node];
    if (unlabelled(component, labels).empty()) return labels;
  }
  refuse_graph("no hundred draws of {} nodes reach every component; label more, or connect it",
               labelled);
}

Labels label_every_component(const SparseLines& graph, std::span<const double> values,
                             Index labelled, Mersenne& random) {
  require_value_per_node(graph, values);
  Labels labels(values.size());
  for (const Index node : random.choice(graph.lines(), labelled)) labels[node] = values[node];
  for (const Index node : unlabelled(components(graph), labels)) labels[node] = values[node];
  return labels;
}

Problem make_label_propagation(const SparseLines& graph, const Labels& labels) {
  if (labels.size() != static_cast<std::size_t>(graph.lines())) {
    refuse_graph("{} labels (or none) for {} nodes", labels.size(), graph.lines());
  }
  check_edges(graph);
  std::vector<Index> nodes;
  std::vector<double> values;
  for (Index node = 0; node < graph.lines(); ++node) {
    if (!labels[node]) continue;
    if (!std::isfinite(*labels[node])) {
      refuse_graph("the label of node {} is {}; it must be finite", node, *labels[node]);
    }
    nodes.push_back(node);
    values.push_back(*labels[node]);
  }
  const std::vector<Index> lost = unlabelled(components(graph), labels);
  if (!lost.empty()) {
    refuse_graph(
        "node {} has no path to a labelled node, so that its value is anything; label one of its "
        "component, or leave the component out",
        lost.front());
  }
  if (nodes.size() == labels.size()) refuse_graph("all {} nodes have labels", labels.size());
  Problem problem;
  detail::propagate_labels(
      graph.lines(), nodes, values,
      [&](Index node, const auto& neighbour) {
        for (std::int64_t entry = graph.starts[node]; entry < graph.starts[node + 1]; ++entry) {
          neighbour(graph.indices[entry], graph.values[entry]);
        }
      },
      problem);
  return problem;
}

}  // namespace ashlar::bcd
