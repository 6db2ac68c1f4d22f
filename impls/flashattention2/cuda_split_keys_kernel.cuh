#pragma once
// The forward kernel whose warps share out columns, and its launch.
#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_device_machine.cuh"
#include "impls/flashattention2/cuda_split_keys_block.hpp"

namespace ashlar::flashattention2::kernel {

template <class Element, class Config>
__global__ void __launch_bounds__(Config::kThreads, Config::kBlocksPerMultiprocessor)
    split_keys_kernel(const __grid_constant__ ForwardArguments arguments) {
  extern __shared__ __align__(128) unsigned char shared[];
  DeviceMachine<Element> machine(shared);
  SplitKeysBlock<Config, DeviceMachine<Element>> block(machine, arguments);
  block.run();
}

template <class Element, int HeadDim, PassKind Kind>
void launch_split_keys(const ForwardArguments& arguments, const GridIndex& grid, void* stream) {
  using Config = SplitKeysConfig<HeadDim, Kind>;
  constexpr auto kernel = split_keys_kernel<Element, Config>;
  allow_shared_memory<kernel, Config::kSharedBytes>();
  kernel<<<dim3(grid.x, grid.y, grid.z), Config::kThreads, Config::kSharedBytes,
           static_cast<cudaStream_t>(stream)>>>(arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("split_keys_kernel");
}

}  // namespace ashlar::flashattention2::kernel
