#pragma once
// The backward pass of chunked.hpp, the most that library products give without N x N numbers in
// memory: chunk by chunk of rows the weights are computed again, P = exp(scale * Q K^T - lse), and
// four more products make the gradients (unfused_backward_block.hpp). The columns that no row of a
// causal chunk sees are skipped. Recomputing is the paper's (Dao, "FlashAttention-2", arXiv
// 2307.08691, section 2.3.2); what is left out is that it works in tiles of keys too, so that dk
// and dv of a tile stay in registers or cache, where a chunk reads and writes their sums.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "baselines/flashattention2/chunked.hpp"
#include "baselines/flashattention2/unfused_backward_block.hpp"

namespace ashlar::flashattention2::baselines {

/// Nothing for f32, and for bf16 where oneDNN multiplies it here, with or without a causal mask,
/// of any lengths and groups of heads; else the reason: no window, softcap, dropout or packed
/// sequences, no rows of q, k, v, out or dout that overlap.
std::optional<std::string> chunked_backward_unsupported(const AttentionParams& params);

/// Computes dq, dk and dv from q, k, v, out, lse and dout; shapes as in attention.hpp. dk and dv
/// are summed in float over chunks and over the query heads of a group, in an order that
/// core::thread_count() and the shapes alone decide, and rounded once: every call gives the same
/// bits.
class ChunkedBackward {
 public:
  static constexpr Index kChunkRows = ChunkedForward::kChunkRows;

  /// Keeps the pointers of params; takes core::thread_count() threads, for good. Primitives and
  /// scratch are made here, outside of timing. Throws std::invalid_argument for an invalid or
  /// unsupported problem, or chunks without rows.
  explicit ChunkedBackward(const AttentionParams& params, Index chunk_rows = kChunkRows);
  void operator()();
  /// Per thread, scores and their gradients of a chunk, chunk_rows x seqlen_k in float (for bf16
  /// in bf16 as well), and sums, 2 x seqlen_k x head_dim in float. Keys and values once more where
  /// their rows have gaps.
  std::size_t workspace_bytes() const;

 private:
  /// A chunk of one of the query heads that read one kv head.
  struct Task {
    Index head;  // in its group
    RowChunk chunk;
  };
  using Share = std::vector<Task>;

  static std::vector<Share> deal(const std::vector<RowChunk>& chunks, Index group, int shares);
  void add_up(Index item, const Share& share, int sums, int worker);

  AttentionParams params_;
  int threads_;
  bool heads_in_parallel_;  // a kv head per thread; else one at a time, its chunks in parallel
  DenseKeysValues dense_;
  std::vector<UnfusedBackwardBlock> blocks_;  // one for each shape of chunk
  std::vector<Share> shares_;                 // of one kv head: all of it, or a part per thread
  KeyGradientBuffers sums_;                   // one per thread
  std::vector<core::AlignedBuffer> scratch_;
};

}  // namespace ashlar::flashattention2::baselines
