#pragma once
// A training step of standard attention, the strongest unfused form we can build: the forward pass
// of standard.hpp keeps its weights P, N x N numbers for every query head in the storage type, and
// the backward pass reads them:
//   dV = P^T dO,  dP = dO V^T,  dS = scale * P o (dP - D),  dQ = dS K,  dK = dS^T Q,
// four products over the whole N x N, masked or not. Kinder than the paper's baseline, which sums
// P o dP for D, and scales and masks in passes of their own. Source: Dao, "FlashAttention-2", arXiv
// 2307.08691, section 2.2.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "baselines/flashattention2/unfused_backward_block.hpp"

namespace ashlar::flashattention2::baselines {

std::optional<std::string> standard_backward_unsupported(const AttentionParams& params);
std::optional<std::string> standard_openblas_backward_unsupported(const AttentionParams& params);

/// Both passes, with what the first leaves to the second.
class StandardTrainingStep {
 public:
  /// Keeps the pointers of params; takes core::thread_count() threads, for good. Primitives,
  /// scratch and the place of the weights are made here. Throws std::invalid_argument for an
  /// invalid or unsupported problem, std::bad_alloc when the weights do not fit into memory.
  explicit StandardTrainingStep(const AttentionParams& params,
                                ProductLibrary library = ProductLibrary::onednn);
  /// Computes out, lse and the weights.
  void forward();
  /// The weights alone; out and lse are left as they are.
  void keep_weights();
  /// Computes dq, dk and dv from out and the weights.
  void backward();
  std::size_t workspace_bytes() const;

 private:
  void forward(const AttentionParams& params);
  void backward_group(Index item, int worker);
  void* weights_of(Index batch, Index head);

  AttentionParams params_;
  bool heads_in_parallel_;  // a kv head per thread; else one at a time, its rows in parallel
  int threads_;
  ProductPlan plan_;
  DenseKeysValues dense_;
  UnfusedBlock forward_;
  UnfusedBackwardBlock backward_;
  std::size_t head_weight_bytes_;
  core::AlignedBuffer weights_;  // (batch, heads_q, seqlen_q, padded seqlen_k)
  KeyGradientBuffers sums_;
  std::vector<core::AlignedBuffer> scratch_;
};

/// The backward pass alone.
class StandardBackward {
 public:
  /// As StandardTrainingStep. The weights are made here, outside of timing, from q, k and v: as
  /// autograd has them from the forward pass.
  explicit StandardBackward(const AttentionParams& params,
                            ProductLibrary library = ProductLibrary::onednn)
      : step_(params, library) {
    step_.keep_weights();
  }
  void operator()() { step_.backward(); }
  std::size_t workspace_bytes() const { return step_.workspace_bytes(); }

 private:
  StandardTrainingStep step_;
};

/// Both passes: out, lse, dq, dk and dv.
class StandardBothPasses {
 public:
  explicit StandardBothPasses(const AttentionParams& params,
                              ProductLibrary library = ProductLibrary::onednn)
      : step_(params, library) {}
  void operator()() {
    step_.forward();
    step_.backward();
  }
  std::size_t workspace_bytes() const { return step_.workspace_bytes(); }

 private:
  StandardTrainingStep step_;
};

class StandardOpenblasBackward : public StandardBackward {
 public:
  explicit StandardOpenblasBackward(const AttentionParams& params)
      : StandardBackward(params, ProductLibrary::openblas) {}
};

class StandardOpenblasBothPasses : public StandardBothPasses {
 public:
  explicit StandardOpenblasBothPasses(const AttentionParams& params)
      : StandardBothPasses(params, ProductLibrary::openblas) {}
};

}  // namespace ashlar::flashattention2::baselines
