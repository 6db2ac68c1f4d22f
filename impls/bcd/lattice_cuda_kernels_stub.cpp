// What a build without CUDA has in place of the kernels.
#include <stdexcept>

#include "impls/bcd/lattice_cuda_launch.hpp"

namespace ashlar::bcd::kernel {
namespace {

[[noreturn]] void lattice_kernels_missing() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

template <class Real>
void launch_combs(const CombArguments<Real>& /*arguments*/, int /*half*/,
                  std::int64_t /*half_sweeps*/, void* /*stream*/) {
  lattice_kernels_missing();
}
template <class Real>
void launch_colours(const ColourArguments<Real>& /*arguments*/, int /*half*/,
                    std::int64_t /*half_sweeps*/, void* /*stream*/) {
  lattice_kernels_missing();
}

bool lattice_kernels_built() { return false; }

template void launch_combs(const CombArguments<double>&, int, std::int64_t, void*);
template void launch_combs(const CombArguments<float>&, int, std::int64_t, void*);
template void launch_colours(const ColourArguments<double>&, int, std::int64_t, void*);
template void launch_colours(const ColourArguments<float>&, int, std::int64_t, void*);

}  // namespace ashlar::bcd::kernel
