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
#include "impls/flashattention2/cuda_problem.hpp"

namespace ashlar::flashattention2 {

/// Why this binary on this machine cannot compute the problem: "not built", "no device: ...", or a
/// shape, type, stride or feature that the kernels lack. Nothing when it can. Host or device
/// pointers.
std::optional<std::string> cuda_ablation_unsupported(const AttentionParams& params);

/// A problem on the GPU and the kernel that solves it; copies and checks happen outside execute().
class CudaAblation {
 public:
  enum class Without {
    sequence_parallelism,  // section 3.2: a thread block per head
    split_queries,         // section 3.3: warps share out columns ("split-K")
  };

  /// Throws std::invalid_argument for what validate_forward() and cuda_ablation_unsupported() name,
  /// and what CudaProblem throws.
  CudaAblation(const AttentionParams& host, Without without);

  void poison() { problem_.poison(); }
  /// Starts the kernel on `stream` (a cudaStream_t; null is the default stream) and returns. Throws
  /// std::runtime_error when the launch fails.
  void execute(void* stream) {
    if (plan_.grid.x != 0) launch_(plan_.arguments, plan_.grid, stream);
  }
  void fetch() { problem_.fetch(); }
  const CudaProblem& problem() const { return problem_; }

 private:
  CudaProblem problem_;
  kernel::AblationPlan plan_;
  kernel::LaunchForward launch_ = nullptr;
};

class CudaHeadsOnly : public CudaAblation {
 public:
  explicit CudaHeadsOnly(const AttentionParams& host)
      : CudaAblation(host, Without::sequence_parallelism) {}
};

class CudaSplitKeys : public CudaAblation {
 public:
  explicit CudaSplitKeys(const AttentionParams& host)
      : CudaAblation(host, Without::split_queries) {}
};

}  // namespace ashlar::flashattention2
