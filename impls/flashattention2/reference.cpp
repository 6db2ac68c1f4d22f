#include "impls/flashattention2/reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::View;

template <class T>
double widen(T value) {
  return static_cast<double>(core::to_float(value));
}

/// s_c = scale * <q, k_c> for the visible columns c of one row.
template <class T>
std::vector<double> row_scores(const T* query, const View<const T, 4>& keys, Index batch,
                               Index kv_head, Index visible, double scale) {
  const Index head_dim = keys.shape[3];
  std::vector<double> scores(static_cast<std::size_t>(visible));
  for (Index column = 0; column < visible; ++column) {
    const T* key = &keys(batch, column, kv_head, 0);
    double dot = 0;
    for (Index i = 0; i < head_dim; ++i) dot += widen(query[i]) * widen(key[i]);
    scores[static_cast<std::size_t>(column)] = scale * dot;
  }
  return scores;
}

/// Replaces scores (at least one) by their softmax; returns ln sum exp.
double softmax(std::span<double> scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) {
    score = std::exp(score - largest);
    sum += score;
  }
  for (double& weight : scores) weight /= sum;
  return largest + std::log(sum);
}

/// sum_c weight_c * v_c
template <class T>
std::vector<double> weighted_sum(std::span<const double> weights, const View<const T, 4>& values,
                                 Index batch, Index kv_head) {
  const Index head_dim = values.shape[3];
  std::vector<double> sum(static_cast<std::size_t>(head_dim), 0.0);
  for (std::size_t column = 0; column < weights.size(); ++column) {
    const T* value = &values(batch, static_cast<Index>(column), kv_head, 0);
    for (Index i = 0; i < head_dim; ++i) {
      sum[static_cast<std::size_t>(i)] += weights[column] * widen(value[i]);
    }
  }
  return sum;
}

template <class T>
RowResult row_of(const ForwardParams& params, Index batch, Index head, Index row) {
  const Index visible = params.visible_columns(row);
  if (visible == 0) {
    return {std::vector<double>(static_cast<std::size_t>(params.head_dim()), 0.0),
            std::numeric_limits<double>::infinity()};
  }
  const auto q = params.q.as<T>();
  const auto k = params.k.as<T>();
  const auto v = params.v.as<T>();
  const Index kv_head = params.kv_head(head);
  const T* query = &q(batch, row, head, 0);
  std::vector<double> scores =
      row_scores(query, k, batch, kv_head, visible, static_cast<double>(params.scale));
  const double lse = softmax(scores);
  return {weighted_sum(std::span<const double>(scores), v, batch, kv_head), lse};
}

template <class T>
T narrow(double value) {
  if constexpr (std::is_same_v<T, double>) {
    return value;
  } else {
    return core::from_float<T>(static_cast<float>(value));
  }
}

template <class T>
void forward(const ForwardParams& params) {
  const auto out = params.out.as<T>();
  const Index rows = params.seqlen_q();
  const Index heads = params.heads_q();
  core::parallel_for_dynamic(params.batch() * heads * rows, [&](Index item, int) {
    const Index row = item % rows;
    const Index head = item / rows % heads;
    const Index batch = item / rows / heads;
    const RowResult result = row_of<T>(params, batch, head, row);
    for (Index i = 0; i < params.head_dim(); ++i) {
      out(batch, row, head, i) = narrow<T>(result.out[static_cast<std::size_t>(i)]);
    }
    params.lse(batch, head, row) = static_cast<float>(result.lse);
  });
}

}  // namespace

RowResult reference_row(const ForwardParams& params, Index batch, Index head, Index row) {
  return core::visit_float_type(params.q.dtype,
                                [&]<class T>() { return row_of<T>(params, batch, head, row); });
}

void reference_forward(const ForwardParams& params) {
  validate(params);
  core::visit_float_type(params.q.dtype, [&]<class T>() { forward<T>(params); });
}

}  // namespace ashlar::flashattention2
