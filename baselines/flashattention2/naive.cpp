#include "baselines/flashattention2/naive.hpp"

#include <stdexcept>

#include "baselines/flashattention2/naive_head.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::View;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Returns ln sum exp of the row, which becomes its softmax.
float softmax_row(float* row, Index columns, Index visible) {
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
void multiply_values(const View<float, 2>& weights, const View<const T, 2>& v,
                     const View<T, 2>& out) {
  for (Index i = 0; i < weights.shape[0]; ++i) {
    for (Index d = 0; d < v.shape[1]; ++d) {
      float sum = 0;
      for (Index j = 0; j < weights.shape[1]; ++j) {
        sum += weights(i, j) * core::to_float(v(j, d));
      }
      out(i, d) = core::from_float<T>(sum);
    }
  }
}

template <class T>
void forward_head(const AttentionParams& params, const Sequence& at, Index head, float* buffer) {
  const Index kv = params.kv_head(head);
  const View<float, 2> scores(buffer, {at.seqlen_q, at.seqlen_k});
  naive::multiply_transposed(naive::query_rows<T>(params.q, at, head),
                             naive::key_rows<T>(params.k, at, kv), params.scale, scores);
  if (params.softcap > 0) naive::cap_scores(params.softcap, scores);
  const Mask<Index> mask = params.mask(at);
  naive::mask_scores(mask, scores, -kInfinity);
  for (Index i = 0; i < scores.shape[0]; ++i) {
    params.lse(at.batch, head, at.first_q + i) =
        softmax_row(buffer + i * scores.strides[0], scores.shape[1], mask.columns(i).size());
  }
  if (params.dropout.active()) naive::drop(params.dropout_mask(at, head), scores);
  multiply_values(scores, naive::key_rows<T>(params.v, at, kv),
                  naive::query_rows<T>(params.out, at, head));
}

}  // namespace

std::optional<std::string> naive_unsupported(const AttentionParams& params) {
  if (params.q.dtype == core::DType::f64) return "computes in float; f64 would be rounded";
  return beyond(params, Features::all());
}

NaiveForward::NaiveForward(const AttentionParams& params) : params_(params) {
  validate_forward(params);
  if (const auto reason = naive_unsupported(params)) throw std::invalid_argument(*reason);
  const auto [rows, keys] = naive::longest(params);
  scores_ = core::AlignedBuffer(sizeof(float) * static_cast<std::size_t>(rows * keys));
}

void NaiveForward::operator()() {
  naive::with_storage_type(params_.q.dtype, [&]<class T>() {
    for (Index id = 0; id < params_.sequences(); ++id) {
      for (Index head = 0; head < params_.heads_q(); ++head) {
        forward_head<T>(params_, params_.sequence(id), head, scores_.as<float>());
      }
    }
  });
}

}  // namespace ashlar::flashattention2::baselines
