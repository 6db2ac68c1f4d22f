#pragma once
// The optimized sweeps; make_lattice_solver() chooses among them. Layout in lattice_planes.hpp.
//
// Half sweeps in a row share their passes over memory: while one colour is updated in row r + 1,
// the other is in row r; and while one comb is substituted back, away from its spine, the other is
// eliminated, towards its own, which is the same way. So a half sweep of N nodes moves 17 N / 2
// bytes (values of both colours read and written once per two half sweeps, a byte of mask per node)
// and 34 N / 2 (values of both combs read and written, a byte per node for its factor), where
// separate passes over separate arrays would move 25 and 57.
#include <memory>

#include "impls/bcd/lattice_solver.hpp"

namespace ashlar::bcd {

/// At most `threads` share the rows of large lattices, at least one.
std::unique_ptr<LatticeSolver> make_colour_sweeps(const LatticeProblem& problem, int threads);
/// Shares teeth. For more than one column.
std::unique_ptr<LatticeSolver> make_comb_sweeps(const LatticeProblem& problem, int threads);

}  // namespace ashlar::bcd
