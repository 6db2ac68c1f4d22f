#include "suites/flashattention2/experiments.hpp"

#include <memory>
#include <optional>

#include "baselines/flashattention2/fa1_order.hpp"
#include "impls/flashattention2/optimized.hpp"
#include "suites/flashattention2/methods.hpp"
#include "suites/flashattention2/oracle.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Mode;
using model::Point;
using model::Tier;

struct BlockedProblem : AttentionProblem {
  Index key_block = 0;
};

BlockedProblem make_blocked_problem(const Point& point, std::uint64_t seed) {
  return {make_attention_problem(point, seed), point.integer("key_block")};
}

class Fa2 : public WithWorkspace<ForwardWorkspace, ForwardOptions, optimized_forward> {
 public:
  Fa2(const AttentionParams& params, Index key_block)
      : WithWorkspace(params, {.threads = 1, .key_block = key_block}) {}
};

class Fa1
    : public WithWorkspace<baselines::Fa1Workspace, baselines::Fa1Options, baselines::fa1_forward> {
 public:
  Fa1(const AttentionParams& params, Index key_block)
      : WithWorkspace(params, {.threads = 1, .key_block = key_block}) {}
};

template <class Forward>
class BlockedMethod final : public model::Method<BlockedProblem, AttentionAnswer> {
 public:
  void prepare(const BlockedProblem& problem, AttentionAnswer& answer) override {
    forward_.emplace(forward_params(problem, &answer), problem.key_block);
  }
  void execute(const BlockedProblem&, AttentionAnswer&, model::Stream) override { (*forward_)(); }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.workspace_bytes = static_cast<std::int64_t>(forward_->workspace_bytes());
    return outcome;
  }

 private:
  std::optional<Forward> forward_;
};

template <class Forward>
std::unique_ptr<model::Method<BlockedProblem, AttentionAnswer>> blocked() {
  return std::make_unique<BlockedMethod<Forward>>();
}

}  // namespace

void declare_loop_order(model::Suite& suite) {
  suite.experiment<BlockedProblem, AttentionAnswer>("loop-order")
      .about("both loop orders on one thread, by the keys of a column block")
      .axis("key_block", {64, 128, 256, 512}, "keys")
      .axis("seqlen", {4096}, "tokens")
      .axis("head_dim", {64, 128})
      .axis("causal", {false})
      .axis("dtype", {"f32", "bf16"})
      .axis("heads", {1})
      .axis("batch", {1})
      .keep([](const Point&, Mode mode) { return mode == Mode::full; })
      .problem(make_blocked_problem)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .add(Tier::optimized, "fa2-order", blocked<Fa2>,
           {.about = "a row block stays until it is finished", .threads = 1})
      .add(Tier::naive, "fa1-order", blocked<Fa1>,
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
