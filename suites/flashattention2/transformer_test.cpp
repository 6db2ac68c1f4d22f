// The stack of blocks: what a GPU would be told, on a CPU, and what decides over its answer.
#include <algorithm>

#include <catch2/catch.hpp>

#include "harness/measure/verify.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/nn/block_host.hpp"
#include "suites/flashattention2/suite.hpp"
#include "suites/flashattention2/transformer_oracle.hpp"
#include "suites/flashattention2/transformer_passes.hpp"

namespace ashlar::flashattention2::suite {
namespace transformer_test {
namespace {

using core::BFloat16;

constexpr nn::BlockShape kTiny{2, 9, 2, 8};
/// Too large to be checked whole, and cheap to compute.
constexpr nn::BlockShape kLong{3, 700, 2, 64};

/// Attention by the reference of this paper, through the call that a GPU's kernels are given.
struct ReferenceOps : nn::HostOps<BFloat16> {
  class Layer final : public nn::LayerAttention {
   public:
    explicit Layer(const LayerPlaces& places)
        : lse_(static_cast<std::size_t>(places.shape.tokens() * places.shape.heads)),
          params_(layer_attention(places, lse_.data())) {}
    void forward() override { reference_forward(params_); }
    void backward() override { reference_backward(params_); }

   private:
    std::vector<float> lse_;
    AttentionParams params_;
  };
  std::unique_ptr<nn::LayerAttention> attention(const LayerPlaces& places) {
    return std::make_unique<Layer>(places);
  }
};

/// A training step by `Ops`, whatever the size.
template <class Ops>
void step(const TransformerProblem& problem, TransformerAnswer& answer) {
  Ops ops;
  nn::BlockStack<Ops> stack(ops, problem.shape, static_cast<int>(problem.layers));
  const auto copy = [](const void* from, Index count, BFloat16* to) {
    std::copy_n(static_cast<const BFloat16*>(from), count, to);
  };
  copy(problem.x.data(), problem.x.size(), stack.x());
  copy(problem.dy.data(), problem.dy.size(), stack.dy());
  copy(problem.weights.data(), problem.weights.size(), stack.weights());
  stack.forward();
  stack.backward();
  copy(stack.y(), answer.y.size(), static_cast<BFloat16*>(answer.y.data()));
  copy(stack.dx(), answer.dx.size(), static_cast<BFloat16*>(answer.dx.data()));
  copy(stack.gradients(), answer.gradients.size(), static_cast<BFloat16*>(answer.gradients.data()));
}

using Compute = void (*)(const TransformerProblem&, TransformerAnswer&);

/// What the harness would say.
std::optional<std::string> judged(const TransformerProblem& problem, Compute compute,
                                  bool invariant) {
  TransformerAnswer answer(problem);
  compute(problem, answer);
  const model::Expected yardstick = transformer_in_storage_precision(problem);
  const auto result = measure::compare(transformer_in_double(problem), answer.tensors(),
                                       transformer_tolerance({}), &yardstick);
  if (result.mismatch || !invariant) return result.mismatch;
  return block_gradients_add_up(problem, answer.tensors());
}

}  // namespace

TEST_CASE("the arrays of a block lie where its steps look for them") {
  const auto arrays = block_arrays(kTiny);
  nn::BlockWeights weights(kTiny);
  const auto expected = weights.arrays();
  REQUIRE(expected.size() == arrays.size());
  Index total = 0;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    CHECK(static_cast<Index>(expected[i]->size()) == arrays[i].size());
    CHECK(array_offset(kTiny, static_cast<BlockArrayIndex>(i)) == total);
    total += arrays[i].size();
  }
  CHECK(total == nn::BlockPlaces<BFloat16>::count(kTiny));
  const auto problem = make_transformer(kTiny, 3, 1);
  CHECK(TransformerAnswer(problem).tensors().size() == 2 + 3 * arrays.size());
}

TEST_CASE("a small stack is checked whole, through the call that attention on a GPU is given") {
  const auto problem = make_transformer(kTiny, 2, 1);
  REQUIRE(checked_whole(problem));
  CHECK_FALSE(judged(problem, step<ReferenceOps>, true));
  CHECK(judged(problem, residual_forgotten, false));
  CHECK(judged(problem, key_gradient_forgotten, false));
}

TEST_CASE("of a large stack the first tokens are checked, and sums of all gradients") {
  const auto problem = make_transformer(kLong, 1, 1);
  REQUIRE_FALSE(checked_whole(problem));
  const model::Expected expected = transformer_in_double(problem);
  REQUIRE(expected.size() == 1);
  CHECK(expected[0].indices.size() == 2 * 4 * 128);
  CHECK(expected[0].indices.back() == (2 * 700 + 4) * 128 - 1);
  TransformerAnswer answer(problem);
  step<ReferenceOps>(problem, answer);
  const auto judged_now = [&] {
    const model::Expected yardstick = transformer_in_storage_precision(problem);
    const auto result =
        measure::compare(expected, answer.tensors(), transformer_tolerance({}), &yardstick);
    return result.mismatch ? result.mismatch : block_gradients_add_up(problem, answer.tensors());
  };
  CHECK(judged_now() == std::nullopt);
  CHECK(judged(problem, residual_forgotten, false));
  // Each identity rejects the array that it speaks of.
  const auto tensors = answer.tensors();
  for (const char* name : {"dx", "layer0.qkv.bias", "layer0.norm_1.bias", "layer0.norm_2.bias",
                           "layer0.project.bias", "layer0.expand.bias", "layer0.contract.bias"}) {
    const auto view = std::find_if(tensors.begin(), tensors.end(),
                                   [&](const auto& one) { return one.name == name; });
    REQUIRE(view != tensors.end());
    auto* const elements = static_cast<BFloat16*>(view->data);
    const std::vector<BFloat16> before(elements, elements + view->size());
    for (Index i = 0; i < view->size(); ++i)
      elements[i] = core::to_bfloat16(1.2F * core::to_float(elements[i]));
    INFO(name);
    CHECK(judged_now());
    std::copy(before.begin(), before.end(), elements);
  }
}

TEST_CASE("the transformer is measured on a GPU alone, at the paper's lengths and at a small one") {
  const model::Suite suite = make();
  const model::Experiment& transformer = *suite.find("transformer");
  CHECK(transformer.points(model::Mode::full).empty());
  CHECK(transformer.points(model::Mode::quick).empty());
  std::vector<std::array<std::int64_t, 3>> points;
  for (const model::Point& point : transformer.points(model::Mode::gpu))
    points.push_back({point.integer("seqlen"), point.integer("heads"), point.integer("tokens")});
  CHECK(points == std::vector<std::array<std::int64_t, 3>>{
                      {256, 2, 512}, {2048, 16, 16384}, {8192, 16, 16384}});
  for (const model::Implementation& one : transformer.implementations)
    CHECK(one.options.device == model::Device::cuda);
}

}  // namespace transformer_test
}  // namespace ashlar::flashattention2::suite
