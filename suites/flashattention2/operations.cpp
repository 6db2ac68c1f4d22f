// Study "operations": what the paper says is fewer, counted while plain tiled code runs, in blocks
// like those of a GPU.
#include <memory>

#include "impls/flashattention2/tiled.hpp"
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/problem.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Better;
using model::Outcome;
using model::Point;
using model::Tier;

struct CountedProblem {
  AttentionProblem attention;
  Index row_block;
  Index key_block;
};

CountedProblem make_counted_problem(const Point& point, std::uint64_t seed) {
  const Index seqlen = point.integer("seqlen");
  CountedProblem problem{
      make_problem({core::DType::f32, 1, seqlen, seqlen, 1, 1, point.integer("head_dim")},
                   Inputs::normal, seed),
      point.integer("row_block"), point.integer("key_block")};
  problem.attention.causal = point.flag("causal");
  return problem;
}

Outcome count(const CountedProblem& problem, TiledOptions options) {
  options.row_block = problem.row_block;
  options.key_block = problem.key_block;
  AttentionAnswer answer(problem.attention);
  const AttentionParams params = forward_params(problem.attention, &answer);
  TiledCounts counts;
  tiled_forward(params, options, &counts);
  const auto number = [](Index value) { return static_cast<double>(value); };
  Outcome outcome;
  outcome.metrics = {{"nonmatmul_operations", number(counts.elementwise_ops() + counts.final_ops +
                                                     counts.scalar_ops + counts.combine_ops)},
                     {"elementwise_operations", number(counts.elementwise_ops())},
                     {"matmul_flops", number(counts.matmul_flops)},
                     {"exchanged_bytes", number(counts.written_bytes + counts.read_bytes)},
                     {"state_bytes", number(counts.state_bytes)},
                     {"saved_statistics", number(counts.saved_statistics)},
                     {"work_items", number(counts.work_items)},
                     {"as_formula", counts == tiled_formula(params, options) ? 1.0 : 0.0}};
  return outcome;
}

}  // namespace

void declare_operations(model::Suite& suite) {
  const auto counted = [](TiledOptions options) {
    return [options](const CountedProblem& problem) { return count(problem, options); };
  };
  suite.study<CountedProblem>("operations")
      .about(
          "operations outside of products, bytes exchanged, numbers saved: counted in plain code")
      .axis("causal", {false, true})
      .axis("head_dim", {64, 128})
      .axis("row_block", {128}, "rows")
      .axis("key_block", {64, 128}, "keys")
      .axis("seqlen", {512}, "tokens")
      .problem(make_counted_problem)
      .metric("nonmatmul_operations", Better::lower)
      .metric("elementwise_operations", Better::lower)
      .metric("matmul_flops", Better::lower)
      .metric("exchanged_bytes", Better::lower, "bytes")
      .metric("state_bytes", Better::lower, "bytes")
      .metric("saved_statistics", Better::lower)
      .metric("work_items", Better::higher)
      .metric("as_formula", Better::higher)
      .add(Tier::reference, "fa2", counted(fa2_options()), {.about = "FlashAttention-2"})
      .add(Tier::naive, "fa1", counted(fa1_options()),
           {.about = "FlashAttention-1: columns outside, division in every block, split-K"})
      .add(Tier::naive, "every-block", counted({.rescale = Rescale::every_block}),
           {.about = "FlashAttention-2 but for a division in every block"})
      .add(Tier::naive, "split-keys", counted({.split = Split::keys}),
           {.about = "FlashAttention-2 but for split-K"});
}

}  // namespace ashlar::flashattention2::suite
