#pragma once
// The kernel of a batch for teams of one kind. Its sources are compiled side by side.
#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include "impls/bcd/cuda_batch_run.hpp"

namespace ashlar::bcd::kernel {

/// A cluster or a grid is what the launch makes of the blocks.
enum class TeamScope { block, blocks };

using BatchKernel = void (*)(BatchLaunch);

BatchKernel batch_kernel_of_one_block();
BatchKernel batch_kernel_of_many_blocks();

namespace {

namespace cg = cooperative_groups;

/// The machine of cuda_batch_team.hpp.
template <TeamScope scope>
class DeviceTeam {
 public:
  __device__ DeviceTeam(int block, int blocks, bool in_cluster, BlockMemory* local)
      : worker_{block, blocks, static_cast<int>(threadIdx.x), kMostThreads, local},
        in_cluster_(in_cluster) {}

  template <class Phase>
  __device__ __forceinline__ void each(const Phase& phase) {
    phase(worker_);
    sync();
  }
  template <class Phase>
  __device__ __forceinline__ void each_block(const Phase& phase) {
    phase(worker_);
    __syncthreads();
  }
  template <class Body>
  __device__ __forceinline__ void first_block(const Body& body) {
    if (worker_.block == 0) {
      DeviceTeam<TeamScope::block> first(0, 1, false, worker_.local);
      body(first);
    }
    if constexpr (scope != TeamScope::block) sync();
  }
  template <class T>
  __device__ __forceinline__ T read(const T* pointer) const {
    return *pointer;
  }
  __device__ __forceinline__ int blocks() const { return worker_.blocks; }
  __device__ __forceinline__ int turn() { return turn_ ^= 1; }
  __device__ __forceinline__ BlockMemory& local() const { return *worker_.local; }

 private:
  __device__ __forceinline__ void sync() const {
    if constexpr (scope == TeamScope::block) {
      __syncthreads();
    } else {
#if __CUDA_ARCH__ >= 900
      if (in_cluster_) {
        cg::this_cluster().sync();
        return;
      }
#endif
      cg::this_grid().sync();
    }
  }

  Worker worker_;
  bool in_cluster_;
  int turn_ = 0;
};

/// Two blocks on a multiprocessor hide each other's barriers; where the compiler then runs out of
/// registers, one.
#if __CUDA_ARCH__ >= 900
constexpr int kBlocksAtOnce = 2;
#else
constexpr int kBlocksAtOnce = 1;
#endif

/// One launch for all iterations of all runs.
template <TeamScope scope>
__global__ void __launch_bounds__(kMostThreads, kBlocksAtOnce)
    batch_kernel(const __grid_constant__ BatchLaunch launch) {
  extern __shared__ __align__(16) double near_matrix[];
  __shared__ BlockMemory local;
  __shared__ TeamMemory memory;  // pointers, of which there are more than registers for them
  const int blocks = scope == TeamScope::block ? 1 : launch.sizes.blocks;
  if (threadIdx.x == 0) {
    const auto team = static_cast<int>(blockIdx.x) / blocks;
    TeamMemory carved;
    if (launch.near_is_shared) carved.near = near_memory(near_matrix, launch.sizes.most_matrix);
    carve(launch.sizes,
          reinterpret_cast<std::uintptr_t>(launch.memories + team * launch.memory_bytes), carved);
    memory = carved;
  }
  __syncthreads();
  DeviceTeam<scope> machine(static_cast<int>(blockIdx.x) % blocks, blocks, launch.in_clusters,
                            &local);
  do_runs(machine, launch, memory);
}

}  // namespace
}  // namespace ashlar::bcd::kernel
