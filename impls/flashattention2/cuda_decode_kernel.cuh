#pragma once
// The decoding kernels and their launches.
#include "impls/flashattention2/cuda_decode_block.hpp"
#include "impls/flashattention2/cuda_decode_launch.hpp"
#include "impls/flashattention2/cuda_device_machine.cuh"

namespace ashlar::flashattention2::kernel {

/// As many blocks share a multiprocessor of sm_90 as have room for their buffers.
template <class Element, class Config>
__global__ void __launch_bounds__(Config::kThreads, Config::kHeadDim == 64 ? 4 : 2)
    decode_kernel(const __grid_constant__ DecodeArguments arguments) {
  extern __shared__ __align__(128) unsigned char shared[];
  DeviceMachine<Element> machine(shared);
  DecodeBlock<Config, DeviceMachine<Element>> block(machine, arguments);
  block.run();
}

template <class Element, class Config>
__global__ void __launch_bounds__(CombineBlock<Config, DeviceMachine<Element>>::kThreads)
    decode_combine_kernel(const __grid_constant__ DecodeArguments arguments) {
  DeviceMachine<Element> machine(nullptr);
  CombineBlock<Config, DeviceMachine<Element>> block(machine, arguments);
  block.run();
}

template <class Element, int HeadDim>
void launch_decode(const DecodePlan& plan, void* stream) {
  using Config = DecodeConfig<HeadDim>;
  if (plan.parts.x == 0) return;
  auto* const queue = static_cast<cudaStream_t>(stream);
  constexpr auto kernel = decode_kernel<Element, Config>;
  allow_shared_memory<kernel, Config::kSharedBytes>();
  kernel<<<dim3(plan.parts.x, plan.parts.y, plan.parts.z), Config::kThreads, Config::kSharedBytes,
           queue>>>(plan.arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("decode_kernel");
  constexpr int kThreads = CombineBlock<Config, DeviceMachine<Element>>::kThreads;
  decode_combine_kernel<Element, Config>
      <<<dim3(plan.rows.x, plan.rows.y), kThreads, 0, queue>>>(plan.arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("decode_combine_kernel");
}

}  // namespace ashlar::flashattention2::kernel
