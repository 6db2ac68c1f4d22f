#pragma once
// cuDNN's fused attention as a peer, both passes: what NVIDIA's library makes of the graphs in
// cudnn_attention_graph.hpp. f16 and bf16; causal masks of equal lengths. Plans are made once for
// every shape and kept for the process. No types of CUDA or cuDNN, and neither headers nor library
// are needed to build or start.
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "impls/flashattention2/cuda_problem.hpp"

namespace ashlar::flashattention2::baselines {

namespace cudnn {
class Execution;
}

/// Why this binary on this machine cannot compute the problem: no device, no cuDNN or an old one, a
/// type or shape that the graph lacks, or cuDNN's own reason. Nothing when it can.
std::optional<std::string> cudnn_unsupported(const AttentionParams& params);
std::optional<std::string> cudnn_backward_unsupported(const AttentionParams& params);
std::optional<std::string> cudnn_both_unsupported(const AttentionParams& params);

/// Device memory beside the tensors: what the plan asks for, and in the backward pass D and the
/// sums of dq. For supported problems.
std::size_t cudnn_workspace_bytes(const AttentionParams& params);
std::size_t cudnn_backward_workspace_bytes(const AttentionParams& params);
std::size_t cudnn_both_workspace_bytes(const AttentionParams& params);

class CudnnForward {
 public:
  /// Throws std::invalid_argument for what cudnn_unsupported() names, std::bad_alloc when device
  /// memory is short, std::runtime_error when CUDA or cuDNN fails.
  explicit CudnnForward(const AttentionParams& host);
  ~CudnnForward();

  void poison() { problem_.poison(); }
  /// Starts the plan on `stream` (a cudaStream_t).
  void execute(void* stream);
  void fetch() { problem_.fetch(); }
  const CudaProblem& problem() const { return problem_; }

 private:
  CudaProblem problem_;
  std::unique_ptr<cudnn::Execution> forward_;
};

/// The backward pass, and with Passes::both the forward pass before it.
class CudnnGradients {
 public:
  /// Throws as CudnnForward does.
  CudnnGradients(const AttentionParams& host, CudaGradientProblem::Passes passes);
  ~CudnnGradients();

  void poison() { problem_.poison(); }
  void execute(void* stream);
  void fetch() { problem_.fetch(); }
  const CudaGradientProblem& problem() const { return problem_; }

 private:
  CudaGradientProblem problem_;
  std::unique_ptr<cudnn::Execution> forward_;
  std::unique_ptr<cudnn::Execution> backward_;
};

class CudnnBackward : public CudnnGradients {
 public:
  explicit CudnnBackward(const AttentionParams& host)
      : CudnnGradients(host, CudaGradientProblem::Passes::backward) {}
};

class CudnnBothPasses : public CudnnGradients {
 public:
  explicit CudnnBothPasses(const AttentionParams& host)
      : CudnnGradients(host, CudaGradientProblem::Passes::both) {}
};

}  // namespace ashlar::flashattention2::baselines
