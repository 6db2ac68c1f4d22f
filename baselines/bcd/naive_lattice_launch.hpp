#pragma once
// Internal; no CUDA types.
#include "baselines/bcd/naive_lattice_steps.hpp"

namespace ashlar::bcd::baselines {

bool naive_lattice_built();
/// Device pointers; start on `stream` and return. Throw std::runtime_error when a launch fails or
/// CUDA is not built.
void launch_naive_colour(const NaiveLattice& lattice, int colour, void* stream);
void launch_naive_comb(const NaiveLattice& lattice, int comb, void* stream);

}  // namespace ashlar::bcd::baselines
