// Experiment "ladder": from three scalar loops to all threads, one step at a time.
#include "baselines/flashattention2/naive.hpp"
#include "impls/flashattention2/tiled.hpp"
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/passes.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Mode;
using model::Point;
using model::Tier;

template <core::Isa Limit>
class FlashOn : public WithWorkspace<ForwardWorkspace, ForwardOptions, optimized_forward> {
 public:
  explicit FlashOn(const AttentionParams& params)
      : WithWorkspace(params, {.threads = 1, .isa = Limit}) {}
};

/// A rung is of interest where it differs from the one below.
template <core::Isa Needed>
std::optional<std::string> isa_unsupported(const AttentionParams& params) {
  for (const core::Isa isa : optimized_isas(params.q.dtype)) {
    if (isa == Needed) return optimized_unsupported(params);
  }
  return "no kernels for " + std::string(core::name_of(Needed)) + " here";
}

void tiled(const AttentionProblem& problem, AttentionAnswer& answer) {
  tiled_forward(forward_params(problem, &answer), {});
}

}  // namespace

void declare_ladder(model::Suite& suite) {
  suite.experiment<AttentionProblem, AttentionAnswer>("ladder")
      .about("what each step adds, from scalar loops to all threads")
      .axis("seqlen", {1024}, "tokens")
      .axis("head_dim", {64, 128})
      .axis("causal", {false, true})
      .axis("dtype", {"f32", "bf16"})
      .axis("heads", {1})
      .axis("batch", {1})
      .keep([](const Point&, Mode mode) { return mode == Mode::full; })
      .problem(make_attention_problem)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .add(Tier::naive, "naive",
           forward_method<baselines::NaiveForward>(baselines::naive_unsupported),
           {.about = "three scalar loops, scores stored", .threads = 1})
      .add(Tier::reference, "tiled", tiled,
           {.about = "the paper's algorithm in tiles, plain code", .threads = 1})
      .add(Tier::optimized, "strips-avx2",
           forward_method<FlashOn<core::Isa::avx2>>(isa_unsupported<core::Isa::avx2>),
           {.about = "strips of 6 rows, packed operands, 8 lanes", .threads = 1})
      .add(Tier::optimized, "strips-avx512",
           forward_method<FlashOn<core::Isa::avx512>>(isa_unsupported<core::Isa::avx512>),
           {.about = "the same, 16 lanes and twice the registers", .threads = 1})
      .add(Tier::optimized, "strips-avx512-bf16",
           forward_method<FlashOn<core::Isa::avx512_bf16>>(isa_unsupported<core::Isa::avx512_bf16>),
           {.about = "products of pairs in bfloat16", .threads = 1})
      .add(Tier::optimized, "flash", forward_method<Flash<0>>(optimized_unsupported),
           {.about = "all threads"})
      .control("rescale-forgotten", rescale_forgotten)
      .baselines({"naive", "tiled"})
      .figure({"rate", "rate", "seqlen", {"dtype", "head_dim", "causal"}, {}, "The ladder"});
}

}  // namespace ashlar::flashattention2::suite
