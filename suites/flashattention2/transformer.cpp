// Experiment "transformer": forward and backward pass of four transformer blocks on one GPU, with
// attention exchanged. It stands for the paper's training runs (table 1), which take eight.
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/transformer_oracle.hpp"
#include "suites/flashattention2/transformer_passes.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Device;
using model::Mode;
using model::Point;
using model::Tier;

/// 16384 tokens at hidden size 2048, as in the paper's grid; and a stack of 2 heads and two
/// sequences of 256 tokens, of which double precision can check every number.
bool in_transformer(const Point& point, Mode mode) {
  const bool small = point.integer("seqlen") == 256;
  return mode == Mode::gpu && (point.integer("tokens") == 512) == small &&
         (point.integer("heads") == 2) == small;
}

template <class Passes>
auto transformer_method() {
  return [] { return std::make_unique<TransformerMethod<Passes>>(); };
}

}  // namespace

void declare_transformer(model::Suite& suite) {
  suite.experiment<TransformerProblem, TransformerAnswer>("transformer")
      .about("four transformer blocks, forward and backward, attention exchanged")
      .axis("seqlen", {256, 2048, 8192}, "tokens")
      .axis("head_dim", {128})
      .axis("heads", {2, 16})
      .axis("tokens", {512, 16384})
      .axis("layers", {4})
      .keep(in_transformer)
      .problem(make_transformer_problem)
      .work(transformer_work)
      .oracle("all in double precision, or the first tokens", transformer_in_double,
              transformer_tolerance)
      .yardstick(transformer_in_storage_precision)
      .invariant("gradients add up", block_gradients_add_up)
      .add(Tier::cuda, "flash-mma", transformer_method<FlashPasses>(),
           {.about = "FlashAttention-2 on tensor cores through mma.sync", .device = Device::cuda})
      .add(Tier::cuda, "fa1-mma", transformer_method<Fa1Passes>(),
           {.about = "FlashAttention-1's schedule in the same code", .device = Device::cuda})
      .add(Tier::cuda, "naive-cuda", transformer_method<StandardPasses>(),
           {.about = "cuBLAS products on N x N weights, kept for the backward pass",
            .device = Device::cuda})
      .control("residual-forgotten", residual_forgotten)
      .control("key-gradient-forgotten", key_gradient_forgotten)
      .baselines({"naive-cuda"})
      .figure({"rate", "rate", "seqlen", {"heads"}, {}, "Four transformer blocks"});
}

}  // namespace ashlar::flashattention2::suite
