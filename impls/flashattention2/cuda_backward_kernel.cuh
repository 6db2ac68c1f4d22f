#pragma once
// The backward kernels and their launches.
#include "impls/flashattention2/cuda_backward_block.hpp"
#include "impls/flashattention2/cuda_backward_launch.hpp"
#include "impls/flashattention2/cuda_backward_rows.hpp"
#include "impls/flashattention2/cuda_device_machine.cuh"

namespace ashlar::flashattention2::kernel {

/// One block of 144 KiB has a multiprocessor to itself, and each of its 256 threads 255 registers.
template <class Element, class Config>
__global__ void __launch_bounds__(Config::kThreads, 1)
    backward_kernel(const __grid_constant__ BackwardArguments arguments) {
  extern __shared__ __align__(128) unsigned char shared[];
  DeviceMachine<Element> machine(shared);
  BackwardBlock<Config, DeviceMachine<Element>> block(machine, arguments);
  block.run();
}

template <class Element, class Config>
__global__ void __launch_bounds__(kRowThreads)
    backward_statistics_kernel(const __grid_constant__ BackwardArguments arguments) {
  DeviceMachine<Element> machine(nullptr);
  StatisticsBlock<Config, DeviceMachine<Element>> block(machine, arguments);
  block.run();
}

template <class Element, class Config>
__global__ void __launch_bounds__(kRowThreads)
    query_gradient_kernel(const __grid_constant__ BackwardArguments arguments) {
  DeviceMachine<Element> machine(nullptr);
  QueryGradientBlock<Config, DeviceMachine<Element>> block(machine, arguments);
  block.run();
}

template <class Element, int HeadDim, PassKind Kind>
void launch_backward(const BackwardPlan& plan, void* stream) {
  using Config = BackwardConfig<HeadDim, Kind>;
  auto* const queue = static_cast<cudaStream_t>(stream);
  const BackwardArguments& arguments = plan.arguments;
  const dim3 rows(plan.rows.x, plan.rows.y, plan.rows.z);
  if (plan.rows.x != 0) {
    ASHLAR_CUDA_CHECK(cudaMemsetAsync(
        arguments.dq_sums, 0, static_cast<std::size_t>(plan.sums_floats) * sizeof(float), queue));
    backward_statistics_kernel<Element, Config><<<rows, kRowThreads, 0, queue>>>(arguments);
    ASHLAR_CUDA_CHECK_LAUNCH("backward_statistics_kernel");
  }
  if (plan.columns.x != 0) {
    constexpr auto kernel = backward_kernel<Element, Config>;
    allow_shared_memory<kernel, Config::kSharedBytes>();
    kernel<<<dim3(plan.columns.x, plan.columns.y, plan.columns.z), Config::kThreads,
             Config::kSharedBytes, queue>>>(arguments);
    ASHLAR_CUDA_CHECK_LAUNCH("backward_kernel");
  }
  if (plan.rows.x != 0) {
    query_gradient_kernel<Element, Config><<<rows, kRowThreads, 0, queue>>>(arguments);
    ASHLAR_CUDA_CHECK_LAUNCH("query_gradient_kernel");
  }
}

}  // namespace ashlar::flashattention2::kernel
