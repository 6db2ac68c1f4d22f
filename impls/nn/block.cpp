#include "impls/nn/block.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "impls/nn/block_math.hpp"

namespace ashlar::nn {
namespace {

std::size_t count(Index rows, Index columns) { return static_cast<std::size_t>(rows * columns); }

LinearWeights linear_zeros(Index inputs, Index outputs) {
  return {Values(count(inputs, outputs)), Values(count(1, outputs))};
}
NormWeights norm_zeros(Index width) { return {Values(count(1, width)), Values(count(1, width))}; }

/// y = x W + b for all tokens.
Values linear(const Values& x, const LinearWeights& weights, Index tokens) {
  const auto outputs = weights.bias.size();
  const auto inputs = weights.weight.size() / outputs;
  Values y(count(tokens, static_cast<Index>(outputs)));
  for (std::size_t t = 0; t < static_cast<std::size_t>(tokens); ++t) {
    double* const row = &y[t * outputs];
    std::copy(weights.bias.begin(), weights.bias.end(), row);
    for (std::size_t i = 0; i < inputs; ++i) {
      for (std::size_t o = 0; o < outputs; ++o)
        row[o] += x[t * inputs + i] * weights.weight[i * outputs + o];
    }
  }
  return y;
}

/// In four sums, which a processor adds up side by side.
double dot(const double* a, const double* b, std::size_t count) {
  double sums[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < count; ++i) sums[0] += a[i] * b[i];
  return sums[0] + sums[1] + sums[2] + sums[3];
}

/// Gradients of the weights are written to `gradient`; returns that of x.
Values linear_backward(const Values& x, const LinearWeights& weights, const Values& dy,
                       LinearWeights& gradient) {
  const auto outputs = weights.bias.size();
  const auto inputs = weights.weight.size() / outputs;
  const auto tokens = dy.size() / outputs;
  Values dx(tokens * inputs);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t o = 0; o < outputs; ++o) gradient.bias[o] += dy[t * outputs + o];
    for (std::size_t i = 0; i < inputs; ++i) {
      dx[t * inputs + i] = dot(&dy[t * outputs], &weights.weight[i * outputs], outputs);
      for (std::size_t o = 0; o < outputs; ++o)
        gradient.weight[i * outputs + o] += x[t * inputs + i] * dy[t * outputs + o];
    }
  }
  return dx;
}

RowMoments<double> moments_of(const double* row, std::size_t width) {
  double sum = 0;
  for (std::size_t i = 0; i < width; ++i) sum += row[i];
  const double mean = sum / static_cast<double>(width);
  double squares = 0;
  for (std::size_t i = 0; i < width; ++i) squares += (row[i] - mean) * (row[i] - mean);
  return moments(sum, squares, static_cast<double>(width));
}

Values norm(const Values& x, const NormWeights& weights) {
  const std::size_t width = weights.gain.size();
  Values y(x.size());
  for (std::size_t first = 0; first < x.size(); first += width) {
    const RowMoments<double> row = moments_of(&x[first], width);
    for (std::size_t i = 0; i < width; ++i) {
      const double centred = (x[first + i] - row.mean) * row.inverse_deviation;
      y[first + i] = centred * weights.gain[i] + weights.bias[i];
    }
  }
  return y;
}

/// Adds the gradient of x to `dx`.
void norm_backward(const Values& x, const NormWeights& weights, const Values& dy,
                   NormWeights& gradient, Values& dx) {
  const std::size_t width = weights.gain.size();
  const auto columns = static_cast<double>(width);
  for (std::size_t first = 0; first < x.size(); first += width) {
    const RowMoments<double> row = moments_of(&x[first], width);
    const auto centred = [&](std::size_t i) {
      return (x[first + i] - row.mean) * row.inverse_deviation;
    };
    double scaled_sum = 0;
    double product_sum = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const double scaled = dy[first + i] * weights.gain[i];
      scaled_sum += scaled;
      product_sum += scaled * centred(i);
      gradient.gain[i] += dy[first + i] * centred(i);
      gradient.bias[i] += dy[first + i];
    }
    for (std::size_t i = 0; i < width; ++i) {
      dx[first + i] +=
          norm_gradient(dy[first + i] * weights.gain[i], centred(i), scaled_sum / columns,
                        product_sum / columns, row.inverse_deviation);
    }
  }
}

Values sum_of(const Values& a, const Values& b) {
  Values sum(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) sum[i] = a[i] + b[i];
  return sum;
}

/// q, k and v as they lie in the rows of `qkv`.
AttentionInputs thirds_of(const BlockShape& shape, const Values& qkv) {
  const Index hidden = shape.hidden();
  return {shape, 3 * hidden, qkv.data(), qkv.data() + hidden, qkv.data() + 2 * hidden};
}

}  // namespace

BlockWeights::BlockWeights(const BlockShape& shape)
    : norm_1(norm_zeros(shape.hidden())),
      norm_2(norm_zeros(shape.hidden())),
      qkv(linear_zeros(shape.hidden(), 3 * shape.hidden())),
      project(linear_zeros(shape.hidden(), shape.hidden())),
      expand(linear_zeros(shape.hidden(), shape.inner())),
      contract(linear_zeros(shape.inner(), shape.hidden())) {}

std::vector<Values*> BlockWeights::arrays() {
  std::vector<Values*> all;
  for (NormWeights* weights : {&norm_1, &norm_2}) {
    all.push_back(&weights->gain);
    all.push_back(&weights->bias);
  }
  for (LinearWeights* weights : {&qkv, &project, &expand, &contract}) {
    all.push_back(&weights->weight);
    all.push_back(&weights->bias);
  }
  return all;
}

BlockActivations block_forward(const BlockShape& shape, const BlockWeights& weights,
                               const Values& x, const BlockAttention& attention) {
  if (x.size() != count(shape.tokens(), shape.hidden()))
    throw std::invalid_argument("the input of a block is not (tokens, hidden)");
  const Index tokens = shape.tokens();
  BlockActivations kept;
  kept.x = x;
  kept.normed_1 = norm(x, weights.norm_1);
  kept.qkv = linear(kept.normed_1, weights.qkv, tokens);
  kept.attended.resize(x.size());
  attention.forward(thirds_of(shape, kept.qkv), kept.attended.data());
  kept.middle = sum_of(x, linear(kept.attended, weights.project, tokens));
  kept.normed_2 = norm(kept.middle, weights.norm_2);
  kept.expanded = linear(kept.normed_2, weights.expand, tokens);
  kept.activated = kept.expanded;
  for (double& value : kept.activated) value = gelu(value);
  kept.y = sum_of(kept.middle, linear(kept.activated, weights.contract, tokens));
  return kept;
}

BlockGradients block_backward(const BlockShape& shape, const BlockWeights& weights,
                              const BlockActivations& kept, const Values& dy,
                              const BlockAttention& attention) {
  BlockGradients gradients{dy, BlockWeights(shape)};
  BlockWeights& into = gradients.weights;
  Values dexpanded = linear_backward(kept.activated, weights.contract, dy, into.contract);
  for (std::size_t i = 0; i < dexpanded.size(); ++i) dexpanded[i] *= gelu_slope(kept.expanded[i]);
  Values dmiddle = dy;
  norm_backward(kept.middle, weights.norm_2,
                linear_backward(kept.normed_2, weights.expand, dexpanded, into.expand), into.norm_2,
                dmiddle);
  const Values dattended = linear_backward(kept.attended, weights.project, dmiddle, into.project);
  Values dqkv(kept.qkv.size());
  const Index hidden = shape.hidden();
  attention.backward(thirds_of(shape, kept.qkv), dattended.data(), dqkv.data(),
                     dqkv.data() + hidden, dqkv.data() + 2 * hidden);
  gradients.dx = dmiddle;
  norm_backward(kept.x, weights.norm_1, linear_backward(kept.normed_1, weights.qkv, dqkv, into.qkv),
                into.norm_1, gradients.dx);
  return gradients;
}

double block_parameters(const BlockShape& shape) {
  const auto hidden = static_cast<double>(shape.hidden());
  return 12 * hidden * hidden + 13 * hidden;  // of norms 4, of biases 3, 1, 4 and 1
}

double block_training_flops(const BlockShape& shape) {
  const auto hidden = static_cast<double>(shape.hidden());
  const auto seqlen = static_cast<double>(shape.seqlen);
  const double weights = 12 * hidden * hidden;
  return static_cast<double>(shape.batch) * (6 * seqlen * weights + 12 * seqlen * seqlen * hidden);
}

}  // namespace ashlar::nn
