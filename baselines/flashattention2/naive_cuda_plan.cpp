#include "baselines/flashattention2/naive_cuda_plan.hpp"

#include <limits>

namespace ashlar::flashattention2::baselines {
namespace {

/// cuBLAS wants matrices whose columns do not overlap.
template <class Tensor>
bool strides_fit(const Tensor& tensor) {
  for (const std::size_t axis : {0, 2}) {
    if (tensor.shape[axis] > 1 && tensor.strides[axis] < 0) return false;
  }
  const bool dense = tensor.shape[3] <= 1 || tensor.strides[3] == 1;
  return dense && row_stride(tensor) >= tensor.shape[3] &&
         row_stride(tensor) <= std::numeric_limits<int>::max();
}

/// Heads of a tensor, in the order of a call's matrices: `count` in every batch entry, each
/// `repeat` times, `step` apart.
struct Heads {
  Index count = 0;
  Index first = 0;
  Index step = 1;
  Index repeat = 1;
  Index at(Index i) const { return first + i / repeat * step; }
};

/// A tensor, or N x N matrices, as cuBLAS sees them: column-major, so that (rows, head size) in
/// memory is its transpose.
struct Matrices {
  const void* data = nullptr;
  Index batch_stride = 0;
  Index head_stride = 0;
  Index leading = 0;
};

template <class Tensor>
Matrices matrices_of(const Tensor& tensor) {
  return {tensor.data, tensor.strides[0], tensor.strides[2], row_stride(tensor)};
}

class Planner {
 public:
  Planner(const AttentionParams& params, AddressLists& lists)
      : p_(params),
        lists_(lists),
        scattered_(params.batch() > 1 || params.heads_kv() != params.heads_q()) {}

  Heads query_heads() const { return {p_.heads_q(), 0, 1, 1}; }
  Heads key_heads_of_queries() const { return {p_.heads_q(), 0, 1, p_.group()}; }
  Heads key_heads() const { return {p_.heads_kv(), 0, 1, 1}; }
  /// One query head of every group.
  Heads members(Index member) const { return {p_.heads_kv(), member, p_.group(), 1}; }

  Matrices square(const void* data) const {
    const Index head = p_.seqlen_q() * padded_columns(p_);
    return {data, head * p_.heads_q(), head, padded_columns(p_)};
  }

  BatchedMatrix pick(const Matrices& from, const Heads& heads, bool transposed = false) {
    BatchedMatrix picked;
    picked.leading = from.leading;
    picked.transposed = transposed;
    if (!scattered_) {
      picked.first = address(from, 0, heads.at(0));
      picked.step = from.head_stride * heads.step;
      return picked;
    }
    picked.all = lists_.place + lists_.all.size();
    for (Index b = 0; b < p_.batch(); ++b) {
      for (Index i = 0; i < heads.count; ++i) lists_.all.push_back(address(from, b, heads.at(i)));
    }
    return picked;
  }

  BatchedProduct product(Index m, Index n, Index k, Index heads, float alpha) const {
    BatchedProduct made;
    made.dtype = p_.q.dtype;
    made.m = m;
    made.n = n;
    made.k = k;
    made.batch = p_.batch() * heads;
    made.alpha = alpha;
    return made;
  }

 private:
  const void* address(const Matrices& from, Index batch, Index head) const {
    const Index elements = batch * from.batch_stride + head * from.head_stride;
    return static_cast<const std::byte*>(from.data) +
           elements * static_cast<Index>(core::size_of(p_.q.dtype));
  }

  const AttentionParams& p_;
  AddressLists& lists_;
  bool scattered_;
};

template <class Arguments>
void set_rows(Arguments& arguments, const AttentionParams& params) {
  arguments.rows = score_rows(params);
  arguments.seqlen_q = params.seqlen_q();
  arguments.seqlen_k = params.seqlen_k();
  arguments.padded_columns = padded_columns(params);
  arguments.causal = params.causal;
}

}  // namespace

Index padded_columns(const AttentionParams& params) { return (params.seqlen_k() + 7) / 8 * 8; }

Index score_rows(const AttentionParams& params) {
  return params.batch() * params.heads_q() * params.seqlen_q();
}

std::size_t naive_cuda_score_bytes(const AttentionParams& params) {
  return static_cast<std::size_t>(score_rows(params)) *
         static_cast<std::size_t>(padded_columns(params)) * core::size_of(params.q.dtype);
}

SoftmaxArguments naive_softmax_arguments(const AttentionParams& params, void* scores) {
  SoftmaxArguments arguments;
  set_rows(arguments, params);
  arguments.scores = scores;
  arguments.lse = params.lse.data;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    arguments.lse_strides[axis] = params.lse.strides[axis];
  }
  arguments.heads = params.heads_q();
  return arguments;
}

/// As long as there are query heads: five lists of the forward pass, five of dP and dQ, and, split
/// among the products of dV and dK, four of their factors and two of themselves.
std::size_t naive_address_bytes(const AttentionParams& params) {
  constexpr std::size_t kLists = 16;
  return kLists * static_cast<std::size_t>(params.batch() * params.heads_q()) * sizeof(void*);
}

/// Column-major, the products are S^T (keys x rows) = scale K Q^T and O^T = V^T P^T.
NaiveForwardPlan naive_forward_plan(const AttentionParams& params, void* scores,
                                    AddressLists& lists) {
  Planner planner(params, lists);
  const Index rows = params.seqlen_q();
  const Index keys = params.seqlen_k();
  const Heads queries = planner.query_heads();
  NaiveForwardPlan plan;
  plan.scores = planner.product(keys, rows, params.head_dim(), queries.count, params.scale);
  plan.scores.a = planner.pick(matrices_of(params.k), planner.key_heads_of_queries(), true);
  plan.scores.b = planner.pick(matrices_of(params.q), queries);
  plan.scores.c = planner.pick(planner.square(scores), queries);
  plan.softmax = naive_softmax_arguments(params, scores);
  plan.out = planner.product(params.head_dim(), rows, keys, queries.count, 1.0F);
  plan.out.a = planner.pick(matrices_of(params.v), planner.key_heads_of_queries());
  plan.out.b = plan.scores.c;
  plan.out.c = planner.pick(matrices_of(params.out), queries);
  return plan;
}

/// Column-major: dP^T = V dO^T, dV^T = dO^T P, dQ^T = scale K^T dS^T, dK^T = scale Q^T dS.
NaiveBackwardPlan naive_backward_plan(const AttentionParams& params, const void* weights,
                                      void* gradients, AddressLists& lists) {
  Planner planner(params, lists);
  const Index rows = params.seqlen_q();
  const Index keys = params.seqlen_k();
  const Index depth = params.head_dim();
  const Heads queries = planner.query_heads();
  const Matrices squares = planner.square(gradients);
  NaiveBackwardPlan plan;
  plan.weight_gradients = planner.product(keys, rows, depth, queries.count, 1.0F);
  plan.weight_gradients.a =
      planner.pick(matrices_of(params.v), planner.key_heads_of_queries(), true);
  plan.weight_gradients.b = planner.pick(matrices_of(params.dout), queries);
  plan.weight_gradients.c = planner.pick(squares, queries);

  set_rows(plan.softmax, params);
  plan.softmax.weights = weights;
  plan.softmax.gradients = gradients;

  plan.dq = planner.product(depth, rows, keys, queries.count, params.scale);
  plan.dq.a = planner.pick(matrices_of(params.k), planner.key_heads_of_queries());
  plan.dq.b = plan.weight_gradients.c;
  plan.dq.c = planner.pick(matrices_of(params.dq), queries);

  const Heads shared = planner.key_heads();
  const BatchedMatrix dv = planner.pick(matrices_of(params.dv), shared);
  const BatchedMatrix dk = planner.pick(matrices_of(params.dk), shared);
  for (Index member = 0; member < params.group(); ++member) {
    const Heads own = planner.members(member);
    BatchedProduct& to_dv =
        plan.dv.emplace_back(planner.product(depth, keys, rows, shared.count, 1.0F));
    to_dv.a = planner.pick(matrices_of(params.dout), own);
    to_dv.b = planner.pick(planner.square(weights), own, true);
    to_dv.c = dv;
    BatchedProduct& to_dk =
        plan.dk.emplace_back(planner.product(depth, keys, rows, shared.count, params.scale));
    to_dk.a = planner.pick(matrices_of(params.q), own);
    to_dk.b = planner.pick(squares, own, true);
    to_dk.c = dk;
    to_dv.beta = to_dk.beta = member == 0 ? 0.0F : 1.0F;
  }
  return plan;
}

std::optional<std::string> naive_shape_unsupported(const AttentionParams& params) {
  const core::DType dtype = params.q.dtype;
  if (dtype != core::DType::f32 && dtype != core::DType::f16 && dtype != core::DType::bf16) {
    return "element type " + std::string(core::name_of(dtype));
  }
  constexpr Index kLimit = std::numeric_limits<int>::max();
  if (padded_columns(params) > kLimit || score_rows(params) > kLimit) return "more than 2^31 rows";
  if (!strides_fit(params.q) || !strides_fit(params.k) || !strides_fit(params.v) ||
      !strides_fit(params.out)) {
    return "a row stride below the head size, or a negative stride";
  }
  return beyond(params, Features());
}

std::optional<std::string> naive_gradient_shape_unsupported(const AttentionParams& params) {
  if (auto reason = naive_shape_unsupported(params)) return reason;
  if (!strides_fit(params.dout) || !strides_fit(params.dq) || !strides_fit(params.dk) ||
      !strides_fit(params.dv)) {
    return "a row stride below the head size, or a negative stride, of a gradient";
  }
  return std::nullopt;
}

}  // namespace ashlar::flashattention2::baselines
