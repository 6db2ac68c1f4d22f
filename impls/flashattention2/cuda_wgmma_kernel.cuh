#pragma once
// The wgmma forward kernel and its launch.
#include <cstring>

#include "impls/flashattention2/cuda_wgmma_launch.hpp"
#include "impls/flashattention2/cuda_wgmma_machine.cuh"

namespace ashlar::flashattention2::kernel {

static_assert(sizeof(WgmmaMaps) == sizeof(EncodedMaps::bytes));

/// One thread block for each multiprocessor: it takes nearly all shared memory, and setmaxnreg
/// divides all registers.
template <class Element, class Config>
__global__ void __launch_bounds__(Config::kThreads, 1)
    wgmma_kernel(const __grid_constant__ WgmmaArguments arguments,
                 const __grid_constant__ WgmmaMaps maps) {
  extern __shared__ __align__(1024) unsigned char tiles[];
  WgmmaMachine<Element> machine(tiles);
  WgmmaBlock<Config, WgmmaMachine<Element>> block(machine, arguments, maps);
  block.run();
}

template <class Element, int HeadDim, bool Causal, WgmmaRung Rung>
void launch_wgmma(const WgmmaArguments& arguments, const EncodedMaps& maps, unsigned blocks,
                  void* stream) {
  using Config = WgmmaConfig<HeadDim, Causal, Rung>;
  constexpr auto kernel = wgmma_kernel<Element, Config>;
  allow_shared_memory<kernel, Config::kSharedBytes>();
  WgmmaMaps decoded;
  std::memcpy(&decoded, maps.bytes.data(), sizeof(decoded));
  kernel<<<blocks, Config::kThreads, Config::kSharedBytes, static_cast<cudaStream_t>(stream)>>>(
      arguments, decoded);
  ASHLAR_CUDA_CHECK_LAUNCH("wgmma_kernel");
}

#define ASHLAR_WGMMA_KERNELS(element, head_dim, rung)                          \
  template void launch_wgmma<core::element, head_dim, false, WgmmaRung::rung>( \
      const WgmmaArguments&, const EncodedMaps&, unsigned, void*);             \
  template void launch_wgmma<core::element, head_dim, true, WgmmaRung::rung>(  \
      const WgmmaArguments&, const EncodedMaps&, unsigned, void*);

}  // namespace ashlar::flashattention2::kernel
