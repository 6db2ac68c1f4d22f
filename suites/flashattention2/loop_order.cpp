#include "suites/flashattention2/experiments.hpp"

#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/passes.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Mode;
using model::Point;
using model::Tier;

class TiledFa1
    : public WithWorkspace<baselines::Fa1Workspace, baselines::Fa1Options, baselines::fa1_forward> {
 public:
  TiledFa1(const AttentionParams& params, const TiledProblem& tiles)
      : WithWorkspace(params, {.threads = 1, .key_block = tiles.key_block}) {}
};

}  // namespace

void declare_loop_order(model::Suite& suite) {
  suite.experiment<TiledProblem, AttentionAnswer>("loop-order")
      .about("both loop orders on one thread, by the keys of a column block")
      .axis("key_block", {64, 128, 256, 512}, "keys")
      .axis("seqlen", {4096}, "tokens")
      .axis("head_dim", {64, 128})
      .axis("causal", {false})
      .axis("dtype", {"f32", "bf16"})
      .axis("heads", {1})
      .axis("batch", {1})
      .keep([](const Point&, Mode mode) { return mode == Mode::full; })
      .problem(make_tiled_problem)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .add(Tier::optimized, "fa2-order", tiled_method<TiledFlash<1>>(optimized_unsupported),
           {.about = "a row block stays until it is finished", .threads = 1})
      .add(Tier::naive, "fa1-order", tiled_method<TiledFa1>(baselines::fa1_unsupported),
           {.about = "every column block visits all rows", .threads = 1})
      .control("rescale-forgotten", rescale_forgotten)
      .baselines({"fa1-order"})
      .figure({"speedup-fa1",
               "speedup",
               "key_block",
               {"dtype", "head_dim"},
               {"fa1-order"},
               "FlashAttention-2's loop order over FlashAttention-1's, one thread"});
}

}  // namespace ashlar::flashattention2::suite
