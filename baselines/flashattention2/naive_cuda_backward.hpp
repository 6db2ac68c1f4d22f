#pragma once
// The backward pass of standard attention on a GPU (naive_cuda_plan.hpp), and both passes in turn.
// As autograd does, the backward pass reads the weights P that the forward pass has stored: in the
// backward pass alone they are made when the problem is, outside of what is timed; in both passes
// the forward pass leaves them. A second N x N matrix per head takes dP and then dS. Kinder than
// the paper's baseline, which keeps more of them, and masks and scales in passes of their own; and
// than PyTorch's math backend, which computes in single precision in between.
#include <cstddef>
#include <optional>
#include <string>

#include "baselines/flashattention2/naive_cuda.hpp"

namespace ashlar::flashattention2::baselines {

/// Why this binary on this machine cannot compute the gradients: as naive_cuda_unsupported().
std::optional<std::string> naive_cuda_backward_unsupported(const AttentionParams& params);

/// Device memory that P and dP take together.
std::size_t naive_cuda_backward_score_bytes(const AttentionParams& params);

/// All device memory that is taken, also where the outputs are not there yet.
std::size_t naive_cuda_backward_needed_bytes(const AttentionParams& params);

/// The passes of one problem in device memory, with memory for P and dP: what trains without
/// FlashAttention.
class NaiveCudaLaunch {
 public:
  /// All pointers are device pointers. Throws std::invalid_argument for what validate_backward()
  /// and naive_gradient_shape_unsupported() name, std::bad_alloc when device memory is short,
  /// std::runtime_error when CUDA or cuBLAS fails.
  explicit NaiveCudaLaunch(const AttentionParams& device);

  /// Start on `stream` (a cudaStream_t); the second reads what the first kept.
  void forward(void* stream);
  void backward(void* stream);
  /// P alone, as forward() keeps it; waits for it.
  void keep_weights();

 private:
  bool nothing_to_see() const { return weights_.bytes() == 0; }

  AttentionParams device_;
  Cublas cublas_;
  core::cuda::DeviceBuffer weights_;    // (batch, heads_q, seqlen_q, padded seqlen_k)
  core::cuda::DeviceBuffer gradients_;  // likewise: dP, dS
  core::cuda::DeviceBuffer addresses_;
  NaiveForwardPlan forward_;
  NaiveBackwardPlan backward_;
};

/// A problem on the GPU and its passes.
class NaiveCudaGradients {
 public:
  /// Throws std::invalid_argument for what naive_cuda_backward_unsupported() names, std::bad_alloc
  /// when device memory is short after all, std::runtime_error when CUDA or cuBLAS fails.
  NaiveCudaGradients(const AttentionParams& host, CudaGradientProblem::Passes passes);

  void poison() { problem_.poison(); }
  void fetch() { problem_.fetch(); }
  const CudaGradientProblem& problem() const { return problem_; }

 protected:
  NaiveCudaLaunch& launch() { return launch_; }

 private:
  CudaGradientProblem problem_;
  NaiveCudaLaunch launch_;
};

/// Products and softmax of the backward pass on `stream`.
void launch_naive_backward(const AttentionParams& device, const NaiveBackwardPlan& plan,
                           Cublas& cublas, void* stream);

class NaiveCudaBackward : public NaiveCudaGradients {
 public:
  explicit NaiveCudaBackward(const AttentionParams& host)
      : NaiveCudaGradients(host, CudaGradientProblem::Passes::backward) {
    launch().keep_weights();
  }
  void execute(void* stream) { launch().backward(stream); }
};

class NaiveCudaBothPasses : public NaiveCudaGradients {
 public:
  explicit NaiveCudaBothPasses(const AttentionParams& host)
      : NaiveCudaGradients(host, CudaGradientProblem::Passes::both) {}
  void execute(void* stream) {
    launch().forward(stream);
    launch().backward(stream);
  }
};

}  // namespace ashlar::flashattention2::baselines
