#pragma once
// One head of one sequence and the steps that the naive forward and backward pass share. Internal.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "impls/core/half.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines::naive {

using core::View;

/// Rows [first, first + rows) of one head of a (batch, seqlen, heads, head_dim) tensor, as a matrix
/// rows x head_dim.
template <class T>
View<T, 2> matrix(const View<T, 4>& tensor, Index batch, Index head, Index first, Index rows) {
  T* data = tensor.data + batch * tensor.strides[0] + first * tensor.strides[1] +
            head * tensor.strides[2];
  return {data, {rows, tensor.shape[3]}, {tensor.strides[1], tensor.strides[3]}};
}

template <class T, class Any>
auto query_rows(const Any& tensor, const Sequence& at, Index head) {
  return matrix(tensor.template as<T>(), at.batch, head, at.first_q, at.seqlen_q);
}

template <class T, class Any>
auto key_rows(const Any& tensor, const Sequence& at, Index head_kv) {
  return matrix(tensor.template as<T>(), at.batch, head_kv, at.first_k, at.seqlen_k);
}

/// product(i, j) = factor * <a row i, b row j>
template <class T>
void multiply_transposed(const View<const T, 2>& a, const View<const T, 2>& b, float factor,
                         const View<float, 2>& product) {
  for (Index i = 0; i < product.shape[0]; ++i) {
    for (Index j = 0; j < product.shape[1]; ++j) {
      float sum = 0;
      for (Index d = 0; d < a.shape[1]; ++d) {
        sum += core::to_float(a(i, d)) * core::to_float(b(j, d));
      }
      product(i, j) = factor * sum;
    }
  }
}

/// What the mask hides becomes `hidden`.
inline void mask_scores(const Mask<Index>& mask, const View<float, 2>& scores, float hidden) {
  for (Index i = 0; i < scores.shape[0]; ++i) {
    const Range<Index> visible = mask.columns(i);
    for (Index j = 0; j < visible.begin; ++j) scores(i, j) = hidden;
    for (Index j = visible.end; j < scores.shape[1]; ++j) scores(i, j) = hidden;
  }
}

inline void cap_scores(float softcap, const View<float, 2>& scores) {
  for (Index i = 0; i < scores.shape[0]; ++i) {
    for (Index j = 0; j < scores.shape[1]; ++j) {
      scores(i, j) = softcap * std::tanh(scores(i, j) / softcap);
    }
  }
}

/// z of attention.hpp.
inline float kept(const DropoutMask& dropout, Index row, Index column) {
  const bool keeps =
      dropout.keeps(static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(column));
  return keeps ? dropout.keep_factor() : 0.0f;
}

inline void drop(const DropoutMask& dropout, const View<float, 2>& weights) {
  for (Index i = 0; i < weights.shape[0]; ++i) {
    for (Index j = 0; j < weights.shape[1]; ++j) weights(i, j) *= kept(dropout, i, j);
  }
}

/// Rows and keys of the sequence that has most of each: what a buffer must hold.
inline std::pair<Index, Index> longest(const AttentionParams& params) {
  Index rows = 0;
  Index keys = 0;
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence at = params.sequence(id);
    rows = std::max(rows, at.seqlen_q);
    keys = std::max(keys, at.seqlen_k);
  }
  return {rows, keys};
}

/// Calls body.operator()<T>() with the storage type of `dtype`, which is not f64.
template <class Body>
void with_storage_type(core::DType dtype, const Body& body) {
  switch (dtype) {
    case core::DType::f32:
      return body.template operator()<float>();
    case core::DType::f16:
      return body.template operator()<core::Float16>();
    default:
      return body.template operator()<core::BFloat16>();
  }
}

}  // namespace ashlar::flashattention2::baselines::naive
