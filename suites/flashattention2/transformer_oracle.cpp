#include "suites/flashattention2/transformer_oracle.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "impls/nn/block_host.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using core::BFloat16;
using nn::Values;

constexpr Index kWholeElements = Index{1} << 17;  // of an activation that is checked whole
constexpr Index kFirstTokens = 4;                 // of a sequence, of a larger one

/// What a computation gives; of a problem that is not checked whole y of the checked tokens alone.
struct Step {
  Values y, dx, gradients;
};

nn::BlockShape checked_shape(const TransformerProblem& problem) {
  const nn::BlockShape& shape = problem.shape;
  if (checked_whole(problem)) return shape;
  return {std::min<Index>(shape.batch, 2), std::min(shape.seqlen, kFirstTokens), shape.heads,
          shape.head_dim};
}

/// Of a checked token the one of the problem.
Index token_of(const TransformerProblem& problem, Index checked) {
  const Index seqlen = checked_shape(problem).seqlen;
  const Index sequence = checked / seqlen == 0 ? 0 : problem.shape.batch - 1;
  return checked_whole(problem) ? checked : sequence * problem.shape.seqlen + checked % seqlen;
}

const BFloat16* elements(const core::Tensor<2>& tensor) {
  return static_cast<const BFloat16*>(tensor.data());
}

Values checked_tokens(const TransformerProblem& problem, const core::Tensor<2>& activation) {
  const Index hidden = problem.shape.hidden();
  Values values;
  for (Index token = 0; token < checked_shape(problem).tokens(); ++token) {
    const Values row =
        nn::in_double(elements(activation) + token_of(problem, token) * hidden, hidden);
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

nn::BlockWeights weights_of(const TransformerProblem& problem, Index layer) {
  nn::BlockWeights weights(problem.shape);
  const BFloat16* from = elements(problem.weights) + layer * problem.weights.shape()[1];
  for (Values* array : weights.arrays()) {
    *array = nn::in_double(from, static_cast<Index>(array->size()));
    from += array->size();
  }
  return weights;
}

Step step_in_double(const TransformerProblem& problem) {
  const nn::BlockShape shape = checked_shape(problem);
  const nn::BlockAttention& attention = nn::plain_attention();
  std::vector<nn::BlockActivations> kept;
  Step step{checked_tokens(problem, problem.x), {}, {}};
  for (Index layer = 0; layer < problem.layers; ++layer) {
    kept.push_back(nn::block_forward(shape, weights_of(problem, layer), step.y, attention));
    step.y = kept.back().y;
  }
  if (!checked_whole(problem)) return step;
  step.dx = checked_tokens(problem, problem.dy);
  std::vector<Values> of_layers(kept.size());
  for (std::size_t layer = kept.size(); layer-- > 0;) {
    nn::BlockGradients found = nn::block_backward(
        shape, weights_of(problem, static_cast<Index>(layer)), kept[layer], step.dx, attention);
    step.dx = std::move(found.dx);
    for (const Values* array : found.weights.arrays())
      of_layers[layer].insert(of_layers[layer].end(), array->begin(), array->end());
  }
  for (const Values& of_layer : of_layers)
    step.gradients.insert(step.gradients.end(), of_layer.begin(), of_layer.end());
  return step;
}

/// The steps that a GPU carries out, by `ops`.
template <class Ops>
Step step_on_host(const TransformerProblem& problem, Ops ops) {
  const nn::BlockShape shape = checked_shape(problem);
  nn::BlockStack<Ops> stack(ops, shape, static_cast<int>(problem.layers));
  nn::rounded_to(checked_tokens(problem, problem.x), stack.x());
  nn::rounded_to(checked_tokens(problem, problem.dy), stack.dy());
  std::copy_n(elements(problem.weights), problem.weights.size(), stack.weights());
  stack.forward();
  const Index activation = shape.tokens() * shape.hidden();
  Step step{nn::in_double(stack.y(), activation), {}, {}};
  if (!checked_whole(problem)) return step;
  stack.backward();
  step.dx = nn::in_double(stack.dx(), activation);
  step.gradients = nn::in_double(stack.gradients(), stack.parameters());
  return step;
}

model::Expected expected_of(const TransformerProblem& problem, const Step& step) {
  const Index hidden = problem.shape.hidden();
  if (!checked_whole(problem)) {
    model::ExpectedTensor y{"y", {}, step.y};
    for (Index i = 0; i < static_cast<Index>(step.y.size()); ++i)
      y.indices.push_back(token_of(problem, i / hidden) * hidden + i % hidden);
    return {y};
  }
  model::Expected expected{{"y", {}, step.y}, {"dx", {}, step.dx}};
  auto from = step.gradients.begin();
  for (Index layer = 0; layer < problem.layers; ++layer) {
    for (const BlockArray& array : block_arrays(problem.shape)) {
      expected.push_back({array_name(layer, array), {}, Values(from, from + array.size())});
      from += array.size();
    }
  }
  return expected;
}

void write_answer(const TransformerProblem& problem, const Step& step, TransformerAnswer& answer) {
  for (const model::TensorView& view : answer.tensors())
    std::fill_n(static_cast<BFloat16*>(view.data), view.size(), BFloat16{});
  const std::vector<model::TensorView> views = answer.tensors();
  for (const model::ExpectedTensor& tensor : expected_of(problem, step)) {
    const auto at = std::find_if(views.begin(), views.end(), [&](const model::TensorView& view) {
      return view.name == tensor.name;
    });
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      const Index index = tensor.indices.empty() ? static_cast<Index>(i) : tensor.indices[i];
      static_cast<BFloat16*>(at->data)[index] =
          core::to_bfloat16(static_cast<float>(tensor.values[i]));
    }
  }
}

struct WithoutResidual : nn::HostOps<BFloat16> {
  template <class Rows>
  void rows(Rows rows) {
    if constexpr (std::is_same_v<Rows, nn::BiasRows<BFloat16>>) rows.residual = nullptr;
    HostOps::rows(rows);
  }
};

class WithoutKeyGradient final : public nn::BlockAttention {
 public:
  void forward(const nn::AttentionInputs& inputs, double* out) const override {
    nn::plain_attention().forward(inputs, out);
  }
  void backward(const nn::AttentionInputs& inputs, const double* dout, double* dq, double* dk,
                double* dv) const override {
    nn::plain_attention().backward(inputs, dout, dq, dk, dv);
    for (Index token = 0; token < inputs.shape.tokens(); ++token)
      std::fill_n(dk + token * inputs.row, inputs.shape.hidden(), 0.0);
  }
};

double norm_of(const Values& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

/// Sums of an activation over each row, and over each column.
struct RowsAndColumns {
  Values rows, columns;
};
RowsAndColumns summed(const BFloat16* from, const nn::BlockShape& shape) {
  const auto hidden = static_cast<std::size_t>(shape.hidden());
  RowsAndColumns sums{Values(static_cast<std::size_t>(shape.tokens())), Values(hidden)};
  for (std::size_t token = 0; token < sums.rows.size(); ++token) {
    for (std::size_t i = 0; i < hidden; ++i) {
      const double value = core::to_float(from[token * hidden + i]);
      sums.rows[token] += value;
      sums.columns[i] += value;
    }
  }
  return sums;
}

/// Weights, and the gradients of an answer, of one layer.
class LayerIdentities {
 public:
  LayerIdentities(const TransformerProblem& problem, const BFloat16* gradients, Index layer)
      : shape_(problem.shape),
        weights_(elements(problem.weights) + layer * problem.weights.shape()[1]),
        gradients_(gradients + layer * problem.weights.shape()[1]) {}

  Values gradient(BlockArrayIndex array) const {
    return nn::in_double(gradients_ + array_offset(shape_, array),
                         block_arrays(shape_)[array].size());
  }
  /// W times the gradient of the bias beside it: the gradient of a summand of all inputs.
  Values through(BlockArrayIndex weight) const {
    const BlockArray array = block_arrays(shape_)[weight];
    const Values bias = gradient(static_cast<BlockArrayIndex>(weight + 1));
    const BFloat16* const from = weights_ + array_offset(shape_, weight);
    Values product(static_cast<std::size_t>(array.inputs));
    for (Index i = 0; i < array.inputs; ++i) {
      for (Index o = 0; o < array.outputs; ++o)
        product[static_cast<std::size_t>(i)] +=
            bias[static_cast<std::size_t>(o)] * core::to_float(from[i * array.outputs + o]);
    }
    return product;
  }

 private:
  nn::BlockShape shape_;
  const BFloat16* weights_;
  const BFloat16* gradients_;
};

/// What is off by more than `limit` times the size of `expected`. Sums of thousands of roundings to
/// bfloat16 (2^-9 each) of either sign, as the sums themselves are of either sign.
std::optional<std::string> off(const std::string& what, const Values& found, const Values& expected,
                               double limit) {
  Values difference(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) difference[i] = found[i] - expected[i];
  const double error = norm_of(difference) / norm_of(expected);
  if (error <= limit) return std::nullopt;
  return fmt::format("{} is off by {:.3g} of its size (limit {})", what, error, limit);
}

std::optional<std::string> layer_off(const LayerIdentities& of, Index layer) {
  const Values qkv = of.gradient(kQkvBias);
  const auto third = static_cast<std::ptrdiff_t>(qkv.size() / 3);
  const Values queries(qkv.begin(), qkv.begin() + third);
  const Values keys(qkv.begin() + third, qkv.begin() + 2 * third);
  const Values values(qkv.begin() + 2 * third, qkv.end());
  const std::string where = fmt::format("layer {}: the gradient of the bias of ", layer);
  Values shifted = queries;  // keys' zero with queries for its size
  for (std::size_t i = 0; i < keys.size(); ++i) shifted[i] += keys[i];
  if (auto wrong = off(where + "keys", shifted, queries, 0.05)) return wrong;
  if (auto wrong = off(where + "values", values, of.through(kProject), 0.05)) return wrong;
  if (auto wrong = off(where + "norm_2", of.gradient(kNormBias2), of.through(kExpand), 0.05))
    return wrong;
  return off(where + "norm_1", of.gradient(kNormBias1), of.through(kQkv), 0.05);
}

}  // namespace

bool checked_whole(const TransformerProblem& problem) {
  return problem.shape.tokens() * problem.shape.hidden() <= kWholeElements;
}

model::Expected transformer_in_double(const TransformerProblem& problem) {
  return expected_of(problem, step_in_double(problem));
}

model::Expected transformer_in_storage_precision(const TransformerProblem& problem) {
  return expected_of(problem, step_on_host(problem, nn::HostOps<BFloat16>()));
}

model::Tolerances transformer_tolerance(const model::Point&) {
  return {{"", {.relative_l2 = 5e-2, .yardstick_factor = 3}}};
}

std::optional<std::string> block_gradients_add_up(const TransformerProblem& problem,
                                                  const std::vector<model::TensorView>& answer) {
  // In the order of TransformerAnswer::tensors(), where the gradients follow each other.
  const auto* const dx = static_cast<const BFloat16*>(answer.at(1).data);
  const auto* const gradients = static_cast<const BFloat16*>(answer.at(2).data);
  const RowsAndColumns of_dy = summed(elements(problem.dy), problem.shape);
  if (auto wrong =
          off("the sum of dx over a token", summed(dx, problem.shape).rows, of_dy.rows, 0.05))
    return wrong;
  for (Index layer = 0; layer < problem.layers; ++layer) {
    if (auto wrong = layer_off(LayerIdentities(problem, gradients, layer), layer)) return wrong;
  }
  return off("the gradient of the last bias",
             LayerIdentities(problem, gradients, problem.layers - 1).gradient(kContractBias),
             of_dy.columns, 0.05);
}

void residual_forgotten(const TransformerProblem& problem, TransformerAnswer& answer) {
  write_answer(problem, step_on_host(problem, WithoutResidual()), answer);
}

void key_gradient_forgotten(const TransformerProblem& problem, TransformerAnswer& answer) {
  const WithoutKeyGradient attention;
  write_answer(problem, step_on_host(problem, nn::HostOps<BFloat16>(attention)), answer);
}

}  // namespace ashlar::flashattention2::suite
