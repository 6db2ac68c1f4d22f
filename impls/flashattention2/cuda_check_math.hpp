#pragma once
// The arithmetic of the double-precision check, for both sides.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "impls/core/cuda/host_device.hpp"
#include "impls/core/dtype.hpp"
#include "impls/flashattention2/cuda_check.hpp"

namespace ashlar::flashattention2::check {

ASHLAR_HOST_DEVICE float float_of_bits(std::uint32_t bits) {
  float value = 0;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// binary16 as double: mantissa times a power of two, exact.
ASHLAR_HOST_DEVICE double decode_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const int mantissa = bits & 0x3ff;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 0x1f) return mantissa != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * ldexp(static_cast<double>(mantissa), -24);
  return sign * ldexp(static_cast<double>(mantissa + 1024), exponent - 25);
}

struct Tensor {
  const void* data = nullptr;
  core::DType dtype = core::DType::f32;
  Index strides[4] = {};
};

/// The element at (batch, row, head, k).
ASHLAR_HOST_DEVICE double element(const Tensor& tensor, Index batch, Index row, Index head,
                                  Index k) {
  const Index at = batch * tensor.strides[0] + row * tensor.strides[1] + head * tensor.strides[2] +
                   k * tensor.strides[3];
  switch (tensor.dtype) {
    case core::DType::f64:
      return static_cast<const double*>(tensor.data)[at];
    case core::DType::f32:
      return static_cast<const float*>(tensor.data)[at];
    case core::DType::f16:
      return decode_half(static_cast<const std::uint16_t*>(tensor.data)[at]);
    case core::DType::bf16:
      return float_of_bits(
          static_cast<std::uint32_t>(static_cast<const std::uint16_t*>(tensor.data)[at]) << 16);
    case core::DType::i32:
      break;
  }
  return NAN;
}

struct Problem {
  Tensor q, k, v;
  Index seqlen_q = 0;
  Index seqlen_k = 0;
  Index head_dim = 0;
  Index group = 1;  // query heads per K/V head
  double scale = 0;
  bool causal = false;
};

/// The scaled score of one column, minus infinity where the mask hides it.
ASHLAR_HOST_DEVICE double score(const Problem& problem, const SampledRow& at, Index column) {
  if (problem.causal && column > at.row + problem.seqlen_k - problem.seqlen_q) return -INFINITY;
  double sum = 0;
  for (Index k = 0; k < problem.head_dim; ++k) {
    sum += element(problem.q, at.batch, at.row, at.head, k) *
           element(problem.k, at.batch, column, at.head / problem.group, k);
  }
  return problem.scale * sum;
}

/// Element k of the output row. Hidden columns have weight 0 and are not read: 0 * NaN is NaN.
ASHLAR_HOST_DEVICE double weighted_value(const Problem& problem, const SampledRow& at,
                                         const double* weights, Index k) {
  double sum = 0;
  for (Index column = 0; column < problem.seqlen_k; ++column) {
    if (problem.causal && column > at.row + problem.seqlen_k - problem.seqlen_q) break;
    sum += weights[column] * element(problem.v, at.batch, column, at.head / problem.group, k);
  }
  return sum;
}

}  // namespace ashlar::flashattention2::check
