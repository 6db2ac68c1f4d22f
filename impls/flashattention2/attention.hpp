#pragma once
// Exact softmax attention, forward and backward: the one interface that every implementation of
// this paper's suite has, be it naive, reference, optimized, CUDA or a peer.
//
// Source: Dao, "FlashAttention-2", arXiv 2307.08691, sections 2.1 to 2.3, Algorithms 1 and 2; the
// paper omits the scale. Masks, windows, softcap, dropout and packed sequences mean what they mean
// in the authors' code (version 2.1 and later), but for the exact dropout mask (dropout.hpp).
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "impls/core/tensor.hpp"
#include "impls/flashattention2/dropout.hpp"
#include "impls/flashattention2/mask.hpp"

namespace ashlar::flashattention2 {

using core::Index;

/// Columns that a row sees before and after its own place, both included; -1: all. See mask.hpp.
struct Window {
  Index left = -1;
  Index right = -1;
  bool operator==(const Window&) const = default;
};

/// Where one sequence lies in the tensors: its rows are [first_q, first_q + seqlen_q) of batch
/// entry `batch`, its keys [first_k, first_k + seqlen_k).
struct Sequence {
  Index id = 0;  // counts sequences; the dropout mask hangs on it
  Index batch = 0;
  Index first_q = 0;
  Index seqlen_q = 0;
  Index first_k = 0;
  Index seqlen_k = 0;
};

/// Forward. For every sequence, query head h and query row r, with g = h / (heads_q / heads_kv):
///   s_c   = scale * sum_k q[r,h,k] * k[c,g,k]              for every visible column c
///   s_c   = softcap * tanh(s_c / softcap)                  where softcap > 0
///   lse   = ln sum_c exp(s_c)                              (natural logarithm)
///   p_c   = exp(s_c - lse)
///   out   = sum_c p_c * z_c * v[c,g,:]                     z_c = 1 without dropout, else 0 or
///   1/keep
/// A row that sees no column gives out = 0 and lse = +infinity.
///
/// Backward. From the forward pass's out and lse and the gradient dout of a scalar with respect to
/// out, its gradients with respect to q, k and v:
///   D     = sum_k dout[r,h,k] * out[r,h,k]
///   ds_c  = p_c * (z_c * sum_k dout[r,h,k] * v[c,g,k] - D) (times 1 - tanh^2 where softcap > 0)
///   dq    = scale * sum_c ds_c * k[c,g,:]
///   dk    = scale * sum_{h of g} sum_r ds_c * q[r,h,:]
///   dv    = sum_{h of g} sum_r p_c * z_c * dout[r,h,:]
/// A row that sees no column adds nothing to any gradient, and has dq = 0.
///
/// Which columns are visible. Row r stands at column r + seqlen_k - seqlen_q (bottom right
/// alignment) and sees window.left columns before its place and window.right after it. `causal`
/// means that it sees none after it, whatever window.right.
///
/// Packed sequences. With cu_seqlens_q and cu_seqlens_k, which have one element more than there are
/// sequences, batch is 1 and sequence i has rows [cu_seqlens_q[i], cu_seqlens_q[i + 1]) and keys
/// likewise; sequences may be empty. Without them every batch entry is one sequence.
///
/// NaN in a query is in its row of out and lse; in a key, in every row that sees the key; in a
/// value, in its column of every row that sees it. K and V must be finite in all keys of a
/// sequence, also in those that the mask hides from some: implementations may multiply what is
/// hidden by a weight of zero, and 0 * NaN is NaN, so of rows that do not see a NaN nothing is
/// promised. What is no element of a tensor (gaps between rows, storage behind the last key) is
/// never read into an answer.
///
/// Tensors are (batch, seqlen, heads, head_dim), any strides, the last axis contiguous. All but lse
/// have one storage type (f32, bf16 or f16); sums and lse are float. The implementations on a GPU
/// take device pointers in the same struct.
struct AttentionParams {
  core::ConstAnyView<4> q;   // (batch, seqlen_q, heads_q, head_dim)
  core::ConstAnyView<4> k;   // (batch, seqlen_k, heads_kv, head_dim)
  core::ConstAnyView<4> v;   // (batch, seqlen_k, heads_kv, head_dim)
  core::AnyView<4> out;      // as q; the backward pass reads it
  core::View<float, 3> lse;  // (batch, heads_q, seqlen_q); the backward pass reads it
  float scale = 0;           // positive; 1 / sqrt(head_dim) unless the caller wants another
  bool causal = false;
  Window window = {};
  float softcap = 0;     // in units of scaled scores; 0: none. Not together with dropout
  Dropout dropout = {};  // of weights
  std::span<const std::int32_t> cu_seqlens_q =
      {};  // ascending from 0 to seqlen_q; empty: not packed
  std::span<const std::int32_t> cu_seqlens_k = {};

  // The backward pass alone.
  core::ConstAnyView<4> dout = {};  // as q
  core::AnyView<4> dq = {};         // as q
  core::AnyView<4> dk = {};         // as k
  core::AnyView<4> dv = {};         // as v
  /// The same bits from every call. Otherwise dq may be summed in any order; dk, dv, out and lse
  /// are reproducible always.
  bool deterministic = false;

  Index batch() const { return q.shape[0]; }
  /// Rows and keys of the tensors: of a sequence, or of all sequences where they are packed.
  Index seqlen_q() const { return q.shape[1]; }
  Index seqlen_k() const { return k.shape[1]; }
  Index heads_q() const { return q.shape[2]; }
  Index heads_kv() const { return k.shape[2]; }
  Index head_dim() const { return q.shape[3]; }
  /// How many query heads read one key and value head (0 without any).
  Index group() const { return heads_q() / std::max<Index>(heads_kv(), 1); }
  /// The key and value head that query head `head` reads.
  Index kv_head(Index head) const { return head / group(); }

  bool packed() const { return !cu_seqlens_q.empty(); }
  Index sequences() const {
    return packed() ? static_cast<Index>(cu_seqlens_q.size()) - 1 : batch();
  }
  Sequence sequence(Index id) const {
    if (!packed()) return {id, id, 0, seqlen_q(), 0, seqlen_k()};
    const auto at = static_cast<std::size_t>(id);
    return {id,
            0,
            cu_seqlens_q[at],
            cu_seqlens_q[at + 1] - cu_seqlens_q[at],
            cu_seqlens_k[at],
            cu_seqlens_k[at + 1] - cu_seqlens_k[at]};
  }
  Mask<Index> mask(const Sequence& sequence) const {
    return {sequence.seqlen_q, sequence.seqlen_k, window.left, causal ? 0 : window.right};
  }
  DropoutMask dropout_mask(const Sequence& sequence, Index head) const {
    return {dropout, static_cast<std::uint32_t>(sequence.id * heads_q() + head)};
  }
};

/// Throw std::invalid_argument, naming the field, when shapes, types, strides or offsets do not fit
/// together, a pointer is missing, or a number is out of its range. Storage type f64 passes: the
/// reference takes it; other implementations say what they do not support.
void validate_forward(const AttentionParams& params);
void validate_backward(const AttentionParams& params);

/// Pairs of a query row and a key that see each other, over all sequences and query heads: what
/// exact counts of operations are made of.
Index visible_pairs(const AttentionParams& params);

/// What an implementation can do beyond scale and causal masks with equal or unequal lengths.
struct Features {
  bool window = false;
  bool softcap = false;
  bool dropout = false;
  bool packed = false;
  static constexpr Features all() { return {true, true, true, true}; }
};

/// What `params` asks for beyond `features`, as a reason for a table; nothing if nothing.
std::optional<std::string> beyond(const AttentionParams& params, const Features& features);

}  // namespace ashlar::flashattention2
