// How the kernels of a batch are launched; they are compiled in files of their own.
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>

#include "impls/bcd/cuda_batch_kernel.cuh"
#include "impls/bcd/cuda_batch_launch.hpp"
#include "impls/core/cuda/cooperative.cuh"

namespace ashlar::bcd::kernel {
namespace {

using core::cuda::allow_shared_bytes;
using core::cuda::device_attribute;

BatchKernel kernel_of(BatchTeam team) {
  return team == BatchTeam::block ? batch_kernel_of_one_block() : batch_kernel_of_many_blocks();
}

std::size_t shared_bytes(const BatchShape& shape, Index most_matrix) {
  if (!shape.near_is_shared) return 0;
  return static_cast<std::size_t>(near_numbers(most_matrix)) * sizeof(double);
}

std::int64_t resident_blocks(BatchKernel kernel, std::size_t shared) {
  return core::cuda::resident_blocks(kernel, kMostThreads, shared);
}

/// Blocks of a cluster side by side.
cudaLaunchConfig_t cluster_config(unsigned blocks, int of_cluster, cudaLaunchAttribute& attribute) {
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = static_cast<unsigned>(of_cluster);
  attribute.val.clusterDim.y = 1;
  attribute.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(kMostThreads);
  config.attrs = &attribute;
  config.numAttrs = 1;
  return config;
}

bool has_clusters() { return device_attribute(cudaDevAttrComputeCapabilityMajor) >= 9; }

BatchTeam automatic_team(int cluster_blocks, std::int64_t runs) {
  if (runs == 1) return BatchTeam::grid;
  const std::int64_t most = resident_blocks(kernel_of(BatchTeam::block), 0);
  return has_clusters() && runs * cluster_blocks <= most ? BatchTeam::cluster : BatchTeam::block;
}

}  // namespace

BatchShape batch_shape(BatchTeam team, int cluster_blocks, std::int64_t runs, Index most_matrix) {
  BatchShape shape;
  shape.team = team == BatchTeam::automatic ? automatic_team(cluster_blocks, runs) : team;
  const BatchKernel kernel = kernel_of(shape.team);
  std::int64_t most = 1;
  if (shape.team == BatchTeam::block) {
    cudaFuncAttributes attributes{};
    ASHLAR_CUDA_CHECK(cudaFuncGetAttributes(&attributes, kernel));
    shape.near_is_shared = true;
    const std::size_t wanted = shared_bytes(shape, most_matrix);
    const auto room =
        static_cast<std::size_t>(device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
    shape.near_is_shared = wanted + attributes.sharedSizeBytes <= room;
    const std::size_t shared = shared_bytes(shape, most_matrix);
    allow_shared_bytes(kernel, shared);
    most = resident_blocks(kernel, shared);
  } else if (shape.team == BatchTeam::cluster) {
    if (!has_clusters()) {
      throw std::invalid_argument("batch on a GPU: clusters need compute capability 9.0");
    }
    shape.blocks_of_team = cluster_blocks;
    cudaLaunchAttribute attribute{};
    const cudaLaunchConfig_t config =
        cluster_config(static_cast<unsigned>(cluster_blocks), cluster_blocks, attribute);
    int clusters = 0;
    ASHLAR_CUDA_CHECK(cudaOccupancyMaxActiveClusters(&clusters, kernel, &config));
    most = clusters;
  } else {
    shape.blocks_of_team = static_cast<int>(std::max<std::int64_t>(1, resident_blocks(kernel, 0)));
  }
  shape.teams =
      static_cast<int>(std::clamp<std::int64_t>(runs, 1, std::max<std::int64_t>(1, most)));
  return shape;
}

void launch_batch(const BatchLaunch& launch, const BatchShape& shape, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  const BatchKernel kernel = kernel_of(shape.team);
  const auto blocks = static_cast<unsigned>(shape.teams * shape.blocks_of_team);
  const std::size_t shared = shared_bytes(shape, launch.sizes.most_matrix);
  ASHLAR_CUDA_CHECK(cudaMemsetAsync(launch.queue, 0, sizeof(*launch.queue), on));
  void* parameters[] = {const_cast<BatchLaunch*>(&launch)};
  const auto* const function = reinterpret_cast<const void*>(kernel);
  switch (shape.team) {
    case BatchTeam::grid:
      core::cuda::launch_cooperative("batch_kernel", kernel, {blocks, kMostThreads, shared}, stream,
                                     launch);
      break;
    case BatchTeam::cluster: {
      cudaLaunchAttribute attribute{};
      cudaLaunchConfig_t config = cluster_config(blocks, shape.blocks_of_team, attribute);
      config.stream = on;
      ASHLAR_CUDA_CHECK(cudaLaunchKernelExC(&config, function, parameters));
      break;
    }
    default:
      allow_shared_bytes(kernel, shared);
      ASHLAR_CUDA_CHECK(
          cudaLaunchKernel(function, dim3(blocks), dim3(kMostThreads), parameters, shared, on));
  }
}

bool batch_kernels_built() { return true; }

}  // namespace ashlar::bcd::kernel
