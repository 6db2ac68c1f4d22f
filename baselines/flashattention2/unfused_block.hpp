#pragma once
// What the standard and the chunked baseline share: some rows of one head, unfused. The scores of
// all rows against the first `width` columns are stored, then turned into weights by a row softmax,
// then multiplied by the values.
//
// oneDNN's fast products (batch-reduce GEMM) want matrices without gaps between rows; with gaps,
// as between the rows of one head in (batch, seqlen, heads, head_dim) order, it falls back to a
// kernel that was measured up to a quarter slower (bf16, head_dim 64). So a head's operands are
// copied together first, inside the timed part: O(N) work before O(N^2).
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "baselines/flashattention2/matrix_product.hpp"
#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

/// Why the unfused baselines cannot take the problem (no library, a storage type that it does not
/// multiply here, rows that overlap or run backwards); nothing if they can.
std::optional<std::string> unfused_unsupported(const AttentionParams& params,
                                               ProductLibrary library);

/// Keys and values of every (batch, kv head) as matrices without gaps: the tensors' own memory
/// where it is so already, else copies.
class DenseKeysValues {
 public:
  explicit DenseKeysValues(const AttentionParams& params);
  /// Copying is a loop over items, which may run at the same time; none where nothing is copied.
  Index pack_items(const AttentionParams& params) const;
  void pack_item(const AttentionParams& params, Index item);
  /// The whole loop, on so many threads.
  void pack(const AttentionParams& params, int threads);
  const void* keys(const AttentionParams& params, Index batch, Index head_kv) const;
  const void* values(const AttentionParams& params, Index batch, Index head_kv) const;
  std::size_t bytes() const { return keys_.bytes() + values_.bytes(); }

 private:
  bool copies_;
  std::size_t head_bytes_;
  core::AlignedBuffer keys_;
  core::AlignedBuffer values_;
};

/// `rows` rows of any head against columns [0, width). Scores are float; for bf16 the weights are
/// rounded to bf16 after the division by their sum, and the output once.
class UnfusedBlock {
 public:
  /// Of more threads than one: one block at a time (worker 0), its products and softmax in
  /// parallel. Of one thread: a block per worker at the same time.
  UnfusedBlock(const AttentionParams& params, Index rows, Index width, const ProductPlan& plan);

  /// Per worker, aligned to 64.
  std::size_t scratch_bytes() const;

  /// Of the weights, where the caller keeps them.
  MatrixLayout weights_layout() const;

  /// Computes out and lse of rows [first_row, first_row + rows); columns beyond `width` must be
  /// invisible to them. The weights are left in `kept`, if not null.
  void operator()(const AttentionParams& params, const DenseKeysValues& dense, Index batch,
                  Index head, Index first_row, int worker, std::byte* scratch,
                  void* kept = nullptr) const;

 private:
  std::size_t row_scratch_bytes() const;
  void for_rows(const std::function<void(Index)>& body) const;
  void fill_unseen(const AttentionParams& params, Index batch, Index head, Index first_row) const;
  void gather_queries(const AttentionParams& params, Index batch, Index head, Index first_row,
                      std::byte* queries) const;
  void scatter_out(const AttentionParams& params, Index batch, Index head, Index first_row,
                   const std::byte* out) const;
  void softmax(const AttentionParams& params, Index batch, Index head, Index first_row,
               float* scores, core::BFloat16* weights) const;

  Index rows_;
  Index width_;
  int threads_;
  bool gather_queries_;  // rows of a head have gaps in q; likewise in out
  bool scatter_out_;
  std::size_t row_bytes_;  // of q and out
  bool narrow_;            // weights are bf16, beside the scores; else float, in their place
  Index score_stride_;     // in floats
  Index weight_stride_;    // in bf16 elements
  std::optional<MatrixProduct> scores_product_;  // absent when width is 0
  std::optional<MatrixProduct> values_product_;
};

}  // namespace ashlar::flashattention2::baselines
