#pragma once
// The row softmax of the unfused baselines and its gradient, vectorised by Highway's run-time
// dispatch: maximum, exponential (a polynomial of our own, within 2 ulp) and division in three
// passes over one row.
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

// The backward pass.

/// sum_k a[k] b[k] in float.
float dot_row(const float* a, const float* b, core::Index count);
float dot_row(const core::BFloat16* a, const core::BFloat16* b, core::Index count);

/// Replaces scores[0, visible) by exp(scale * scores - lse), rounded to bfloat16 in the second
/// form, and the rest up to `width` by zero.
void weights_row(float* scores, core::Index visible, core::Index width, float scale, float lse);
void weights_row(float* scores, core::BFloat16* weights, core::Index visible, core::Index width,
                 float scale, float lse);

/// The gradient of the scores before scaling: scale * weights * (gradients - delta), for `width`
/// columns; in place of the gradients of the weights, or rounded to bfloat16.
void gradient_row(const float* weights, float* gradients, core::Index width, float delta,
                  float scale);
void gradient_row(const core::BFloat16* weights, const float* gradients, core::BFloat16* rounded,
                  core::Index width, float delta, float scale);

}  // namespace ashlar::flashattention2::baselines
