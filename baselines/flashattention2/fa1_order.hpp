#pragma once
// FlashAttention-1's loop order on the micro-kernels of FlashAttention-2, so that a comparison of
// the two sees the order and what follows from it:
//   - the outer loop goes over blocks of keys, the inner one over query rows;
//   - output and statistics of every row therefore live in memory: at each (key block, rows) they
//     are read, rescaled, normalised and written again;
//   - the grid is batch x heads: one head never uses more than one thread.
// Source: Dao, "FlashAttention-2", arXiv 2307.08691, section 2.3 (formulas), and Dao et al.,
// "FlashAttention", arXiv 2205.14135, Algorithm 1 (order of the loops).
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "impls/core/simd.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

struct Fa1Options {
  int threads = 0;                              // 0: core::thread_count()
  Index key_block = 0;                          // as in ForwardOptions, with the same default
  std::optional<core::Isa> isa = std::nullopt;  // use no more than this
};

/// Why FlashAttention-1's order cannot take the problem; nothing if it can (f32, bf16, f16).
std::optional<std::string> fa1_unsupported(const AttentionParams& params);

/// Packed keys and values, the statistics m and l of every row, and for 16-bit storage the output
/// in single precision: O(N). Made once, outside of timing, for any number of calls on problems of
/// the same shapes, one at a time.
class Fa1Workspace {
 public:
  /// Throws std::invalid_argument for an invalid or unsupported problem or option.
  explicit Fa1Workspace(const AttentionParams& params, const Fa1Options& options = {});
  Fa1Workspace(Fa1Workspace&&) noexcept;
  Fa1Workspace& operator=(Fa1Workspace&&) noexcept;
  ~Fa1Workspace();

  std::size_t bytes() const;
  core::Isa isa() const;
  Index key_block() const;

 private:
  friend void fa1_forward(const AttentionParams& params, Fa1Workspace& workspace);
  struct State;
  std::unique_ptr<State> state_;
};

/// Computes params.out and params.lse; packing is part of the call. Throws what validate_forward()
/// throws, and std::invalid_argument when shapes or storage type are not those of the workspace.
void fa1_forward(const AttentionParams& params, Fa1Workspace& workspace);

}  // namespace ashlar::flashattention2::baselines
