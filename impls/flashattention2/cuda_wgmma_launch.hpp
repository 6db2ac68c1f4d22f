#pragma once
// The wgmma forward kernels' entry points, one per storage type, head size, mask and rung, compiled
// for sm_90a in cuda_wgmma_<type>.cu and cuda_wgmma_rungs_<head size>.cu; without CUDA
// cuda_stub.cpp has them.
#include <array>
#include <cstddef>

#include "impls/flashattention2/cuda_wgmma_plan.hpp"

namespace ashlar::flashattention2::kernel {

/// Three CUtensorMap, of q, k and v, which are opaque to all but the driver.
struct alignas(64) EncodedMaps {
  static constexpr std::size_t kBytes = 128;
  std::array<std::byte, 3 * kBytes> bytes;
};

/// Tensor maps for tensors in device memory. Throws std::runtime_error when the driver refuses.
EncodedMaps encode_maps(const WgmmaTensors& tensors, bool half);

/// Starts the kernel on `stream` (a cudaStream_t). Throws std::runtime_error when that fails.
template <class Element, int HeadDim, bool Causal, WgmmaRung Rung>
void launch_wgmma(const WgmmaArguments& arguments, const EncodedMaps& maps, unsigned blocks,
                  void* stream);

using LaunchWgmma = void (*)(const WgmmaArguments& arguments, const EncodedMaps& maps,
                             unsigned blocks, void* stream);

}  // namespace ashlar::flashattention2::kernel
