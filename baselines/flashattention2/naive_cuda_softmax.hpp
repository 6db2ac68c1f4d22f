#pragma once
// The softmax between the two products of standard attention on a GPU.
#include <cmath>
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

/// Starts the kernel on `stream` (a cudaStream_t). Scores are f32, f16 or bf16. Throws
/// std::runtime_error when the launch fails or CUDA is not built.
void launch_softmax(const SoftmaxArguments& arguments, core::DType dtype, void* stream);

/// Columns that a row sees, from the first.
ASHLAR_HOST_DEVICE std::int64_t visible_columns(const SoftmaxArguments& arguments,
                                                std::int64_t row) {
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

/// Sum of exp(s - maximum) over some scores of a row.
struct RunningSum {
  float maximum = -INFINITY;
  float sum = 0;
};

ASHLAR_HOST_DEVICE RunningSum merge(const RunningSum& a, const RunningSum& b) {
  const float maximum = fmaxf(a.maximum, b.maximum);
  if (maximum == -INFINITY) return {};
  return {maximum, a.sum * expf(a.maximum - maximum) + b.sum * expf(b.maximum - maximum)};
}

/// What a finished row needs: p = exp(s - shift) * factor, and its lse.
struct RowEnd {
  float shift = 0;
  float factor = 0;
  float lse = INFINITY;
};

ASHLAR_HOST_DEVICE RowEnd finish_row(const RunningSum& total) {
  if (total.sum == 0.0F) return {};
  return {total.maximum, 1.0F / total.sum, total.maximum + logf(total.sum)};
}

}  // namespace ashlar::flashattention2::baselines
