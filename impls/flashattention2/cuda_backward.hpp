#pragma once
// FlashAttention-2's backward pass on tensor cores of compute capability 8.0 and later (mma.sync):
// Dao, arXiv 2307.08691, Algorithm 2 and section 3.2; cuda_backward_block.hpp has the design. Head
// sizes 64, 96 and 128, f16 and bf16, sums in float; windows, softcap, dropout and packed
// sequences. No CUDA types, so that every build reads this header.
#include <cstddef>
#include <optional>
#include <string>

#include "impls/core/cuda/buffer.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/cuda_backward_launch.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"
#include "impls/flashattention2/cuda_solver.hpp"

namespace ashlar::flashattention2 {

/// Why this binary on this machine cannot compute the gradients: "not built", "no device: ...", or
/// a shape, type or stride that the kernels lack. Nothing when it can. Host or device pointers.
std::optional<std::string> cuda_backward_unsupported(const AttentionParams& params);

/// The backward pass of one problem in device memory, checked and ready, with the memory that it
/// needs beside the tensors: of every row lse and D, and dq in single precision; one copy of the
/// latter, or, where params.deterministic, as many as it takes to fill the device. Starting it
/// costs the host four launches.
class CudaBackwardLaunch {
 public:
  /// All pointers are device pointers, those of tensors in 16 bits aligned to 16 bytes; but
  /// cu_seqlens are on the host. Throws std::invalid_argument for what validate_backward() and
  /// cuda_backward_unsupported() name, std::bad_alloc when device memory is short.
  explicit CudaBackwardLaunch(const AttentionParams& device);
  /// As CudaSolver wants it.
  static const AttentionParams& supported(const AttentionParams& params);
  /// With the plan and kernels of another schedule, for a problem that they can take.
  CudaBackwardLaunch(const AttentionParams& device, const kernel::BackwardPlan& plan,
                     kernel::LaunchBackward launch);

  /// Starts the kernels on `stream` (a cudaStream_t; null is the default stream) and returns. One
  /// call at a time. Throws std::runtime_error when a launch fails.
  void operator()(void* stream) const { launch_(plan_, stream); }

 private:
  kernel::BackwardPlan plan_;
  kernel::LaunchBackward launch_ = nullptr;
  core::cuda::DeviceBuffer lse_log2_, delta_, dq_sums_;
  kernel::PackedOffsets offsets_;
};

/// What the pass needs of device memory beside the tensors.
std::size_t cuda_backward_workspace_bytes(const AttentionParams& params);

using CudaBackward = CudaBackwardBy<CudaBackwardLaunch>;
using CudaBothPasses = CudaPassesBy<CudaLaunch, CudaBackwardLaunch>;

}  // namespace ashlar::flashattention2
