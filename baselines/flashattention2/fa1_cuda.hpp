#pragma once
// FlashAttention-1's schedule on a GPU, on the tensor-core code of FlashAttention-2, so that a
// comparison of the two sees order and parallelism: fa1_cuda_block.hpp says what is isolated. Head
// sizes 64 and 128, f16 and bf16, full and causal, no other feature. Sources: Dao et al., arXiv
// 2205.14135, Algorithm 1; Dao, arXiv 2307.08691, sections 2.3 and 3. No CUDA types, so that every
// build reads this header.
#include <cstddef>
#include <optional>
#include <string>

#include "baselines/flashattention2/fa1_cuda_launch.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/flashattention2/cuda_backward.hpp"
#include "impls/flashattention2/cuda_solver.hpp"

namespace ashlar::flashattention2::baselines {

/// Why this binary on this machine cannot compute the problem: "not built", "no device: ...", or a
/// shape, type, stride or feature that the kernels lack. Nothing when it can. Host or device
/// pointers.
std::optional<std::string> fa1_cuda_unsupported(const AttentionParams& params);
std::optional<std::string> fa1_cuda_backward_unsupported(const AttentionParams& params);

/// What a pass needs of device memory beside the tensors: forward O in single precision and two
/// statistics of every row; backward what cuda_backward_workspace_bytes() says.
std::size_t fa1_cuda_workspace_bytes(const AttentionParams& params);
std::size_t fa1_cuda_backward_workspace_bytes(const AttentionParams& params);
/// The sum of both.
std::size_t fa1_cuda_both_workspace_bytes(const AttentionParams& params);

/// The forward pass of one problem in device memory, checked and ready, with its memory beside the
/// tensors.
class Fa1CudaLaunch {
 public:
  /// All pointers are device pointers, those of q, k, v and out aligned to 16 bytes. Throws
  /// std::invalid_argument for what validate_forward() and fa1_cuda_unsupported() name,
  /// std::bad_alloc when device memory is short.
  explicit Fa1CudaLaunch(const AttentionParams& device);
  /// As CudaSolver wants it.
  static const AttentionParams& supported(const AttentionParams& params);

  /// Starts the kernel on `stream` (a cudaStream_t; null is the default stream) and returns. One
  /// call at a time. Throws std::runtime_error when the launch fails.
  void operator()(void* stream) const {
    if (plan_.grid.x != 0) launch_(plan_, stream);
  }

 private:
  Fa1CudaPlan plan_;
  LaunchFa1Cuda launch_ = nullptr;
  core::cuda::DeviceBuffer state_;
};

/// The backward pass likewise. Throws what CudaBackwardLaunch throws, and std::invalid_argument for
/// what fa1_cuda_backward_unsupported() names.
class Fa1CudaBackwardLaunch : public CudaBackwardLaunch {
 public:
  explicit Fa1CudaBackwardLaunch(const AttentionParams& device);
  /// As CudaSolver wants it.
  static const AttentionParams& supported(const AttentionParams& params);
};

using Fa1CudaForward = CudaForwardBy<Fa1CudaLaunch>;
using Fa1CudaBackward = CudaBackwardBy<Fa1CudaBackwardLaunch>;
using Fa1CudaBothPasses = CudaPassesBy<Fa1CudaLaunch, Fa1CudaBackwardLaunch>;

}  // namespace ashlar::flashattention2::baselines
