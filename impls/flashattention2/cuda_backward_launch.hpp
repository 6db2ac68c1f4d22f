#pragma once
// The backward kernels' entry points, one per storage type, head size and kind. All kinds of one
// type and head size are compiled in a file of their own, cuda_backward_<type>_<head size>.cu;
// without CUDA cuda_stub.cpp has them.
#include "impls/flashattention2/cuda_backward_plan.hpp"

namespace ashlar::flashattention2::kernel {

/// Starts a whole backward pass on `stream` (a cudaStream_t): the sums to zero, row statistics, the
/// products, and dq from its sums. All pointers of the plan are device pointers. Throws
/// std::runtime_error when a launch fails.
template <class Element, int HeadDim, PassKind Kind>
void launch_backward(const BackwardPlan& plan, void* stream);

using LaunchBackward = void (*)(const BackwardPlan& plan, void* stream);

}  // namespace ashlar::flashattention2::kernel
