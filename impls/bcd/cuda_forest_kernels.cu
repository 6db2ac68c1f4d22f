#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include <algorithm>

#include "impls/bcd/cuda_forest_launch.hpp"
#include "impls/core/cuda/check.cuh"
#include "impls/core/cuda/cooperative.cuh"

namespace ashlar::bcd::kernel {
namespace {

namespace cg = cooperative_groups;

constexpr int kForestThreads = 512;
constexpr int kForestBlocks = 2;  // on a multiprocessor
constexpr int kBatchThreads = 256;

/// The same bits in all lanes: a sum of two is the same either way round.
__device__ double warp_sum(double value) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

/// Thread `thread` of `threads`, which are whole warps.
__device__ void run_phase(const ForestTask& task, const ForestVectors& vectors,
                          const ForestPhase& phase, Index thread, Index threads) {
  warp_slots(task, phase, thread / kLanes, threads / kLanes, [&](Index slot, bool top) {
    const Index lane = thread % kLanes;
    const double sum = warp_sum(row_part(task, vectors, slot, lane, kLanes));
    if (lane == 0) finish_row(task, vectors, slot, sum, top);
  });
  thread_slots(task, vectors, phase, thread, threads);
}

__global__ void __launch_bounds__(kForestThreads, kForestBlocks)
    forest_kernel(const __grid_constant__ ForestLaunch launch,
                  const __grid_constant__ ForestCall call) {
  extern __shared__ double narrow_values[];
  __shared__ __align__(alignof(ForestTask)) unsigned char task_memory[sizeof(ForestTask)];
  auto& task = *reinterpret_cast<ForestTask*>(task_memory);
  const cg::grid_group grid = cg::this_grid();
  const auto block = static_cast<Index>(blockIdx.x);
  const auto blocks = static_cast<Index>(gridDim.x);
  const auto in_block = static_cast<Index>(threadIdx.x);
  for (std::int64_t i = 0; i < launch.solves; ++i) {
    __syncthreads();
    if (in_block == 0) task = launch.tasks[(launch.first + i) % launch.task_count];
    __syncthreads();
    const Index phases = grid_phases(task);
    for (Index number = 0; number < phases; ++number) {
      // Narrow levels: each thread block goes through all of them for its own right sides.
      const bool narrow = grid_phase(task, number).kind == ForestPhaseKind::narrow;
      const Index inner = narrow ? forest_phases(task.narrow, task.level_count) : 1;
      for (Index k = narrow ? block : 0; k < call.count; k += narrow ? blocks : 1) {
        ForestVectors vectors = vectors_at(call, k);
        if (task.narrow == 0) vectors.values = narrow_values;
        ASHLAR_NO_UNROLL
        for (Index step = 0; step < inner; ++step) {
          run_phase(
              task, vectors,
              narrow ? forest_phase(task.narrow, task.level_count, step) : grid_phase(task, number),
              narrow ? in_block : block * kForestThreads + in_block,
              narrow ? kForestThreads : blocks * kForestThreads);
          if (narrow) __syncthreads();
        }
      }
      if (blocks > 1) {
        grid.sync();
      } else {
        __syncthreads();
      }
    }
  }
}

/// A thread block per forest.
__global__ void __launch_bounds__(kBatchThreads)
    batch_kernel(const __grid_constant__ ForestBatch batch, const double* right, double* x) {
  extern __shared__ double narrow_values[];
  const auto number = static_cast<Index>(blockIdx.x);
  const ForestTask task = batch.tasks[number];
  const ForestVectors vectors = batch_vectors(batch, right, x, narrow_values, number);
  const Index phases = forest_phases(0, task.level_count);
  for (Index step = 0; step < phases; ++step) {
    run_phase(task, vectors, forest_phase(0, task.level_count, step),
              static_cast<Index>(threadIdx.x), kBatchThreads);
    __syncthreads();
  }
}

}  // namespace

void launch_forests(const ForestLaunch& launch, const ForestCall& call, void* stream) {
  if (launch.solves <= 0 || launch.task_count <= 0 || call.count <= 0) return;
  constexpr std::size_t kShared = sizeof(double) * kNarrowSlots;
  // With the task beside the values: a little more than a kernel gets without asking.
  core::cuda::allow_shared_bytes(forest_kernel, kShared);
  const std::int64_t useful =
      std::max<std::int64_t>(call.count, (launch.most_items + kForestThreads - 1) / kForestThreads);
  const unsigned blocks = core::cuda::cooperative_blocks(
      core::cuda::resident_blocks(forest_kernel, kForestThreads, kShared), useful);
  core::cuda::launch_cooperative("forest_kernel", forest_kernel, {blocks, kForestThreads, kShared},
                                 stream, launch, call);
}

void launch_forest_batch(const ForestBatch& batch, const double* right, double* x, void* stream) {
  if (batch.count <= 0) return;
  // At most kNarrowSlots values: what a kernel gets without asking.
  const std::size_t shared = sizeof(double) * static_cast<std::size_t>(batch.most_slots);
  batch_kernel<<<static_cast<unsigned>(batch.count), kBatchThreads, shared,
                 static_cast<cudaStream_t>(stream)>>>(batch, right, x);
  ASHLAR_CUDA_CHECK_LAUNCH("batch_kernel");
}

bool forest_kernels_built() { return true; }

}  // namespace ashlar::bcd::kernel
