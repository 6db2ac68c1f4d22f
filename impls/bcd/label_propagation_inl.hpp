// Label propagation on a graph that is given by a visitor, so that a grid needs no graph in memory.
// Included by the sources that make such problems.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd::detail {

/// `labels[k]` belongs to the node at k of `labelled`. visit(node, f) calls f(neighbour, weight)
/// for each neighbour, rising. M_ii is the sum of the weights to all neighbours, labelled ones too;
/// c_i the sum of weight * label over the labelled ones. Returns the nodes of the unknowns.
template <class Visit>
std::vector<Index> propagate_labels(Index nodes, const std::vector<Index>& labelled,
                                    const std::vector<double>& labels, const Visit& visit,
                                    Problem& problem) {
  // The number of the unknown, or -1 - k at the node of label k.
  std::vector<Index> number(static_cast<std::size_t>(nodes), 0);
  for (std::size_t k = 0; k < labelled.size(); ++k)
    number[labelled[k]] = -1 - static_cast<Index>(k);
  std::vector<Index> unknowns;
  unknowns.reserve(number.size() - labelled.size());
  for (Index node = 0; node < nodes; ++node) {
    if (number[node] < 0) continue;
    number[node] = static_cast<Index>(unknowns.size());
    unknowns.push_back(node);
  }

  std::int64_t edges = 0;
  for (const Index node : unknowns) {
    visit(node, [&](Index neighbour, double) { edges += number[neighbour] >= 0; });
  }
  auto matrix = std::make_shared<SymmetricMatrix>();
  matrix->diagonal.reserve(unknowns.size());
  matrix->rest.starts.reserve(unknowns.size() + 1);
  matrix->rest.indices.reserve(static_cast<std::size_t>(edges));
  matrix->rest.values.reserve(static_cast<std::size_t>(edges));
  matrix->rest.starts.push_back(0);
  problem.linear.reserve(unknowns.size());
  for (const Index node : unknowns) {
    double diagonal = 0, linear = 0;
    visit(node, [&](Index neighbour, double weight) {
      diagonal += weight;
      if (number[neighbour] >= 0) {
        matrix->rest.indices.push_back(number[neighbour]);
        matrix->rest.values.push_back(-weight);
      } else {
        linear += weight * labels[static_cast<std::size_t>(-1 - number[neighbour])];
      }
    });
    matrix->diagonal.push_back(diagonal);
    matrix->rest.starts.push_back(static_cast<std::int64_t>(matrix->rest.indices.size()));
    problem.linear.push_back(linear);
  }
  problem.loss = Loss::quadratic;
  problem.matrix = std::move(matrix);
  return unknowns;
}

}  // namespace ashlar::bcd::detail
