#pragma once
// What the standard and the chunked baseline share: some rows of one head, unfused. The scores of
// all rows against the first `width` columns are stored, then turned into weights by a row softmax,
// then multiplied by the values.
#include <cstddef>
#include <optional>
#include <string>

#include "baselines/flashattention2/matrix_product.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

/// Why the unfused baselines cannot take the problem (oneDNN not built in, f16, f64, a CPU without
/// bf16 products, rows that overlap or run backwards); nothing if they can.
std::optional<std::string> unfused_unsupported(const ForwardParams& params);

/// `rows` rows of any head against columns [0, width). Scores are float; for bf16 the weights are
/// rounded to bf16 after the division by their sum, and the output once.
class UnfusedBlock {
 public:
  /// threads > 1: one block at a time (worker 0), its products and softmax in parallel.
  /// threads = 1: a block per worker at the same time.
  UnfusedBlock(const ForwardParams& params, Index rows, Index width, int threads, int workers);

  /// Per worker, aligned to 64.
  std::size_t scratch_bytes() const;

  /// Computes out and lse of rows [first_row, first_row + rows); columns beyond `width` must be
  /// invisible to them.
  void operator()(const ForwardParams& params, Index batch, Index head, Index first_row, int worker,
                  std::byte* scratch) const;

 private:
  void softmax(const ForwardParams& params, Index batch, Index head, Index first_row, float* scores,
               core::BFloat16* weights) const;

  Index rows_;
  Index width_;
  int threads_;
  bool narrow_;          // weights are bf16, beside the scores; else float, in their place
  Index score_stride_;   // in floats
  Index weight_stride_;  // in bf16 elements
  std::optional<MatrixProduct> scores_product_;  // absent when width is 0
  std::optional<MatrixProduct> values_product_;
};

}  // namespace ashlar::flashattention2::baselines
