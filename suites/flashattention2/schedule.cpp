// Experiment "schedule": the paper's ideas, each switched off alone in the code of `flash`, so that
// a comparison sees one idea and nothing else.
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/passes.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Mode;
using model::Point;
using model::Tier;

/// `flash` with one idea switched off, and with exact counts of what a call does.
template <Ablation Switched>
class Ablated : public TiledFlash<0, Switched> {
 public:
  using TiledFlash<0, Switched>::TiledFlash;
  std::map<std::string, double> counters() const {
    const ForwardCounts counts = this->workspace().counted();
    const auto count = [](std::int64_t value) { return static_cast<double>(value); };
    return {{"executed_flops", count(counts.matmul_flops)},
            {"visited_blocks", count(counts.visited_blocks)},
            {"output_scalings", count(counts.output_scalings)},
            {"exchanged_bytes", count(counts.exchanged_bytes)}};
  }
};

template <Ablation Switched>
auto ablated() {
  return tiled_method<Ablated<Switched>>(optimized_unsupported);
}

}  // namespace

void declare_schedule(model::Suite& suite) {
  suite.experiment<TiledProblem, AttentionAnswer>("schedule")
      .about("one idea of the paper switched off at a time, by the keys of a column block")
      .axis("key_block", {64, 256}, "keys")
      .in(Mode::quick, {64})
      .axis("seqlen", {1024, 4096}, "tokens")
      .in(Mode::quick, {512})
      .axis("head_dim", {64, 128})
      .in(Mode::quick, {64})
      .axis("causal", {false, true})
      .axis("dtype", {"f32", "bf16"})
      .in(Mode::quick, {"f32"})
      .axis("heads", {1})
      .axis("batch", {1})
      .keep([](const Point&, Mode mode) { return mode != Mode::gpu; })
      .problem(make_tiled_problem)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .add(Tier::optimized, "flash", ablated<Ablation{}>(), {.about = "all ideas"})
      .add(Tier::naive, "normalise-every-block", ablated<Ablation{.late_normalisation = false}>(),
           {.about = "the output is divided by the row sum after every block, as in "
                     "FlashAttention-1"})
      .add(Tier::naive, "all-blocks", ablated<Ablation{.skip_masked_blocks = false}>(),
           {.about = "blocks that the mask hides are computed too"})
      .add(Tier::naive, "heads-only", ablated<Ablation{.parallel_over_rows = false}>(),
           {.about = "one work item per head, as in FlashAttention-1"})
      .add(Tier::naive, "split-keys", ablated<Ablation{.split_queries = false}>(),
           {.about = "four shares of a block's keys, joined through memory (split-K)"})
      .control("rescale-forgotten", rescale_forgotten)
      .baselines({"normalise-every-block", "all-blocks", "heads-only", "split-keys"})
      .figure({"speedup",
               "speedup",
               "seqlen",
               {"dtype", "head_dim", "causal", "key_block"},
               {"normalise-every-block", "all-blocks", "heads-only", "split-keys"},
               "What each idea is worth"});
}

}  // namespace ashlar::flashattention2::suite
