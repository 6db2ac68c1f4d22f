#pragma once
// Half sweeps on a GPU, in the layout of lattice_planes.hpp: red-black as a stencil over whole
// rows, combs in tiles (lattice_cuda_block.hpp). One cooperative launch does many half sweeps. No
// CUDA types, so that every build reads this header; without CUDA lattice_cuda_unsupported() says
// so.
#include <memory>
#include <optional>
#include <string>

#include "impls/bcd/lattice_solver.hpp"

namespace ashlar::bcd {

enum class DeviceReal : std::uint8_t { f64, f32 };

/// Why this binary on this machine cannot sweep over the problem: "not built", "no device: ...", or
/// combs on a single row or column, whose chains have no end that a tile could leave out. Nothing
/// when it can.
std::optional<std::string> lattice_cuda_unsupported(const LatticeProblem& problem,
                                                    LatticePartition partition);

/// Values are on the device between calls. run() waits for the device, launch() does not.
class CudaLattice : public LatticeSolver {
 public:
  /// run(), on `stream` (a cudaStream_t; null is the default stream), without waiting. Throws
  /// std::runtime_error when the launch fails.
  virtual void launch(std::int64_t half_sweeps, void* stream) = 0;
};

/// At the start state. Single precision holds values, factors and labels in it; it stalls at a gap
/// of about 1e-7 of the energy. Throws std::invalid_argument for what validate() and
/// lattice_cuda_unsupported() name, std::bad_alloc when the device's memory is short.
std::unique_ptr<CudaLattice> make_cuda_lattice(const LatticeProblem& problem,
                                               LatticePartition partition, DeviceReal real);

}  // namespace ashlar::bcd
