#pragma once
// The forward kernel with a thread block per head, and its launch.
#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_device_machine.cuh"
#include "impls/flashattention2/cuda_heads_only_block.hpp"

namespace ashlar::flashattention2::kernel {

template <class Element, class Config>
__global__ void __launch_bounds__(Config::kThreads, Config::kBlocksPerMultiprocessor)
    heads_only_kernel(const __grid_constant__ ForwardArguments arguments) {
  extern __shared__ __align__(128) unsigned char shared[];
  using Block = HeadsOnlyBlock<Config, DeviceMachine<Element>>;
  typename Block::MachineInTurn machine(shared);
  Block block(machine, arguments);
  block.run();
}

template <class Element, int HeadDim, PassKind Kind>
void launch_heads_only(const ForwardArguments& arguments, const GridIndex& grid, void* stream) {
  using Config = HeadsOnlyConfig<HeadDim, Kind>;
  constexpr auto kernel = heads_only_kernel<Element, Config>;
  allow_shared_memory<kernel, Config::kSharedBytes>();
  kernel<<<dim3(grid.x, grid.y, grid.z), Config::kThreads, Config::kSharedBytes,
           static_cast<cudaStream_t>(stream)>>>(arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("heads_only_kernel");
}

}  // namespace ashlar::flashattention2::kernel
