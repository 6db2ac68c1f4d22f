#pragma once
// FlashAttention-2's forward pass on tensor cores of compute capability 8.0 and later (mma.sync):
// Dao, arXiv 2307.08691, Algorithm 1 and sections 3.2 and 3.3. Head sizes 64, 96, 128 and 256, f16
// and bf16, sums in float; windows, softcap, dropout and packed sequences. No CUDA types, so that
// every build reads this header; without CUDA cuda_built() is false and the rest says so.
#include <optional>
#include <string>

#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"
#include "impls/flashattention2/cuda_launch.hpp"
#include "impls/flashattention2/cuda_solver.hpp"

namespace ashlar::flashattention2 {

bool cuda_built();
const core::cuda::DeviceStatus& cuda_device();

/// Why this binary on this machine cannot compute the problem: "not built", "no device: ...", or a
/// shape, type or stride that the kernel lacks. Nothing when it can. Host or device pointers.
std::optional<std::string> cuda_unsupported(const AttentionParams& params);

/// The kernel for one problem in device memory, checked and ready: starting it costs the host a
/// launch and nothing else, so that a timer that counts the host's part sees no validation.
class CudaLaunch {
 public:
  /// All pointers are device pointers, those of q, k, v and out aligned to 16 bytes; but cu_seqlens
  /// are on the host. Throws std::invalid_argument for what validate_forward() and
  /// cuda_unsupported() name.
  explicit CudaLaunch(const AttentionParams& device);
  /// As CudaSolver wants it.
  static const AttentionParams& supported(const AttentionParams& params);

  /// Starts the kernel on `stream` (a cudaStream_t; null is the default stream) and returns. Throws
  /// std::runtime_error when the launch fails.
  void operator()(void* stream) const;

 private:
  kernel::ForwardArguments arguments_;
  kernel::GridIndex grid_;
  kernel::LaunchForward launch_ = nullptr;
  kernel::PackedOffsets offsets_;
};

/// Checks and starts at once.
inline void cuda_forward(const AttentionParams& device, void* stream) {
  const CudaLaunch launch(device);
  launch(stream);
}

using CudaForward = CudaForwardBy<CudaLaunch>;

}  // namespace ashlar::flashattention2
