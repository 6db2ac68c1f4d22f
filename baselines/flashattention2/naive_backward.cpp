#include "baselines/flashattention2/naive_backward.hpp"

#include <stdexcept>

#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/naive_head.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::View;
using naive::key_rows;
using naive::query_rows;

/// The N x N matrices of one head.
struct Squares {
  View<float, 2> weights;
  View<float, 2> gradients;
  View<float, 2> slopes;  // no data without softcap
};

/// 1 - tanh^2, from capped scores.
void slopes_of(const View<float, 2>& capped, float softcap, const View<float, 2>& slopes) {
  for (Index i = 0; i < capped.shape[0]; ++i) {
    for (Index j = 0; j < capped.shape[1]; ++j) {
      const float curve = capped(i, j) / softcap;
      slopes(i, j) = 1 - curve * curve;
    }
  }
}

template <class T>
void compute_weights(const AttentionParams& params, const Sequence& at, Index head,
                     const Squares& squares) {
  const View<float, 2>& weights = squares.weights;
  naive::multiply_transposed(query_rows<T>(core::ConstAnyView<4>(params.q), at, head),
                             key_rows<T>(params.k, at, params.kv_head(head)), params.scale,
                             weights);
  if (params.softcap > 0) {
    naive::cap_scores(params.softcap, weights);
    slopes_of(weights, params.softcap, squares.slopes);
  }
  for (Index i = 0; i < weights.shape[0]; ++i) {
    const float lse = params.lse(at.batch, head, at.first_q + i);
    for (Index j = 0; j < weights.shape[1]; ++j) weights(i, j) = std::exp(weights(i, j) - lse);
  }
  naive::mask_scores(params.mask(at), weights, 0.0f);
}

/// dS, in place of dP. The weights that the values were multiplied by are left in `weights`.
template <class T>
void compute_gradients(const AttentionParams& params, const Sequence& at, Index head,
                       const Squares& squares) {
  const auto dout = query_rows<T>(params.dout, at, head);
  const auto out = query_rows<T>(core::ConstAnyView<4>(params.out), at, head);
  const View<float, 2>& ds = squares.gradients;
  naive::multiply_transposed(dout, key_rows<T>(params.v, at, params.kv_head(head)), 1.0f, ds);
  const bool dropping = params.dropout.active();
  const DropoutMask dropout = params.dropout_mask(at, head);
  if (dropping) naive::drop(dropout, ds);
  for (Index i = 0; i < ds.shape[0]; ++i) {
    float delta = 0;
    for (Index d = 0; d < dout.shape[1]; ++d) {
      delta += core::to_float(dout(i, d)) * core::to_float(out(i, d));
    }
    for (Index j = 0; j < ds.shape[1]; ++j) ds(i, j) = squares.weights(i, j) * (ds(i, j) - delta);
  }
  if (params.softcap > 0) {
    for (Index i = 0; i < ds.shape[0]; ++i) {
      for (Index j = 0; j < ds.shape[1]; ++j) ds(i, j) *= squares.slopes(i, j);
    }
  }
  if (dropping) naive::drop(dropout, squares.weights);
}

/// dq(i, :) = scale * sum_j ds(i, j) k(j, :)
template <class T>
void multiply_keys(const View<float, 2>& ds, const View<const T, 2>& k, float scale,
                   const View<T, 2>& dq) {
  for (Index i = 0; i < ds.shape[0]; ++i) {
    for (Index d = 0; d < k.shape[1]; ++d) {
      float sum = 0;
      for (Index j = 0; j < ds.shape[1]; ++j) sum += ds(i, j) * core::to_float(k(j, d));
      dq(i, d) = core::from_float<T>(scale * sum);
    }
  }
}

/// sums(j, :) += factor * sum_i square(i, j) rows(i, :)
template <class T>
void add_columns(const View<float, 2>& square, const View<const T, 2>& rows, float factor,
                 const View<float, 2>& sums) {
  for (Index j = 0; j < square.shape[1]; ++j) {
    for (Index d = 0; d < rows.shape[1]; ++d) {
      float sum = 0;
      for (Index i = 0; i < square.shape[0]; ++i) sum += square(i, j) * core::to_float(rows(i, d));
      sums(j, d) += factor * sum;
    }
  }
}

template <class T>
void store(const View<float, 2>& sums, const View<T, 2>& gradient) {
  for (Index j = 0; j < sums.shape[0]; ++j) {
    for (Index d = 0; d < sums.shape[1]; ++d) gradient(j, d) = core::from_float<T>(sums(j, d));
  }
}

/// One kv head with all the query heads that read it.
template <class T>
void backward_group(const AttentionParams& params, const Sequence& at, Index head_kv,
                    const Squares& squares, const View<float, 2>& dk, const View<float, 2>& dv) {
  std::fill_n(dk.data, dk.size(), 0.0f);
  std::fill_n(dv.data, dv.size(), 0.0f);
  const Index group = params.group();
  for (Index head = head_kv * group; head < (head_kv + 1) * group; ++head) {
    compute_weights<T>(params, at, head, squares);
    compute_gradients<T>(params, at, head, squares);
    add_columns(squares.weights, query_rows<T>(params.dout, at, head), 1.0f, dv);
    multiply_keys(squares.gradients, key_rows<T>(params.k, at, head_kv), params.scale,
                  query_rows<T>(params.dq, at, head));
    add_columns(squares.gradients, query_rows<T>(params.q, at, head), params.scale, dk);
  }
  store(dk, key_rows<T>(params.dk, at, head_kv));
  store(dv, key_rows<T>(params.dv, at, head_kv));
}

core::AlignedBuffer floats(Index count) {
  return core::AlignedBuffer(sizeof(float) * static_cast<std::size_t>(count));
}

}  // namespace

NaiveBackward::NaiveBackward(const AttentionParams& params) : params_(params) {
  validate_backward(params);
  if (const auto reason = naive_unsupported(params)) throw std::invalid_argument(*reason);
  const auto [rows, keys] = naive::longest(params);
  weights_ = floats(rows * keys);
  gradients_ = floats(rows * keys);
  if (params.softcap > 0) slopes_ = floats(rows * keys);
  sums_ = floats(2 * keys * params.head_dim());
}

std::size_t NaiveBackward::workspace_bytes() const {
  return weights_.bytes() + gradients_.bytes() + slopes_.bytes() + sums_.bytes();
}

void NaiveBackward::operator()() {
  const auto square = [](core::AlignedBuffer& buffer, const Sequence& at) {
    return View<float, 2>(buffer.as<float>(), {at.seqlen_q, at.seqlen_k});
  };
  naive::with_storage_type(params_.q.dtype, [&]<class T>() {
    for (Index id = 0; id < params_.sequences(); ++id) {
      const Sequence at = params_.sequence(id);
      const Squares squares{square(weights_, at), square(gradients_, at), square(slopes_, at)};
      const View<float, 2> dk(sums_.as<float>(), {at.seqlen_k, params_.head_dim()});
      const View<float, 2> dv(dk.data + dk.size(), dk.shape);
      for (Index head = 0; head < params_.heads_kv(); ++head) {
        backward_group<T>(params_, at, head, squares, dk, dv);
      }
    }
  });
}

}  // namespace ashlar::flashattention2::baselines
