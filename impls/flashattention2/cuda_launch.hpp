#pragma once
// The kernel's entry points, one per storage type, head size and kind. All kinds of one
// type and head size are compiled in a file of their own, cuda_forward_<type>_<head size>.cu;
// without CUDA cuda_stub.cpp has them.
#include "impls/flashattention2/cuda_forward_math.hpp"

namespace ashlar::flashattention2::kernel {

/// Starts the kernel on `stream` (a cudaStream_t). Throws std::runtime_error when that fails.
template <class Element, int HeadDim, PassKind Kind>
void launch_forward(const ForwardArguments& arguments, const GridIndex& grid, void* stream);

using LaunchForward = void (*)(const ForwardArguments& arguments, const GridIndex& grid,
                               void* stream);

}  // namespace ashlar::flashattention2::kernel
