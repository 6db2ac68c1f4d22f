#pragma once
// A stack of transformer blocks (impls/nn/block.hpp), forward and backward, as one problem: what of
// the paper's training runs fits on one device.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/model/suite.hpp"
#include "impls/core/tensor.hpp"
#include "impls/nn/block.hpp"

namespace ashlar::flashattention2::suite {

using core::Index;

/// All in bfloat16.
struct TransformerProblem {
  nn::BlockShape shape;
  Index layers = 0;
  core::Tensor<2> x;        // (tokens, hidden), standard normal
  core::Tensor<2> dy;       // likewise
  core::Tensor<2> weights;  // (layers, parameters): arrays in the order of nn::BlockWeights
};

/// y, dx, and of every layer the gradient of every array, "layer0.qkv.weight".
struct TransformerAnswer {
  core::Tensor<2> y;
  core::Tensor<2> dx;
  core::Tensor<2> gradients;  // as weights
  nn::BlockShape shape;
  explicit TransformerAnswer(const TransformerProblem& problem);
  std::vector<model::TensorView> tensors();
};

/// The arrays of one layer in the order of nn::BlockWeights.
struct BlockArray {
  const char* name;
  Index inputs;  // rows of a weight; 1 of a vector
  Index outputs;
  Index size() const { return inputs * outputs; }
};
inline constexpr std::size_t kBlockArrays = 12;
enum BlockArrayIndex : std::size_t {
  kGain1,
  kNormBias1,
  kGain2,
  kNormBias2,
  kQkv,
  kQkvBias,
  kProject,
  kProjectBias,
  kExpand,
  kExpandBias,
  kContract,
  kContractBias
};
std::array<BlockArray, kBlockArrays> block_arrays(const nn::BlockShape& shape);
/// Where an array starts among a layer's parameters.
Index array_offset(const nn::BlockShape& shape, BlockArrayIndex array);
std::string array_name(Index layer, const BlockArray& array);

/// Weights have variance 1 / inputs, gains are around 1, biases around 0 with deviation 0.1.
TransformerProblem make_transformer(const nn::BlockShape& shape, Index layers, std::uint64_t seed);
/// Axes: seqlen, tokens (of all sequences together), heads, head_dim, layers.
TransformerProblem make_transformer_problem(const model::Point& point, std::uint64_t seed);
/// The formula of the paper's table 1 (nn::block_training_flops). Bytes: weights read by both
/// passes, their gradients written, x, dy, y and dx moved once.
model::Work transformer_work(const model::Point& point);

}  // namespace ashlar::flashattention2::suite
