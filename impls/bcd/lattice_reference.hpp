#pragma once
#include <span>

#include "impls/bcd/lattice.hpp"

namespace ashlar::bcd {

/// Minimises the energy exactly over one half (0 white, 1 black), by plain loops: each node of a
/// colour by itself; a comb by elimination from the free ends of its teeth to its spine, along the
/// spine, and back (message passing, section 5). Labelled nodes break the comb into trees. `values`
/// is in node order and holds the labels.
void reference_half_sweep(const LatticeProblem& problem, LatticePartition partition, int half,
                          std::span<double> values);

}  // namespace ashlar::bcd
