#pragma once
// Standard attention on a GPU, what FlashAttention is measured against: S = scale Q K^T by cuBLAS,
// a softmax kernel over each row of S in place, O = P V by cuBLAS. S and P lie in device memory, N
// x N elements of the tensors' type per head, so lse is that of scores rounded to that type. Each
// product is one call for all batch entries and heads. The causal mask costs no pass of its own
// (the softmax kernel reads visible columns only), which is kinder than the standard method of the
// paper's benchmark. Source: Dao, arXiv 2307.08691, section 2.2.
#include <cstddef>
#include <optional>
#include <string>

#include "baselines/flashattention2/cublas.hpp"
#include "baselines/flashattention2/naive_cuda_plan.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/flashattention2/cuda_problem.hpp"

namespace ashlar::flashattention2::baselines {

/// Why this binary on this machine cannot compute the problem: no device, no cuBLAS, a type or
/// shape that it lacks, or too little free memory for tensors and scores. Nothing when it can.
std::optional<std::string> naive_cuda_unsupported(const AttentionParams& params);

/// All device memory that is taken: scores, tensors, and what cuBLAS allocates for itself.
std::size_t naive_cuda_needed_bytes(const AttentionParams& params);

/// A problem on the GPU; copies, allocation and addresses are made outside execute().
class NaiveCudaForward {
 public:
  /// Throws std::invalid_argument for what naive_cuda_unsupported() names, std::bad_alloc when
  /// device memory is short after all, std::runtime_error when CUDA or cuBLAS fails.
  explicit NaiveCudaForward(const AttentionParams& host);

  void poison() { problem_.poison(); }
  /// Starts products and softmax on `stream` (a cudaStream_t).
  void execute(void* stream);
  void fetch() { problem_.fetch(); }
  const CudaProblem& problem() const { return problem_; }

 private:
  CudaProblem problem_;
  Cublas cublas_;
  core::cuda::DeviceBuffer scores_;     // (batch, heads_q, seqlen_q, padded seqlen_k)
  core::cuda::DeviceBuffer addresses_;  // of every head's matrices, for cuBLAS
  NaiveForwardPlan plan_;
};

/// Products and softmax on `stream`, or the answer where there is no key or no row. The plan is
/// read only where there are both.
void launch_naive_forward(const AttentionParams& device, const NaiveForwardPlan& plan,
                          Cublas& cublas, void* stream);

/// Fills the elements of a tensor of the device with zeros: cuBLAS wants a matrix even for a sum of
/// nothing.
void launch_zero_tensor(const core::AnyView<4>& tensor, void* stream);

/// Bytes from the first element of a tensor to the end of its last.
template <class Tensor>
std::size_t extent_bytes(const Tensor& tensor, std::size_t element_bytes) {
  Index last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] == 0) return 0;
    last += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return static_cast<std::size_t>(last + 1) * element_bytes;
}

/// Why device memory does not hold `needed` bytes, of which `scores` are N x N matrices.
std::optional<std::string> naive_memory_short(std::size_t needed, std::size_t scores);

}  // namespace ashlar::flashattention2::baselines
