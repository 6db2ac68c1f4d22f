// What a build without CUDA has in place of the kernels.
#include <stdexcept>

#include "baselines/bcd/naive_lattice_launch.hpp"

namespace ashlar::bcd::baselines {
namespace {

[[noreturn]] void naive_lattice_missing() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

bool naive_lattice_built() { return false; }
void launch_naive_colour(const NaiveLattice& /*lattice*/, int /*colour*/, void* /*stream*/) {
  naive_lattice_missing();
}
void launch_naive_comb(const NaiveLattice& /*lattice*/, int /*comb*/, void* /*stream*/) {
  naive_lattice_missing();
}

}  // namespace ashlar::bcd::baselines
