#pragma once
// Half sweeps over a lattice on a GPU as one would write them first: the host's layout, one launch
// per colour, three per comb (a thread per tooth, whose neighbours are a column apart in memory,
// and one thread for the spine). Double precision.
#include <memory>

#include "impls/bcd/lattice_cuda.hpp"

namespace ashlar::bcd::baselines {

/// Why not, or nothing. Single rows and columns work here.
std::optional<std::string> naive_lattice_cuda_unsupported();

/// At the start state. Throws as make_cuda_lattice().
std::unique_ptr<CudaLattice> make_naive_cuda_lattice(const LatticeProblem& problem,
                                                     LatticePartition partition);

}  // namespace ashlar::bcd::baselines
