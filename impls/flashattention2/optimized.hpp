#pragma once
// FlashAttention-2's forward pass on a CPU: tiled online softmax with an un-normalised accumulator,
// one division at the end, parallel over row blocks (Dao, arXiv 2307.08691, Algorithm 1 and
// section 3.2). See strip_kernels.hpp for the micro-kernels and the reasons for their shapes.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "impls/core/simd.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

/// The paper's ideas, to be switched off one by one: whatever is off, the rest is the same code.
struct Ablation {
  /// false: FlashAttention-1's update, where the output is normalised after every block (sections
  /// 2.3.1 and 3.1): accumulators are multiplied by the old row sum before and divided by the new
  /// one after each block.
  bool late_normalisation = true;
  /// false: every block of keys is scored and then masked (section 3.1.1).
  bool skip_masked_blocks = true;
  /// false: FlashAttention-1's grid, one work item per (sequence, head) (section 3.2).
  bool parallel_over_rows = true;
  /// false: a block's keys, not its rows, are split over warps ("split-K", section 3.3); see
  /// split_keys.hpp for what that means on a CPU.
  bool split_queries = true;
  bool operator==(const Ablation&) const = default;
};

struct ForwardOptions {
  int threads = 0;      // 0: core::thread_count(), or fewer where the problem is too small for all
  Index row_block = 0;  // query rows per work item, rounded up to whole strips; 0: by the shape
  Index key_block = 0;  // keys per column block, a multiple of 64 up to 512; 0: by head_dim
  std::optional<core::Isa> isa =
      std::nullopt;  // use no more than this; empty: the fastest that may be used
  Ablation ablation = {};
};

/// What one call does, padding included.
struct ForwardCounts {
  std::int64_t matmul_flops = 0;    // two per multiply-add of the two products
  std::int64_t visited_blocks = 0;  // pairs of a strip of 6 rows and a block of keys
  /// Rows of head_dim accumulators that are multiplied by a factor, be it 1.
  std::int64_t output_scalings = 0;
  std::int64_t exchanged_bytes = 0;  // between the warps of split-K: written and read
  bool operator==(const ForwardCounts&) const = default;
};

/// Instruction sets for which there are kernels that serve a storage type here, fastest first.
std::vector<core::Isa> optimized_isas(core::DType dtype);

/// Why this implementation cannot take the problem (a storage type other than f32, bf16, f16; it
/// has every feature); nothing if it can. It does not repeat validate_forward().
std::optional<std::string> optimized_unsupported(const AttentionParams& params);

/// All memory that a forward pass needs beside its tensors: packed keys and values and one scratch
/// area per worker, O(batch * heads_kv * seqlen_k * head_dim + threads). Made once, outside of
/// timing; then usable for any number of calls, one at a time, on problems of the same shapes. The
/// offsets of packed sequences are part of the shapes; masks, scale, softcap and dropout are not.
class ForwardWorkspace {
 public:
  /// Throws std::invalid_argument for an invalid or unsupported problem or option.
  explicit ForwardWorkspace(const AttentionParams& params, const ForwardOptions& options = {});
  ForwardWorkspace(ForwardWorkspace&&) noexcept;
  ForwardWorkspace& operator=(ForwardWorkspace&&) noexcept;
  ~ForwardWorkspace();

  std::size_t bytes() const;
  /// The instruction set in use, for records.
  core::Isa isa() const;
  Index row_block() const;
  Index key_block() const;
  /// What the last call did, counted while it ran.
  ForwardCounts counted() const;

 private:
  friend ForwardCounts predict_counts(const AttentionParams& params,
                                      const ForwardWorkspace& workspace);
  friend void optimized_forward(const AttentionParams& params, ForwardWorkspace& workspace);
  struct State;
  std::unique_ptr<State> state_;
};

/// Bytes of a ForwardWorkspace for this problem.
std::size_t workspace_bytes(const AttentionParams& params, const ForwardOptions& options = {});

/// What optimized_forward() will do, by formula from the schedule.
ForwardCounts predict_counts(const AttentionParams& params, const ForwardWorkspace& workspace);

/// Computes params.out and params.lse. Packing is part of the call; nothing is allocated. The
/// answer depends on the instruction set, on key_block and on the ablations of normalisation, of
/// skipping and of split-K, not on threads, row_block or the grid, bit for bit. Scores between a
/// strip's rows are computed and then masked: a masked key does not count, but its values must be
/// finite, as 0 * NaN is NaN. Throws what validate_forward() throws, and std::invalid_argument when
/// shapes, offsets of sequences or storage type are not those of the workspace.
void optimized_forward(const AttentionParams& params, ForwardWorkspace& workspace);

}  // namespace ashlar::flashattention2
