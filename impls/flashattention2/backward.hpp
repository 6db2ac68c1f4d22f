#pragma once
// FlashAttention-2's backward pass on a CPU (Dao, arXiv 2307.08691, Algorithm 2 and section 3.2):
// weights recomputed tile by tile from lse, parallel over column blocks of keys, also of a single
// head. backward_kernels.hpp has the design.
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "impls/core/simd.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

struct BackwardOptions {
  int threads = 0;      // 0: core::thread_count(), or fewer where the problem is too small for all
  Index row_block = 0;  // query rows per tile, rounded up to a multiple of 6; 0: by the shape
  Index key_block = 0;  // keys per column block, rounded up to a multiple of 48; 0: by the shape
  std::optional<core::Isa> isa =
      std::nullopt;  // use no more than this; empty: the fastest that may be used
};

/// Instruction sets for which there are kernels that serve a storage type here, fastest first.
std::vector<core::Isa> optimized_backward_isas(core::DType dtype);

/// Why this implementation cannot take the problem (a storage type other than f32, bf16, f16);
/// nothing if it can. It does not repeat validate_backward().
std::optional<std::string> optimized_backward_unsupported(const AttentionParams& params);

/// All memory that a backward pass needs beside its tensors: packed queries and output gradients,
/// one scratch area per worker, and sums of dq in single precision, of which there is one per
/// worker or, where params.deterministic, one for each of up to eight slices of the keys. O(batch *
/// heads_q
/// * seqlen_q * head_dim * (threads or slices) + threads). Made once, outside of timing; then
/// usable for any number of calls on problems of the same shapes, one at a time.
class BackwardWorkspace {
 public:
  /// Throws std::invalid_argument for an invalid or unsupported problem or option.
  explicit BackwardWorkspace(const AttentionParams& params, const BackwardOptions& options = {});
  BackwardWorkspace(BackwardWorkspace&&) noexcept;
  BackwardWorkspace& operator=(BackwardWorkspace&&) noexcept;
  ~BackwardWorkspace();

  std::size_t bytes() const;
  /// The instruction set in use, for records.
  core::Isa isa() const;
  Index row_block() const;
  Index key_block() const;
  int threads() const;

 private:
  friend void optimized_backward(const AttentionParams& params, BackwardWorkspace& workspace);
  struct State;
  std::unique_ptr<State> state_;
};

/// Computes params.dq, dk and dv from q, k, v, out, lse and dout. Packing is part of the call;
/// nothing is allocated. dk and dv depend on the instruction set and on row_block, not on threads
/// or key_block, bit for bit; dq depends on key_block too, and, unless params.deterministic, on
/// which thread got which column block. Weights and score gradients are rounded to bfloat16 where
/// the instruction set is avx512_bf16. K and V must be finite, as attention.hpp says. Throws what
/// validate_backward() throws, and std::invalid_argument when shapes, storage type, number of
/// sequences or params.deterministic are not those of the workspace.
void optimized_backward(const AttentionParams& params, BackwardWorkspace& workspace);

}  // namespace ashlar::flashattention2
