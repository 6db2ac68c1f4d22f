#pragma once
// FlashAttention-2's forward pass on a CPU: tiled online softmax with an un-normalised accumulator,
// one division at the end, parallel over row blocks (Dao, arXiv 2307.08691, Algorithm 1 and
// section 3.2). See strip_kernels.hpp for the micro-kernels and the reasons for their shapes.
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "impls/core/simd.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

struct ForwardOptions {
  int threads = 0;      // 0: core::thread_count(), or fewer where the problem is too small for all
  Index row_block = 0;  // query rows per work item, rounded up to whole strips; 0: by the shape
  Index key_block = 0;  // keys per column block, a multiple of 64 up to 512; 0: by head_dim
  std::optional<core::Isa> isa =
      std::nullopt;  // use no more than this; empty: the fastest that may be used
};

/// Instruction sets for which there are kernels that serve a storage type here, fastest first.
std::vector<core::Isa> optimized_isas(core::DType dtype);

/// Why this implementation cannot take the problem (a storage type other than f32, bf16, f16);
/// nothing if it can. It does not repeat validate_forward().
std::optional<std::string> optimized_unsupported(const AttentionParams& params);

/// All memory that a forward pass needs beside its tensors: packed keys and values and one scratch
/// area per worker, O(batch * heads_kv * seqlen_k * head_dim + threads). Made once, outside of
/// timing; then usable for any number of calls on problems of the same shapes, one at a time.
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

 private:
  friend void optimized_forward(const AttentionParams& params, ForwardWorkspace& workspace);
  struct State;
  std::unique_ptr<State> state_;
};

/// Bytes of a ForwardWorkspace for this problem.
std::size_t workspace_bytes(const AttentionParams& params, const ForwardOptions& options = {});

/// Computes params.out and params.lse. Packing is part of the call; nothing is allocated. The
/// answer depends on the instruction set and on key_block, not on threads or row_block, bit for
/// bit. Scores between a strip's rows are computed and then masked: a masked key does not count,
/// but its values must be finite, as 0 * NaN is NaN. Throws what validate_forward() throws, and
/// std::invalid_argument when shapes or storage type are not those of the workspace.
void optimized_forward(const AttentionParams& params, ForwardWorkspace& workspace);

}  // namespace ashlar::flashattention2
