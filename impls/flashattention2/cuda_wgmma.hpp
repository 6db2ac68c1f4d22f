#pragma once
// FlashAttention-3's forward pass on the tensor cores of compute capability 9.0 (wgmma, TMA, warp
// specialisation), and the rungs that lead to it: Shah et al., arXiv 2407.08608, section 3.
// Head sizes 64 and 128, f16 and bf16 (rungs below the last f16 only), sums in float; causal, but
// no other mask or feature. No CUDA types, so that every build reads this header.
#include <optional>
#include <string>

#include "impls/core/cuda/buffer.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_solver.hpp"
#include "impls/flashattention2/cuda_wgmma_launch.hpp"

namespace ashlar::flashattention2 {

/// Why this binary on this machine cannot compute the problem: "not built", "no device: ...", a GPU
/// of another compute capability, or a shape, type, stride or feature that the kernels lack.
/// Nothing when it can. Host or device pointers.
std::optional<std::string> wgmma_unsupported(const AttentionParams& params,
                                             WgmmaRung rung = WgmmaRung::overlapped);

/// The kernel for one problem in device memory, checked and ready. Its tiles are counted in memory
/// of its own, so one call at a time.
class WgmmaLaunch {
 public:
  /// All pointers are device pointers, those of q, k, v and out aligned to 16 bytes. Throws
  /// std::invalid_argument for what validate_forward() and wgmma_unsupported() name,
  /// std::runtime_error when the driver has no tensor maps for the tensors.
  explicit WgmmaLaunch(const AttentionParams& device, WgmmaRung rung = WgmmaRung::overlapped);
  /// As CudaSolver wants it.
  static const AttentionParams& supported(const AttentionParams& params,
                                          WgmmaRung rung = WgmmaRung::overlapped);

  /// Starts the kernel on `stream` (a cudaStream_t; null is the default stream) and returns. Throws
  /// std::runtime_error when the launch fails.
  void operator()(void* stream) const;

 private:
  kernel::WgmmaPlan plan_;
  kernel::LaunchWgmma launch_ = nullptr;
  kernel::EncodedMaps maps_{};
  core::cuda::DeviceBuffer next_tile_;
};

/// `rung` as above.
using WgmmaForward = CudaForwardBy<WgmmaLaunch>;

}  // namespace ashlar::flashattention2
