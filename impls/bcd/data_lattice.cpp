#include <fmt/format.h>

#include <limits>
#include <stdexcept>

#include "impls/bcd/data.hpp"
#include "impls/bcd/label_propagation_inl.hpp"

namespace ashlar::bcd {

LabelledLattice draw_lattice(Index rows, Index columns, Index labelled, std::uint32_t seed,
                             double weight, Mersenne* rest) {
  const std::int64_t nodes = static_cast<std::int64_t>(rows) * columns;
  if (rows < 1 || columns < 1 || nodes > std::numeric_limits<Index>::max()) {
    throw std::invalid_argument(
        fmt::format("lattice: {} x {} nodes; both must be at least 1 and their product below 2^31",
                    rows, columns));
  }
  if (labelled < 1 || labelled >= nodes) {
    throw std::invalid_argument(
        fmt::format("lattice: {} of {} nodes labelled; label at least one and leave at least one",
                    labelled, nodes));
  }
  if (!(weight > 0) || weight > std::numeric_limits<double>::max()) {
    throw std::invalid_argument(
        fmt::format("lattice: the edges have weight {}; it must be positive and finite", weight));
  }
  Mersenne random(seed);
  LabelledLattice lattice;
  lattice.rows = rows;
  lattice.columns = columns;
  lattice.weight = weight;
  lattice.nodes = random.choice(static_cast<Index>(nodes), labelled);
  lattice.labels.reserve(lattice.nodes.size());
  for (Index i = 0; i < labelled; ++i) lattice.labels.push_back(10.0 * random.normal());
  if (rest != nullptr) *rest = random;
  return lattice;
}

Problem make_lattice(const LabelledLattice& lattice) {
  const Index rows = lattice.rows, columns = lattice.columns;
  const auto visit = [&](Index node, const auto& neighbour) {
    const Index row = node % rows, column = node / rows;
    if (column > 0) neighbour(node - rows, lattice.weight);
    if (row > 0) neighbour(node - 1, lattice.weight);
    if (row < rows - 1) neighbour(node + 1, lattice.weight);
    if (column < columns - 1) neighbour(node + rows, lattice.weight);
  };
  Problem problem;
  std::vector<Index> unknowns =
      detail::propagate_labels(rows * columns, lattice.nodes, lattice.labels, visit, problem);
  problem.lattice = Lattice{.rows = rows, .columns = columns, .nodes = std::move(unknowns)};
  return problem;
}

Problem make_lattice(Index rows, Index columns, Index labelled, std::uint32_t seed, double weight) {
  return make_lattice(draw_lattice(rows, columns, labelled, seed, weight));
}

Problem make_d(std::uint32_t seed, Mersenne* rest) {
  return make_lattice(draw_lattice(50, 50, 100, seed, 1e5, rest));
}

}  // namespace ashlar::bcd
