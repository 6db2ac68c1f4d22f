#include "baselines/flashattention2/naive.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "impls/core/half.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::View;

template <class T>
struct Head {
  View<const T, 2> q;
  View<const T, 2> k;
  View<const T, 2> v;
  View<T, 2> out;
};

/// Rows and head_dim of one head of a (batch, seqlen, heads, head_dim) tensor.
template <class T>
View<T, 2> matrix(const View<T, 4>& tensor, Index batch, Index head) {
  T* data = tensor.data + batch * tensor.strides[0] + head * tensor.strides[2];
  return {data, {tensor.shape[1], tensor.shape[3]}, {tensor.strides[1], tensor.strides[3]}};
}

template <class T>
void multiply_scores(const Head<T>& head, float scale, const View<float, 2>& scores) {
  for (Index i = 0; i < scores.shape[0]; ++i) {
    for (Index j = 0; j < scores.shape[1]; ++j) {
      float sum = 0;
      for (Index d = 0; d < head.q.shape[1]; ++d) {
        sum += core::to_float(head.q(i, d)) * core::to_float(head.k(j, d));
      }
      scores(i, j) = scale * sum;
    }
  }
}

void mask_scores(const Mask<Index>& mask, const View<float, 2>& scores) {
  for (Index i = 0; i < scores.shape[0]; ++i) {
    for (Index j = mask.columns(i).end; j < scores.shape[1]; ++j) {
      scores(i, j) = -std::numeric_limits<float>::infinity();
    }
  }
}

/// Returns ln sum exp of the row, which becomes its softmax.
float softmax_row(float* row, Index columns, Index visible) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (visible == 0) {
    for (Index j = 0; j < columns; ++j) row[j] = 0;
    return kInfinity;
  }
  float largest = -kInfinity;
  for (Index j = 0; j < columns; ++j) largest = std::max(largest, row[j]);
  float sum = 0;
  for (Index j = 0; j < columns; ++j) {
    row[j] = std::exp(row[j] - largest);
    sum += row[j];
  }
  for (Index j = 0; j < columns; ++j) row[j] /= sum;
  return largest + std::log(sum);
}

template <class T>
void multiply_values(const Head<T>& head, const View<float, 2>& weights) {
  for (Index i = 0; i < weights.shape[0]; ++i) {
    for (Index d = 0; d < head.v.shape[1]; ++d) {
      float sum = 0;
      for (Index j = 0; j < weights.shape[1]; ++j) {
        sum += weights(i, j) * core::to_float(head.v(j, d));
      }
      head.out(i, d) = core::from_float<T>(sum);
    }
  }
}

template <class T>
void forward(const AttentionParams& params, const View<float, 2>& scores) {
  const auto q = params.q.as<T>();
  const auto k = params.k.as<T>();
  const auto v = params.v.as<T>();
  const auto out = params.out.as<T>();
  for (Index batch = 0; batch < params.batch(); ++batch) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      const Index kv = params.kv_head(h);
      const Head<T> head{matrix(q, batch, h), matrix(k, batch, kv), matrix(v, batch, kv),
                         matrix(out, batch, h)};
      multiply_scores(head, params.scale, scores);
      const Mask<Index> mask = params.mask(params.sequence(batch));
      mask_scores(mask, scores);
      for (Index i = 0; i < scores.shape[0]; ++i) {
        float* row = scores.data + i * scores.strides[0];
        params.lse(batch, h, i) = softmax_row(row, scores.shape[1], mask.columns(i).end);
      }
      multiply_values(head, scores);
    }
  }
}

}  // namespace

std::optional<std::string> naive_unsupported(const AttentionParams& params) {
  if (params.q.dtype == core::DType::f64) return "computes in float; f64 would be rounded";
  return beyond(params, Features());
}

NaiveForward::NaiveForward(const AttentionParams& params) : params_(params) {
  validate_forward(params);
  if (const auto reason = naive_unsupported(params)) throw std::invalid_argument(*reason);
  scores_ = core::AlignedBuffer(sizeof(float) * static_cast<std::size_t>(params.seqlen_q()) *
                                static_cast<std::size_t>(params.seqlen_k()));
}

void NaiveForward::operator()() {
  const View<float, 2> scores(scores_.as<float>(), {params_.seqlen_q(), params_.seqlen_k()});
  switch (params_.q.dtype) {
    case core::DType::f32:
      return forward<float>(params_, scores);
    case core::DType::f16:
      return forward<core::Float16>(params_, scores);
    default:
      return forward<core::BFloat16>(params_, scores);
  }
}

}  // namespace ashlar::flashattention2::baselines
