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
#include "baselines/flashattention2/naive_cuda_softmax.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/flashattention2/cuda_problem.hpp"

namespace ashlar::flashattention2::baselines {

/// Why this binary on this machine cannot compute the problem: no device, no cuBLAS, a type or
/// shape that it lacks, or too little free memory for tensors and scores. Nothing when it can.
std::optional<std::string> naive_cuda_unsupported(const AttentionParams& params);

/// Device memory that the scores take.
std::size_t naive_cuda_score_bytes(const AttentionParams& params);

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
  void zero_output(void* stream);

  CudaProblem problem_;
  Cublas cublas_;
  core::cuda::DeviceBuffer scores_;     // (batch, heads_q, seqlen_q, padded seqlen_k)
  core::cuda::DeviceBuffer addresses_;  // of every head's matrices, for cuBLAS
  BatchedProduct keys_;
  SoftmaxArguments softmax_;
  BatchedProduct values_;
};

}  // namespace ashlar::flashattention2::baselines
