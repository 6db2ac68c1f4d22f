#pragma once
// The forward pass on tensor cores with one of the paper's ideas switched off at a time, on the
// code of CudaForward (Dao, arXiv 2307.08691, section 3): what the idea is worth is the ratio of
// the two. Head sizes 64 and 128, f16 and bf16, full and causal, no other feature. The third idea,
// the order of the loops, is FlashAttention-1's whole schedule: baselines/flashattention2/
// fa1_cuda.hpp. No CUDA types, so that every build reads this header.
#include <optional>
#include <string>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_solver.hpp"

namespace ashlar::flashattention2 {

/// Why this binary on this machine cannot compute the problem: "not built", "no device: ...", or a
/// shape, type, stride or feature that the kernels lack. Nothing when it can. Host or device
/// pointers.
std::optional<std::string> cuda_ablation_unsupported(const AttentionParams& params);

/// One problem in device memory with one idea switched off, checked and ready.
class CudaAblationLaunch {
 public:
  enum class Without {
    sequence_parallelism,  // section 3.2: a thread block per head
    split_queries,         // section 3.3: warps share out columns ("split-K")
  };

  /// All pointers are device pointers, those of q, k, v and out aligned to 16 bytes. Throws
  /// std::invalid_argument for what validate_forward() and cuda_ablation_unsupported() name.
  CudaAblationLaunch(const AttentionParams& device, Without without);
  /// As CudaSolver wants it.
  static const AttentionParams& supported(const AttentionParams& params, Without without);

  /// Starts the kernel on `stream` (a cudaStream_t; null is the default stream) and returns. Throws
  /// std::runtime_error when the launch fails.
  void operator()(void* stream) const {
    if (plan_.grid.x != 0) launch_(plan_.arguments, plan_.grid, stream);
  }

 private:
  kernel::AblationPlan plan_;
  kernel::LaunchForward launch_ = nullptr;
};

class CudaHeadsOnly : public CudaForwardBy<CudaAblationLaunch> {
 public:
  explicit CudaHeadsOnly(const AttentionParams& host)
      : CudaSolver(host, CudaAblationLaunch::Without::sequence_parallelism) {}
};

class CudaSplitKeys : public CudaForwardBy<CudaAblationLaunch> {
 public:
  explicit CudaSplitKeys(const AttentionParams& host)
      : CudaSolver(host, CudaAblationLaunch::Without::split_queries) {}
};

}  // namespace ashlar::flashattention2
