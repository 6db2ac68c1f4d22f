#include "suites/flashattention2/transformer_problem.hpp"

#include <cmath>

#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"

namespace ashlar::flashattention2::suite {

namespace {

nn::BlockShape shape_of(const model::Point& point) {
  return {point.integer("tokens") / point.integer("seqlen"), point.integer("seqlen"),
          point.integer("heads"), point.integer("head_dim")};
}

Index parameters(const nn::BlockShape& shape) {
  return static_cast<Index>(nn::block_parameters(shape));
}

core::Tensor<2> activation(const nn::BlockShape& shape) {
  return {core::DType::bf16, {shape.tokens(), shape.hidden()}};
}

/// From standard normal elements.
void scale_array(const BlockArray& array, core::BFloat16* elements) {
  const bool weight = array.inputs > 1;
  const bool gain = std::string(array.name).ends_with("gain");
  const float size = weight ? 1.0F / std::sqrt(static_cast<float>(array.inputs)) : 0.1F;
  for (Index i = 0; i < array.size(); ++i) {
    const float scaled = size * core::to_float(elements[i]) + (gain ? 1.0F : 0.0F);
    elements[i] = core::to_bfloat16(scaled);
  }
}

model::TensorView view_of(std::string name, std::vector<std::int64_t> shape, void* data) {
  return {std::move(name), model::ElementType::bf16, std::move(shape), data};
}

}  // namespace

std::array<BlockArray, kBlockArrays> block_arrays(const nn::BlockShape& shape) {
  const Index hidden = shape.hidden();
  const Index inner = shape.inner();
  return {{{"norm_1.gain", 1, hidden},
           {"norm_1.bias", 1, hidden},
           {"norm_2.gain", 1, hidden},
           {"norm_2.bias", 1, hidden},
           {"qkv.weight", hidden, 3 * hidden},
           {"qkv.bias", 1, 3 * hidden},
           {"project.weight", hidden, hidden},
           {"project.bias", 1, hidden},
           {"expand.weight", hidden, inner},
           {"expand.bias", 1, inner},
           {"contract.weight", inner, hidden},
           {"contract.bias", 1, hidden}}};
}

Index array_offset(const nn::BlockShape& shape, BlockArrayIndex array) {
  const auto arrays = block_arrays(shape);
  Index offset = 0;
  for (std::size_t i = 0; i < array; ++i) offset += arrays[i].size();
  return offset;
}

std::string array_name(Index layer, const BlockArray& array) {
  return "layer" + std::to_string(layer) + "." + array.name;
}

TransformerAnswer::TransformerAnswer(const TransformerProblem& problem)
    : y(activation(problem.shape)),
      dx(activation(problem.shape)),
      gradients(core::DType::bf16, problem.weights.shape()),
      shape(problem.shape) {}

std::vector<model::TensorView> TransformerAnswer::tensors() {
  const std::vector<std::int64_t> rows = {shape.tokens(), shape.hidden()};
  std::vector<model::TensorView> views{view_of("y", rows, y.data()),
                                       view_of("dx", rows, dx.data())};
  auto* from = static_cast<core::BFloat16*>(gradients.data());
  for (Index layer = 0; layer < gradients.shape()[0]; ++layer) {
    for (const BlockArray& array : block_arrays(shape)) {
      views.push_back(view_of(array_name(layer, array), {array.inputs, array.outputs}, from));
      from += array.size();
    }
  }
  return views;
}

TransformerProblem make_transformer(const nn::BlockShape& shape, Index layers, std::uint64_t seed) {
  TransformerProblem problem{shape, layers, activation(shape), activation(shape),
                             core::Tensor<2>(core::DType::bf16, {layers, parameters(shape)})};
  core::fill_normal(problem.x.any(), seed, 0);
  core::fill_normal(problem.dy.any(), seed, 1);
  core::fill_normal(problem.weights.any(), seed, 2);
  const auto arrays = block_arrays(shape);
  auto* const weights = static_cast<core::BFloat16*>(problem.weights.data());
  core::parallel_for_dynamic(layers * static_cast<Index>(kBlockArrays), [&](Index i, int) {
    const auto array = static_cast<std::size_t>(i) % kBlockArrays;
    const Index layer = i / static_cast<Index>(kBlockArrays);
    scale_array(arrays[array], weights + layer * parameters(shape) +
                                   array_offset(shape, static_cast<BlockArrayIndex>(array)));
  });
  return problem;
}

TransformerProblem make_transformer_problem(const model::Point& point, std::uint64_t seed) {
  return make_transformer(shape_of(point), point.integer("layers"), seed);
}

model::Work transformer_work(const model::Point& point) {
  const nn::BlockShape shape = shape_of(point);
  const auto layers = static_cast<double>(point.integer("layers"));
  const auto activations = static_cast<double>(shape.tokens() * shape.hidden());
  return {layers * nn::block_training_flops(shape),
          2 * (3 * layers * nn::block_parameters(shape) + 4 * activations), "bf16"};
}

}  // namespace ashlar::flashattention2::suite
