#include "impls/nn/block.hpp"

#include <cmath>
#include <random>

#include <catch2/catch.hpp>

#include "impls/nn/block_math.hpp"

namespace ashlar::nn {
namespace {

/// As good as random, and the same everywhere.
class Numbers {
 public:
  explicit Numbers(std::uint32_t seed) : engine_(seed) {}
  double next() { return static_cast<double>(engine_() >> 8) * 0x1p-23 - 1; }
  Values many(std::size_t count, double size) {
    Values values(count);
    for (double& value : values) value = size * next();
    return values;
  }

 private:
  std::mt19937 engine_;
};

constexpr BlockShape kTiny{2, 3, 2, 2};

BlockWeights random_weights(const BlockShape& shape) {
  Numbers numbers(7);
  BlockWeights weights(shape);
  for (Values* array : weights.arrays()) *array = numbers.many(array->size(), 0.7);
  for (double& gain : weights.norm_1.gain) gain += 1;
  for (double& gain : weights.norm_2.gain) gain += 1;
  return weights;
}

Values random_input(const BlockShape& shape, std::uint32_t seed) {
  return Numbers(seed).many(static_cast<std::size_t>(shape.tokens() * shape.hidden()), 1.5);
}

/// <dy, y>, whose gradients block_backward() gives.
double objective(const BlockWeights& weights, const Values& x, const Values& dy) {
  const Values y = block_forward(kTiny, weights, x, plain_attention()).y;
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) sum += dy[i] * y[i];
  return sum;
}

/// Greatest difference between `gradient` and central differences of `value` in every element of
/// `at`, relative to the greatest element of the gradient.
template <class Value>
double worst_difference(Values& at, const Values& gradient, const Value& value) {
  constexpr double kStep = 1e-5;
  double worst = 0;
  double size = 0;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double before = at[i];
    at[i] = before + kStep;
    const double above = value();
    at[i] = before - kStep;
    const double below = value();
    at[i] = before;
    worst = std::max(worst, std::abs((above - below) / (2 * kStep) - gradient[i]));
    size = std::max(size, std::abs(gradient[i]));
  }
  REQUIRE(size > 0);
  return worst / size;
}

/// Attention whose gradient of v goes to the wrong key.
class ShiftedAttention final : public BlockAttention {
 public:
  void forward(const AttentionInputs& inputs, double* out) const override {
    plain_attention().forward(inputs, out);
  }
  void backward(const AttentionInputs& inputs, const double* dout, double* dq, double* dk,
                double* dv) const override {
    plain_attention().backward(inputs, dout, dq, dk, dv);
    std::swap(dv[0], dv[inputs.row]);
  }
};

double worst_of_weights(const BlockAttention& attention) {
  BlockWeights weights = random_weights(kTiny);
  const Values x = random_input(kTiny, 1);
  const Values dy = random_input(kTiny, 2);
  BlockGradients gradients =
      block_backward(kTiny, weights, block_forward(kTiny, weights, x, attention), dy, attention);
  const auto arrays = weights.arrays();
  const auto expected = gradients.weights.arrays();
  double worst = 0;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    INFO("array " << i);
    // The gradient of a key's bias is zero: it shifts all scores of a row alike.
    worst = std::max(worst, worst_difference(*arrays[i], *expected[i],
                                             [&] { return objective(weights, x, dy); }));
  }
  return worst;
}

}  // namespace

TEST_CASE("gradients of a block are those of finite differences") {
  CHECK(worst_of_weights(plain_attention()) < 1e-7);
  const BlockWeights weights = random_weights(kTiny);
  Values x = random_input(kTiny, 1);
  const Values dy = random_input(kTiny, 2);
  const BlockGradients gradients = block_backward(
      kTiny, weights, block_forward(kTiny, weights, x, plain_attention()), dy, plain_attention());
  CHECK(worst_difference(x, gradients.dx, [&] { return objective(weights, x, dy); }) < 1e-7);
}

TEST_CASE("finite differences reject a gradient that is wrong in one element") {
  CHECK(worst_of_weights(ShiftedAttention()) > 1e-3);
}

TEST_CASE("a token is not changed by later ones, nor by other sequences") {
  const BlockWeights weights = random_weights(kTiny);
  const Values x = random_input(kTiny, 1);
  const auto hidden = static_cast<std::size_t>(kTiny.hidden());
  const Values y = block_forward(kTiny, weights, x, plain_attention()).y;
  Values changed = x;
  changed[2 * hidden] += 1;  // the last token of the first sequence
  const Values other = block_forward(kTiny, weights, changed, plain_attention()).y;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t token = i / hidden;
    if (token != 2) CHECK(other[i] == y[i]);
  }
  CHECK(other[2 * hidden] != y[2 * hidden]);
  changed = x;
  changed[0] += 1;  // the first: all of its sequence
  const Values moved = block_forward(kTiny, weights, changed, plain_attention()).y;
  for (std::size_t token = 0; token < 6; ++token)
    CHECK((moved[token * hidden] == y[token * hidden]) == (token >= 3));
}

TEST_CASE("weights of zero leave the input, as both halves add to it") {
  const Values x = random_input(kTiny, 1);
  CHECK(block_forward(kTiny, BlockWeights(kTiny), x, plain_attention()).y == x);
  CHECK_THROWS_AS(block_forward(kTiny, BlockWeights(kTiny), Values(3), plain_attention()),
                  std::invalid_argument);
}

TEST_CASE("normalised rows have mean 0 and variance 1, and gelu is known") {
  BlockWeights weights(kTiny);
  for (double& gain : weights.norm_1.gain) gain = 1;
  const Values rows =
      block_forward(kTiny, weights, random_input(kTiny, 3), plain_attention()).normed_1;
  for (std::size_t first = 0; first < rows.size(); first += 4) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = first; i < first + 4; ++i) {
      sum += rows[i];
      squares += rows[i] * rows[i];
    }
    CHECK(sum == Approx(0).margin(1e-12));
    CHECK(squares / 4 == Approx(1).epsilon(1e-3));  // but for the epsilon
  }
  CHECK(gelu(0.0) == 0);
  CHECK(gelu(1.0) == Approx(0.841344746068543).epsilon(1e-14));
  CHECK(gelu(-1.0) == Approx(-0.158655253931457).epsilon(1e-14));
  CHECK(gelu(10.0F) == 10);
  CHECK(gelu(-40.0) == 0);
  CHECK(gelu_slope(0.0) == 0.5);
}

TEST_CASE("FLOPs are those of the formula of table 1") {
  // 6 N P + 12 L h N^2 with the weights of matrices for P: 24 layers of 2048 columns.
  const BlockShape layer{1, 8192, 16, 128};
  const double matrices = 24 * 12.0 * 2048 * 2048;
  CHECK(24 * block_training_flops(layer) ==
        Approx(6 * 8192.0 * matrices + 12 * 24 * 2048.0 * 8192 * 8192));
  BlockWeights weights(kTiny);
  std::size_t parameters = 0;
  for (const Values* array : weights.arrays()) parameters += array->size();
  CHECK(block_parameters(kTiny) == static_cast<double>(parameters));
}

}  // namespace ashlar::nn
