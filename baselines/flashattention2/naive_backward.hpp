#pragma once
// The naive tier's backward pass: the formulas of attention.hpp, product by product, in the flavour
// of naive.hpp (one thread, scalar loops, textbook order, everything N x N stored in float, all of
// it computed and then masked). The scores are computed anew, and weights follow from lse, so there
// are five products. Source: Dao, "FlashAttention-2", arXiv 2307.08691, section 2.2.
#include <cstddef>
#include <optional>
#include <string>

#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

class NaiveBackward {
 public:
  /// Keeps the pointers of params. Throws std::invalid_argument for an invalid problem, or one that
  /// naive_unsupported() names.
  explicit NaiveBackward(const AttentionParams& params);
  /// From dout, out and lse: dq, dk and dv.
  void operator()();
  std::size_t workspace_bytes() const;

 private:
  AttentionParams params_;
  core::AlignedBuffer weights_;    // P, (seqlen_q, seqlen_k) floats
  core::AlignedBuffer gradients_;  // dP, then dS, likewise
  core::AlignedBuffer slopes_;     // of the softcap, likewise; empty without
  core::AlignedBuffer sums_;       // dk and dv of one kv head, (2, seqlen_k, head_dim) floats
};

}  // namespace ashlar::flashattention2::baselines
