// Experiment "hopper-ladder": what each step of FlashAttention-3 adds to a forward kernel for
// Hopper's tensor cores (Shah et al., arXiv 2407.08608, table 2 and sections 3.1 and 3.2).
#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/cuda_wgmma.hpp"
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/passes.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Device;
using model::Mode;
using model::Point;
using model::Tier;
using Builder = model::ExperimentBuilder<AttentionProblem, AttentionAnswer>;

/// The shape of table 2 (batch 4, 8448 tokens), and one long sequence.
bool in_ladder(const Point& point, Mode mode) {
  return mode == Mode::gpu && (point.integer("seqlen") == 8448) == (point.integer("batch") == 4);
}

template <WgmmaRung Rung>
void add_rung(Builder& ladder, const std::string& name, const std::string& about) {
  ladder.add(Tier::cuda, name,
             forward_device_method<Wgmma<Rung>>(Wgmma<Rung>::unsupported, no_workspace),
             {.about = about, .device = Device::cuda});
}

/// From the rung below to the top, and what the authors' table leaves out instead of adding.
void add_rungs(Builder& ladder) {
  ladder.add(Tier::cuda, "flash-mma",
             forward_device_method<CudaForward>(cuda_unsupported, no_workspace),
             {.about = "tensor cores as of Ampere, mma.sync", .device = Device::cuda});
  add_rung<WgmmaRung::plain>(ladder, "flash-wgmma-plain",
                             "wgmma and bulk copies, each step waits for the one before");
  add_rung<WgmmaRung::specialised>(ladder, "flash-wgmma-specialised", "and a warp that only loads");
  add_rung<WgmmaRung::ping_pong>(ladder, "flash-wgmma-pingpong",
                                 "and warpgroups that take turns with products and softmax");
  add_rung<WgmmaRung::overlapped>(ladder, "flash-wgmma",
                                  "and products of one block under the softmax of the next");
  add_rung<WgmmaRung::unspecialised>(ladder, "flash-wgmma-no-specialisation",
                                     "the whole, but without a warp that only loads");
}

}  // namespace

void declare_hopper_ladder(model::Suite& suite) {
  Builder ladder = suite.experiment<AttentionProblem, AttentionAnswer>("hopper-ladder");
  ladder.about("forward kernels for Hopper, one step at a time")
      .axis("seqlen", {8448, 16384}, "tokens")
      .axis("head_dim", {128})
      .axis("causal", {false})
      .axis("dtype", {"f16"})
      .axis("heads", {16})
      .axis("batch", {1, 4})
      .keep(in_ladder)
      .problem(make_attention_problem)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .control("rescale-forgotten", rescale_forgotten)
      .figure({"rate", "rate", "seqlen", {"dtype", "head_dim", "causal"}, {}, "On Hopper"});
  add_rungs(ladder);
  ladder.baselines({"flash-mma"});
}

}  // namespace ashlar::flashattention2::suite
