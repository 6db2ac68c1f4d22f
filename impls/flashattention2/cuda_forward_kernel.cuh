#pragma once
// The forward kernel and its launch.
#include "impls/flashattention2/cuda_device_machine.cuh"
#include "impls/flashattention2/cuda_launch.hpp"

namespace ashlar::flashattention2::kernel {

/// At most 255 registers, so that two blocks of four warps share a multiprocessor and hide each
/// other's waits.
template <class Element, class Config>
__global__ void __launch_bounds__(Config::kThreads, Config::kBlocksPerMultiprocessor)
    forward_kernel(const __grid_constant__ ForwardArguments arguments) {
  extern __shared__ __align__(128) unsigned char shared[];
  DeviceMachine<Element> machine(shared);
  ForwardBlock<Config, DeviceMachine<Element>> block(machine, arguments);
  block.run();
}

template <class Element, class Config>
void start_forward(const ForwardArguments& arguments, const GridIndex& grid, void* stream) {
  constexpr auto kernel = forward_kernel<Element, Config>;
  allow_shared_memory<kernel, Config::kSharedBytes>();
  kernel<<<dim3(grid.x, grid.y, grid.z), Config::kThreads, Config::kSharedBytes,
           static_cast<cudaStream_t>(stream)>>>(arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("forward_kernel");
}

template <class Element, int HeadDim, PassKind Kind>
void launch_forward(const ForwardArguments& arguments, const GridIndex& grid, void* stream) {
  start_forward<Element, ForwardConfig<HeadDim, Kind>>(arguments, grid, stream);
}

}  // namespace ashlar::flashattention2::kernel
