#pragma once
// The softmax between the two products of standard attention on a GPU, and its gradient.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/core/dtype.hpp"

namespace ashlar::flashattention2::baselines {

struct SoftmaxArguments {
  void* scores = nullptr;  // (batch, heads, seqlen_q, padded_columns), scaled; becomes P
  float* lse = nullptr;    // (batch, heads, seqlen_q)
  std::int64_t lse_strides[3] = {};
  std::int64_t rows = 0;  // batch * heads * seqlen_q
  std::int64_t heads = 0;
  std::int64_t seqlen_q = 0;
  std::int64_t seqlen_k = 0;
  std::int64_t padded_columns = 0;  // a multiple of 8; the padding becomes zeros
  bool causal = false;
};

struct SoftmaxGradientArguments {
  const void* weights = nullptr;  // P, (batch, heads, seqlen_q, padded_columns)
  void* gradients = nullptr;      // dP, likewise; becomes dS, with zeros where nothing is seen
  std::int64_t rows = 0;          // as above
  std::int64_t seqlen_q = 0;
  std::int64_t seqlen_k = 0;
  std::int64_t padded_columns = 0;
  bool causal = false;
};

/// Start a kernel on `stream` (a cudaStream_t). Scores, weights and gradients are f32, f16 or bf16.
/// Throw std::runtime_error when the launch fails or CUDA is not built.
void launch_softmax(const SoftmaxArguments& arguments, core::DType dtype, void* stream);
void launch_softmax_gradient(const SoftmaxGradientArguments& arguments, core::DType dtype,
                             void* stream);

/// Fills `rows` rows of `row_bytes`, `pitch` bytes apart, with zeros, on `stream`.
void launch_zeros(void* first, std::size_t pitch, std::size_t row_bytes, std::size_t rows,
                  void* stream);

/// Columns that a row sees, from the first.
template <class Arguments>
ASHLAR_HOST_DEVICE std::int64_t visible_columns(const Arguments& arguments, std::int64_t row) {
  if (!arguments.causal) return arguments.seqlen_k;
  const std::int64_t visible =
      row % arguments.seqlen_q + 1 + arguments.seqlen_k - arguments.seqlen_q;
  return visible < 0 ? 0 : (visible < arguments.seqlen_k ? visible : arguments.seqlen_k);
}

ASHLAR_HOST_DEVICE std::int64_t lse_offset(const SoftmaxArguments& arguments, std::int64_t row) {
  const std::int64_t pair = row / arguments.seqlen_q;
  return pair / arguments.heads * arguments.lse_strides[0] +
         pair % arguments.heads * arguments.lse_strides[1] +
         row % arguments.seqlen_q * arguments.lse_strides[2];
}

// Exponentials are powers of two: e^(s - m) = 2^(s log2 e - m log2 e), so that one multiply-add and
// one instruction give a weight.
inline constexpr float kLog2E = 1.44269504F;
inline constexpr float kLn2 = 0.693147181F;

/// m log2 e, rounded: a compiler that fused the product into a following sum would give each use
/// another number, and weights taken relative to different numbers do not add up.
ASHLAR_HOST_DEVICE float scaled(float maximum) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(maximum, kLog2E);
#else
  return maximum * kLog2E;
#endif
}

/// What to subtract; 0 while no score was a number, as -inf - -inf is none.
ASHLAR_HOST_DEVICE float guarded(float maximum) { return maximum == -INFINITY ? 0.0F : maximum; }

/// Sum of 2^(s log2 e - guarded(maximum)) over some scores of a row, with their scaled maximum. A
/// NaN among the scores is in the sum.
struct RunningSum {
  float maximum = -INFINITY;
  float sum = 0;
};

ASHLAR_HOST_DEVICE RunningSum merge(const RunningSum& a, const RunningSum& b) {
  const float maximum = fmaxf(a.maximum, b.maximum);
  if (maximum == -INFINITY) return {maximum, a.sum + b.sum};
  return {maximum, a.sum * exp2f(a.maximum - maximum) + b.sum * exp2f(b.maximum - maximum)};
}

/// What a finished row needs: p = 2^(s log2 e - shift) * factor, and its lse.
struct RowEnd {
  float shift = 0;
  float factor = 0;
  float lse = INFINITY;
};

/// Whether a row sees anything is the mask's to say: a row of NaN sees something and is NaN.
ASHLAR_HOST_DEVICE RowEnd finish_row(const RunningSum& total, std::int64_t visible) {
  if (visible == 0) return {};
  return {guarded(total.maximum), 1.0F / total.sum, (total.maximum + log2f(total.sum)) * kLn2};
}

/// What one column adds to D of its row. A column that is not seen may hold anything.
ASHLAR_HOST_DEVICE float delta_part(float p, float dp, bool seen) { return seen ? p * dp : 0.0F; }

/// dS of one column, before the scale.
ASHLAR_HOST_DEVICE float score_gradient(float p, float dp, float delta, bool seen) {
  return seen ? p * (dp - delta) : 0.0F;
}

}  // namespace ashlar::flashattention2::baselines
