#include <cuda_runtime.h>

#include "baselines/bcd/naive_lattice_launch.hpp"
#include "impls/core/cuda/check.cuh"

namespace ashlar::bcd::baselines {
namespace {

constexpr int kThreads = 256;

__device__ Index thread_index() {
  return static_cast<Index>(blockIdx.x) * kThreads + static_cast<Index>(threadIdx.x);
}

__global__ void colour_kernel(const NaiveLattice lattice, int colour) {
  const Index node = thread_index();
  if (node < lattice.rows * lattice.columns) naive_colour(lattice, colour, node);
}
__global__ void eliminate_kernel(const NaiveLattice lattice, int comb) {
  const Index column = thread_index();
  if (column < lattice.columns) naive_eliminate_column(lattice, comb, column);
}
__global__ void spine_kernel(const NaiveLattice lattice, int comb) { naive_spine(lattice, comb); }
__global__ void substitute_kernel(const NaiveLattice lattice, int comb) {
  const Index tooth = thread_index();
  if (2 * tooth + comb < lattice.columns) naive_substitute_tooth(lattice, comb, tooth);
}

unsigned blocks(Index items) { return static_cast<unsigned>((items + kThreads - 1) / kThreads); }

}  // namespace

bool naive_lattice_built() { return true; }

void launch_naive_colour(const NaiveLattice& lattice, int colour, void* stream) {
  auto* const queue = static_cast<cudaStream_t>(stream);
  colour_kernel<<<blocks(lattice.rows * lattice.columns), kThreads, 0, queue>>>(lattice, colour);
  ASHLAR_CUDA_CHECK_LAUNCH("colour_kernel");
}

void launch_naive_comb(const NaiveLattice& lattice, int comb, void* stream) {
  auto* const queue = static_cast<cudaStream_t>(stream);
  eliminate_kernel<<<blocks(lattice.columns), kThreads, 0, queue>>>(lattice, comb);
  ASHLAR_CUDA_CHECK_LAUNCH("eliminate_kernel");
  spine_kernel<<<1, 1, 0, queue>>>(lattice, comb);
  ASHLAR_CUDA_CHECK_LAUNCH("spine_kernel");
  substitute_kernel<<<blocks((lattice.columns + 1) / 2), kThreads, 0, queue>>>(lattice, comb);
  ASHLAR_CUDA_CHECK_LAUNCH("substitute_kernel");
}

}  // namespace ashlar::bcd::baselines
