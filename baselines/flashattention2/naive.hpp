#pragma once
// The naive tier: what the formula says, loop by loop, and nothing else. "Naive" can mean a factor
// of twenty; this is the flavour of a first program:
//   - one thread, scalar C++ at -O3, no fast-math, so that the sums over head_dim and over keys are
//     not vectorised;
//   - S = Q K^T by three loops in the order row, column, head_dim;
//   - a softmax of three passes with std::exp from the C library;
//   - O = P V by three loops in the textbook order row, head_dim, column: V is read down its
//   columns;
//   - scores and weights materialised N x N in float, one head at a time (the buffer is reused);
//   - all N x N products are computed, the mask is applied to the scores; softcap and dropout are
//     passes of their own over the matrix, where the problem has them;
//   - 16-bit elements are widened to float where they are used.
#include <cstddef>
#include <optional>
#include <string>

#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

/// Why the naive tier cannot take the problem; nothing if it can (f32, bf16, f16).
std::optional<std::string> naive_unsupported(const AttentionParams& params);

class NaiveForward {
 public:
  /// Keeps the pointers of params. Throws std::invalid_argument for an invalid or unsupported
  /// problem.
  explicit NaiveForward(const AttentionParams& params);
  void operator()();
  std::size_t workspace_bytes() const { return scores_.bytes(); }

 private:
  AttentionParams params_;
  core::AlignedBuffer scores_;  // (seqlen_q, seqlen_k) floats, of the longest sequence
};

}  // namespace ashlar::flashattention2::baselines
