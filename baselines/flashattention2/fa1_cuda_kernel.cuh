#pragma once
// The forward kernel of FlashAttention-1's schedule, and its launch.
#include "baselines/flashattention2/fa1_cuda_launch.hpp"
#include "impls/flashattention2/cuda_device_machine.cuh"

namespace ashlar::flashattention2::baselines {

template <class Element, class Config>
__global__ void __launch_bounds__(Config::kThreads, Config::kBlocksPerMultiprocessor)
    fa1_kernel(const __grid_constant__ Fa1CudaArguments arguments) {
  extern __shared__ __align__(128) unsigned char shared[];
  using Block = Fa1CudaBlock<Config, kernel::DeviceMachine<Element>>;
  typename Block::MachineInTurn machine(shared);
  Block block(machine, arguments);
  block.run();
}

template <class Element, int HeadDim, kernel::PassKind Kind>
void launch_fa1_cuda(const Fa1CudaPlan& plan, void* stream) {
  using Config = Fa1CudaConfig<HeadDim, Kind>;
  constexpr auto entry = fa1_kernel<Element, Config>;
  kernel::allow_shared_memory<entry, Config::kSharedBytes>();
  entry<<<dim3(plan.grid.x, plan.grid.y, plan.grid.z), Config::kThreads, Config::kSharedBytes,
          static_cast<cudaStream_t>(stream)>>>(plan.arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("fa1_kernel");
}

}  // namespace ashlar::flashattention2::baselines
