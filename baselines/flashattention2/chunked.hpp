#pragma once
// The sceptic's baseline: unfused attention on chunks of rows, so that the scores of a chunk are
// reused in cache instead of being written to memory and read again, and the columns that no row of
// a causal chunk sees are skipped. No online softmax, no rescaling: the most that library products
// give. The library lays out keys and values anew for every chunk, which a fused kernel does once.
// chunked_backward.hpp has the backward pass.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "baselines/flashattention2/row_chunks.hpp"
#include "baselines/flashattention2/unfused_block.hpp"
#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

std::optional<std::string> chunked_unsupported(const AttentionParams& params);

class ChunkedForward {
 public:
  static constexpr Index kChunkRows = 128;

  /// Keeps the pointers of params; takes core::thread_count() threads, for good, each with chunks
  /// of its own. Primitives and scratch are made here, outside of timing. Throws
  /// std::invalid_argument for an invalid or unsupported problem.
  explicit ChunkedForward(const AttentionParams& params);
  void operator()();
  std::size_t workspace_bytes() const;

 private:
  AttentionParams params_;
  int threads_;
  DenseKeysValues dense_;
  std::vector<RowChunk> chunks_;
  std::vector<UnfusedBlock> blocks_;  // one for each shape of chunk
  std::vector<core::AlignedBuffer> scratch_;
};

}  // namespace ashlar::flashattention2::baselines
