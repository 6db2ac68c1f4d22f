#pragma once
// Plans and entry points of FlashAttention-1's schedule on a GPU; forward kernels of one storage
// type are compiled in a file of their own, fa1_cuda_forward_<type>.cu; without CUDA
// naive_cuda_stub.cpp has them. Backward kernels are those of cuda_backward_launch.hpp. Plans are
// plain C++, so that they are tested without a GPU.
#include <cstdint>

#include "baselines/flashattention2/fa1_cuda_block.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_backward_plan.hpp"

namespace ashlar::flashattention2::baselines {

struct Fa1CudaPlan {
  Fa1CudaArguments arguments;   // without the pointer to the state
  kernel::GridIndex grid;       // a thread block per head; x is 0 when there is nothing to do
  std::int64_t state_sums = 0;  // kernel::ThreadSums that arguments.state has to point to
};

/// For problems that are valid and that kernel::ablation_unsupported() has no objection to, and
/// backward kernel::backward_unsupported() neither.
Fa1CudaPlan fa1_cuda_plan(const AttentionParams& params);
/// The backward pass's, in one thread block per K/V head.
kernel::BackwardPlan fa1_cuda_backward_plan(const AttentionParams& params);

using LaunchFa1Cuda = void (*)(const Fa1CudaPlan& plan, void* stream);

/// Starts the forward kernel on `stream` (a cudaStream_t), of kind full or causal. Throws
/// std::runtime_error when the launch fails.
template <class Element, int HeadDim, kernel::PassKind Kind>
void launch_fa1_cuda(const Fa1CudaPlan& plan, void* stream);

}  // namespace ashlar::flashattention2::baselines
