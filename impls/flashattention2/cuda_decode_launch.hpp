#pragma once
// The decoding kernels' entry points, one per storage type and head size, compiled in
// cuda_decode_<type>.cu; without CUDA cuda_stub.cpp has them.
#include "impls/flashattention2/cuda_decode_plan.hpp"

namespace ashlar::flashattention2::kernel {

/// Starts both kernels on `stream` (a cudaStream_t). All pointers of the plan are device pointers.
/// Throws std::runtime_error when a launch fails.
template <class Element, int HeadDim>
void launch_decode(const DecodePlan& plan, void* stream);

using LaunchDecode = void (*)(const DecodePlan& plan, void* stream);

}  // namespace ashlar::flashattention2::kernel
