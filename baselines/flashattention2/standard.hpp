#pragma once
// Standard attention, the strongest unfused form we can build: S = Q K^T and O = P V by a
// library (oneDNN, or OpenBLAS), around a vectorised softmax; all N x N scores of a head are
// stored. The causal mask acts in the softmax, and both products are computed in full: skipping
// masked blocks is what "standard" does not do (see chunked.hpp for a baseline that does). Kinder
// than the paper's baseline, which also reads and writes an additive mask and rounds scores to 16
// bits.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "baselines/flashattention2/unfused_block.hpp"
#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

std::optional<std::string> standard_unsupported(const AttentionParams& params);
std::optional<std::string> standard_openblas_unsupported(const AttentionParams& params);

/// Heads in parallel save the synchronisation within each head, where `heads` of them balance the
/// threads.
bool prefer_heads(const AttentionParams& params, Index heads, int threads);

class StandardForward {
 public:
  /// Keeps the pointers of params; takes core::thread_count() threads, for good. Primitives and
  /// scratch are made here, outside of timing. Throws std::invalid_argument for an invalid or
  /// unsupported problem.
  explicit StandardForward(const AttentionParams& params,
                           ProductLibrary library = ProductLibrary::onednn);
  void operator()();
  std::size_t workspace_bytes() const;

 private:
  AttentionParams params_;
  bool heads_in_parallel_;  // a head per thread; else one head at a time, its rows in parallel
  int threads_;
  DenseKeysValues dense_;
  UnfusedBlock block_;
  std::vector<core::AlignedBuffer> scratch_;
};

/// The same on OpenBLAS, a second opinion on what products without a fused kernel can give.
class StandardOpenblasForward : public StandardForward {
 public:
  explicit StandardOpenblasForward(const AttentionParams& params)
      : StandardForward(params, ProductLibrary::openblas) {}
};

}  // namespace ashlar::flashattention2::baselines
