#pragma once
// The kernels' launches, for the host code beside them. Internal; no CUDA types.
#include <cstdint>

#include "impls/bcd/lattice_cuda_block.hpp"

namespace ashlar::bcd::kernel {

/// Start `half_sweeps` half sweeps on `stream`, of which the first is `half`, in one cooperative
/// launch. Throw std::runtime_error when it fails or CUDA is not built.
template <class Real>
void launch_combs(const CombArguments<Real>& arguments, int half, std::int64_t half_sweeps,
                  void* stream);
template <class Real>
void launch_colours(const ColourArguments<Real>& arguments, int half, std::int64_t half_sweeps,
                    void* stream);

bool lattice_kernels_built();

}  // namespace ashlar::bcd::kernel
