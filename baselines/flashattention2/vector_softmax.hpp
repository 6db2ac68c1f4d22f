#pragma once
// The row softmax of the unfused baselines, vectorised by Highway's run-time dispatch: maximum,
// exponential (a polynomial of our own, within 2 ulp) and division in three passes over one row.
#include "impls/core/dtype.hpp"
#include "impls/core/tensor.hpp"

namespace ashlar::flashattention2::baselines {

/// Rows of scores and weights are padded to a multiple of this many elements, which the functions
/// below may overwrite.
inline constexpr core::Index kSoftmaxPadding = 16;

constexpr core::Index padded_width(core::Index width) {
  return (width + kSoftmaxPadding - 1) / kSoftmaxPadding * kSoftmaxPadding;
}

/// Replaces scores[0, visible) by softmax(scale * scores) and scores[visible, width) by zero.
/// Returns ln sum exp(scale * scores), +infinity when nothing is visible. A NaN among the visible
/// scores makes NaN of every visible weight and of the result.
float softmax_row(float* scores, core::Index visible, core::Index width, float scale);

/// The same with the weights rounded to bfloat16 (nearest, ties to even); the scores are scratch.
float softmax_row(float* scores, core::BFloat16* weights, core::Index visible, core::Index width,
                  float scale);

}  // namespace ashlar::flashattention2::baselines
