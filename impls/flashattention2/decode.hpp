#pragma once
// Split-KV attention for few query rows (decoding) on a CPU: keys are cut into splits that threads
// take, each gives a partial output and lse in single precision, and combine.hpp joins them (Dao,
// "FlashAttention-2", arXiv 2307.08691; the splits came with version 2.2 of the official code). See
// decode_kernels.hpp for the kernels and why they are as they are.
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "impls/core/simd.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

struct DecodeOptions {
  int threads = 0;   // 0: core::thread_count(), or fewer where K and V are too short for all
  Index splits = 0;  // of the longest sequence's keys, more than keys allowed; 0: by the shape
  std::optional<core::Isa> isa =
      std::nullopt;  // use no more than this; empty: the fastest that may be used
};

/// Instruction sets for which there are kernels that serve a storage type here, fastest first.
std::vector<core::Isa> decode_isas(core::DType dtype);

/// Why this implementation cannot take the problem (a storage type other than f32, bf16, f16);
/// nothing if it can. It takes every feature of attention.hpp and any number of query rows, but is
/// meant for 1 to 16: K and V are read once for every 128 rows that share a kv head.
std::optional<std::string> decode_unsupported(const AttentionParams& params);

/// All memory that a call needs beside its tensors: the partial answers, O(splits * rows *
/// head_dim), and one scratch area per worker. Made once, outside of timing; then usable for any
/// number of calls on problems of the same shapes and number of sequences, one at a time.
class DecodeWorkspace {
 public:
  /// Throws std::invalid_argument for an invalid or unsupported problem or option.
  explicit DecodeWorkspace(const AttentionParams& params, const DecodeOptions& options = {});
  DecodeWorkspace(DecodeWorkspace&&) noexcept;
  DecodeWorkspace& operator=(DecodeWorkspace&&) noexcept;
  ~DecodeWorkspace();

  std::size_t bytes() const;
  /// What is in use, for records.
  core::Isa isa() const;
  Index splits() const;
  int threads() const;

 private:
  friend void decode_forward(const AttentionParams& params, DecodeWorkspace& workspace);
  struct State;
  std::unique_ptr<State> state_;
};

/// Computes params.out and params.lse; nothing is allocated. K and V are read in place. The longest
/// sequence is cut into workspace.splits() parts of equal length, shorter ones into fewer. The
/// answer depends on the instruction set and on the number of splits, not on threads, bit for bit.
/// Throws what validate_forward() throws, and std::invalid_argument when shapes, sequences or
/// storage type are not those of the workspace.
void decode_forward(const AttentionParams& params, DecodeWorkspace& workspace);

}  // namespace ashlar::flashattention2
