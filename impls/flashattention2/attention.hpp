#pragma once
// Exact softmax attention, forward pass: the one interface that every implementation of this
// paper's suite has, be it naive, reference, optimized, CUDA or a peer.
//
// Source: Dao, "FlashAttention-2", arXiv 2307.08691, section 2.1 and Algorithm 1; the paper omits
// the scale.
#include <algorithm>
#include <cstdint>
#include <string>

#include "impls/core/tensor.hpp"

namespace ashlar::flashattention2 {

using core::Index;

/// For every batch b, query head h and query row r, with g = h / (heads_q / heads_kv):
///   s_c   = scale * sum_k q[b,r,h,k] * k[b,c,g,k]   for every visible column c
///   out   = sum_c softmax(s)_c * v[b,c,g,:]
///   lse   = ln sum_c exp(s_c)                          (natural logarithm)
/// Causal masks are aligned to the bottom right: column c is visible to row r when
/// c <= r + (seqlen_k - seqlen_q). A row that sees no column gives out = 0 and lse = +infinity.
///
/// NaN in a query is in its row of out and lse; in a key, in every row that sees the key; in a
/// value, in its column of every row that sees it. K and V must be finite in all seqlen_k rows,
/// also in those that the mask hides from some: implementations may multiply what is hidden by a
/// weight of zero, and 0 * NaN is NaN, so of rows that do not see a NaN nothing is promised. What
/// is no element of a tensor (gaps between rows, storage behind the last key) is never read into an
/// answer.
///
/// Tensors are (batch, seqlen, heads, head_dim), any strides, the last axis contiguous. q, k, v and
/// out have one storage type (f32, bf16 or f16); sums and lse are float. The implementations on a
/// GPU take device pointers in the same struct.
struct ForwardParams {
  core::ConstAnyView<4> q;   // (batch, seqlen_q, heads_q, head_dim)
  core::ConstAnyView<4> k;   // (batch, seqlen_k, heads_kv, head_dim)
  core::ConstAnyView<4> v;   // (batch, seqlen_k, heads_kv, head_dim)
  core::AnyView<4> out;      // (batch, seqlen_q, heads_q, head_dim)
  core::View<float, 3> lse;  // (batch, heads_q, seqlen_q)
  float scale = 0;           // positive; 1 / sqrt(head_dim) unless the caller wants another
  bool causal = false;

  Index batch() const { return q.shape[0]; }
  Index seqlen_q() const { return q.shape[1]; }
  Index heads_q() const { return q.shape[2]; }
  Index head_dim() const { return q.shape[3]; }
  Index seqlen_k() const { return k.shape[1]; }
  Index heads_kv() const { return k.shape[2]; }
  /// Columns that row 0 sees beyond its own index under the causal mask; negative when seqlen_q >
  /// seqlen_k.
  Index causal_offset() const { return seqlen_k() - seqlen_q(); }
  /// Row `row` sees the columns [0, visible_columns(row)).
  Index visible_columns(Index row) const {
    if (!causal) return seqlen_k();
    return std::clamp<Index>(row + causal_offset() + 1, 0, seqlen_k());
  }
  /// The key and value head that query head `head` reads.
  Index kv_head(Index head) const { return head / (heads_q() / heads_kv()); }
};

/// Throws std::invalid_argument, naming the field, when shapes, types or strides do not fit
/// together, a pointer is missing, or the scale is not positive. Storage type f64 passes: the
/// reference takes it; other implementations say what they do not support.
void validate(const ForwardParams& params);

}  // namespace ashlar::flashattention2
