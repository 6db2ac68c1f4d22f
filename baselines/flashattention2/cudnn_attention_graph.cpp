#include "baselines/flashattention2/cudnn_attention_graph.hpp"

namespace ashlar::flashattention2::baselines::cudnn {
namespace {

Type type_of(core::DType dtype) { return dtype == core::DType::f16 ? Type::f16 : Type::bf16; }

/// (batch, seqlen, heads, head_dim) in cuDNN's order, (batch, heads, seqlen, head_dim).
template <class View>
std::pair<Extents, Extents> layout(const View& view) {
  return {{view.shape[0], view.shape[2], view.shape[1], view.shape[3]},
          {view.strides[0], view.strides[2], view.strides[1], view.strides[3]}};
}

/// An output, or, before it is there, the input of its shape.
template <class Output, class Input>
std::pair<Extents, Extents> layout_like(const Output& output, const Input& input) {
  return output.data != nullptr ? layout(output) : layout(input);
}

Extents lse_strides(const AttentionParams& params) {
  const auto& lse = params.lse;
  if (lse.data != nullptr) return {lse.strides[0], lse.strides[1], lse.strides[2], 1};
  return packed({params.batch(), params.heads_q(), params.seqlen_q(), 1});
}

class Attention {
 public:
  explicit Attention(const AttentionParams& params)
      : p_(params),
        type_(type_of(params.q.dtype)),
        square_{params.batch(), params.heads_q(), params.seqlen_q(), params.seqlen_k()},
        rows_{params.batch(), params.heads_q(), params.seqlen_q(), 1} {}

  Tensor stored(Number number, const std::pair<Extents, Extents>& layout) {
    return graph.stored(number, type_, layout.first, layout.second);
  }
  static std::pair<Extents, Extents> transposed(std::pair<Extents, Extents> layout) {
    std::swap(layout.first[2], layout.first[3]);
    std::swap(layout.second[2], layout.second[3]);
    return layout;
  }
  Tensor lse() { return graph.stored(kLse, Type::f32, rows_, lse_strides(p_)); }
  Tensor square() { return graph.between(square_); }
  Tensor square(Type type) { return graph.between(type, square_, packed(square_)); }
  Tensor rows() { return graph.between(rows_); }
  /// A square the other way round, in the tensors' type.
  Tensor turned(const Tensor& x) {
    const auto [sizes, strides] = transposed({x.sizes, x.strides});
    const Tensor y = graph.between(type_, sizes, strides);
    graph.reshape(x, y);
    return y;
  }

  /// One tensor, wherever it is used.
  Tensor scale() {
    if (!scale_) scale_ = graph.scalar(kScale, Type::f32);
    return *scale_;
  }
  Tensor scaled_scores(const Tensor& queries, const Tensor& keys_turned) {
    const Tensor scores = square();
    graph.matmul(queries, keys_turned, scores);
    return times(scores, scale());
  }
  Tensor times(const Tensor& x, const Tensor& b) {
    const Tensor y = square();
    graph.pointwise(Pointwise::multiply, x, y, b);
    return y;
  }
  Tensor minus(const Tensor& x, const Tensor& b) {
    const Tensor y = square();
    graph.pointwise(Pointwise::subtract, x, y, b);
    return y;
  }
  Tensor exponential(const Tensor& x) {
    const Tensor y = square();
    graph.pointwise(Pointwise::exponential, x, y);
    return y;
  }
  Tensor masked(const Tensor& scores) {
    if (!p_.causal) return scores;
    const Tensor row = square(Type::i32);
    const Tensor column = square(Type::i32);
    const Tensor seen = square(Type::boolean);
    const Tensor result = square();
    graph.index(2, scores, row);
    graph.index(3, scores, column);
    graph.at_least(row, column, seen);
    graph.select(scores, graph.scalar(kHidden, Type::f32), seen, result);
    return result;
  }

  /// Weights in the tensors' type; writes lse.
  Tensor softmax(const Tensor& scores) {
    const Tensor greatest = rows();
    const Tensor sum = rows();
    const Tensor log = rows();
    graph.reduce(Reduction::max, scores, greatest);
    const Tensor weights = exponential(minus(scores, greatest));
    graph.reduce(Reduction::add, weights, sum);
    graph.pointwise(Pointwise::logarithm, sum, log);
    graph.pointwise(Pointwise::add, greatest, lse(), log);
    const Tensor normalised = square(type_);
    graph.pointwise(Pointwise::divide, weights, normalised, sum);
    return normalised;
  }

  /// D of every row, in memory between two kernels.
  Tensor delta(const Tensor& dout, const Tensor& out) {
    const Tensor product = graph.between(dout.sizes);
    const Tensor sum = rows();
    const Tensor stored = graph.stored(kDelta, Type::f32, rows_, packed(rows_));
    graph.pointwise(Pointwise::multiply, dout, product, out);
    graph.reduce(Reduction::add, product, sum);
    graph.pointwise(Pointwise::multiply, sum, stored, graph.scalar(kOne, Type::f32));
    return stored;
  }

  /// to = square^T rows; where heads share keys, summed over each group.
  void product_of_keys(const Tensor& square_turned, const Tensor& rows_tensor, const Tensor& to) {
    if (p_.group() == 1) return graph.matmul(square_turned, rows_tensor, to);
    const Extents sizes = {p_.batch(), p_.heads_q(), p_.seqlen_k(), p_.head_dim()};
    const Tensor of_heads = graph.between(type_, sizes, packed(sizes));
    graph.matmul(square_turned, rows_tensor, of_heads);
    graph.reduce(Reduction::add, of_heads, to);
  }

  Graph graph;

 private:
  const AttentionParams& p_;
  Type type_;
  Extents square_;
  Extents rows_;
  std::optional<Tensor> scale_;
};

template <class View>
bool fits(const View& view) {
  if (view.shape[3] != 1 && view.strides[3] != 1) return false;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    // Rows start at multiples of 16 bytes.
    if (view.shape[axis] > 1 && (view.strides[axis] < view.shape[3] || view.strides[axis] % 8 != 0))
      return false;
  }
  return true;
}

}  // namespace

std::optional<std::string> shape_unsupported(const AttentionParams& params) {
  if (params.q.dtype != core::DType::f16 && params.q.dtype != core::DType::bf16) {
    return "element type " + std::string(core::name_of(params.q.dtype));
  }
  if (params.head_dim() % 8 != 0) return "a head size that is no multiple of 8";
  if (params.batch() == 0 || params.heads_q() == 0 || params.seqlen_q() == 0 ||
      params.seqlen_k() == 0) {
    return "no rows or no keys";
  }
  if (params.causal && params.seqlen_q() != params.seqlen_k()) {
    return "a causal mask of unequal lengths is aligned to the top left";
  }
  if (!fits(params.q) || !fits(params.k) || !fits(params.v) || !fits(params.out)) {
    return "a stride that is no multiple of 8 elements, or below the head size";
  }
  return beyond(params, Features());
}

std::optional<std::string> gradient_shape_unsupported(const AttentionParams& params) {
  if (auto reason = shape_unsupported(params)) return reason;
  if (!fits(params.dout) || !fits(params.dq) || !fits(params.dk) || !fits(params.dv)) {
    return "a stride of a gradient that is no multiple of 8 elements, or below the head size";
  }
  return std::nullopt;
}

Graph forward_graph(const AttentionParams& params) {
  Attention a(params);
  const Tensor queries = a.stored(kQueries, layout(params.q));
  const Tensor keys = a.stored(kKeys, Attention::transposed(layout(params.k)));
  const Tensor weights = a.softmax(a.masked(a.scaled_scores(queries, keys)));
  const Tensor values = a.stored(kValues, layout(params.v));
  a.graph.matmul(weights, values, a.stored(kOut, layout_like(params.out, params.q)));
  return std::move(a.graph);
}

Graph backward_graph(const AttentionParams& params) {
  Attention a(params);
  const Tensor queries = a.stored(kQueries, layout(params.q));
  const Tensor keys = a.stored(kKeys, Attention::transposed(layout(params.k)));
  const Tensor values = a.stored(kValues, Attention::transposed(layout(params.v)));
  const Tensor out = a.stored(kOut, layout_like(params.out, params.q));
  const Tensor dout = a.stored(kDout, layout_like(params.dout, params.q));
  const Tensor delta = a.delta(dout, out);

  const Tensor shifted = a.minus(a.scaled_scores(queries, keys), a.lse());
  const Tensor weights = a.exponential(a.masked(shifted));
  a.product_of_keys(a.turned(weights), dout, a.stored(kDv, layout_like(params.dv, params.v)));

  const Tensor dp = a.square();
  a.graph.matmul(dout, values, dp);
  const Tensor ds = a.times(a.times(a.minus(dp, delta), weights), a.scale());
  a.product_of_keys(a.turned(ds), queries, a.stored(kDk, layout_like(params.dk, params.k)));

  const auto [key_sizes, key_strides] = layout(params.k);
  const Tensor keys_back = a.graph.between(type_of(params.q.dtype), key_sizes, key_strides);
  a.graph.reshape(keys, keys_back);
  const Tensor sums = a.graph.stored(kDqSums, Type::f32, queries.sizes, packed(queries.sizes));
  a.graph.matmul(ds, keys_back, sums);
  a.graph.pointwise(Pointwise::identity, sums, a.stored(kDq, layout_like(params.dq, params.q)));
  return std::move(a.graph);
}

std::vector<std::int64_t> layout_key(const AttentionParams& params, bool backward) {
  std::vector<std::pair<Extents, Extents>> layouts = {
      layout(params.q), layout(params.k), layout(params.v), layout_like(params.out, params.q)};
  layouts.emplace_back(Extents{}, lse_strides(params));
  if (backward) {
    layouts.push_back(layout_like(params.dout, params.q));
    layouts.push_back(layout_like(params.dq, params.q));
    layouts.push_back(layout_like(params.dk, params.k));
    layouts.push_back(layout_like(params.dv, params.v));
  }
  std::vector<std::int64_t> key = {static_cast<std::int64_t>(params.q.dtype), params.causal,
                                   backward};
  for (const auto& [sizes, strides] : layouts) {
    key.insert(key.end(), sizes.begin(), sizes.end());
    key.insert(key.end(), strides.begin(), strides.end());
  }
  return key;
}

std::size_t delta_bytes(const AttentionParams& params) {
  return static_cast<std::size_t>(params.batch() * params.heads_q() * params.seqlen_q()) *
         sizeof(float);
}

std::size_t dq_sums_bytes(const AttentionParams& params) {
  return delta_bytes(params) * static_cast<std::size_t>(params.head_dim());
}

}  // namespace ashlar::flashattention2::baselines::cudnn
