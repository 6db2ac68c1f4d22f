// Experiments "tiles", "tiles-mma" and "heads": the sizes of blocks, and how many heads there are
// to share.
#include "baselines/flashattention2/fa1_cuda.hpp"
#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/cuda_ablations.hpp"
#include "impls/flashattention2/cuda_tiled.hpp"
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

/// FlashAttention-2 with FlashAttention-1's division of work: one item per head.
class HeadsOnly : public WithWorkspace<ForwardWorkspace, ForwardOptions, optimized_forward> {
 public:
  explicit HeadsOnly(const AttentionParams& params)
      : WithWorkspace(params, {.ablation = {.parallel_over_rows = false}}) {}
};

/// The kernel of flash-mma with the problem's tile.
class TiledMma : public CudaTiledForward {
 public:
  TiledMma(const AttentionParams& host, const TiledProblem& tiles)
      : CudaTiledForward(
            host, kernel::Tile{static_cast<int>(tiles.row_block), static_cast<int>(tiles.key_block),
                               static_cast<int>(tiles.warps)}) {}
};

/// Tiles that are compiled: those that the authors speak of, and smaller ones.
bool is_swept(const Point& point, Mode mode) {
  if (mode != Mode::gpu || !in_paper_grid(point)) return false;
  const auto is = [&](std::int64_t rows, std::int64_t keys, std::int64_t warps) {
    return point.integer("row_block") == rows && point.integer("key_block") == keys &&
           point.integer("warps") == warps;
  };
  if (is(64, 64, 4) || is(128, 128, 8)) return true;
  if (point.integer("head_dim") == 128) return is(128, 64, 4) || is(256, 64, 8);
  return is(128, 128, 4) || is(64, 256, 4) || is(256, 64, 4);
}

void add_heads_passes(Builder& heads) {
  heads
      .add(Tier::optimized, "flash", forward_method<Flash<0>>(optimized_unsupported),
           {.about = "row blocks of all heads are work items"})
      .add(Tier::naive, "heads-only", forward_method<HeadsOnly>(optimized_unsupported),
           {.about = "the same kernels, one work item per head"})
      .add(Tier::naive, "fa1-order", forward_method<Fa1Order<0>>(baselines::fa1_unsupported),
           {.about = "FlashAttention-1's loop order, one work item per head"});
}

/// On a GPU; those that the ideas of the paper are missing from stand beside the kernel that has
/// them all.
void add_heads_kernels(Builder& heads) {
  heads.add(Tier::cuda, "flash-mma",
            forward_device_method<CudaForward>(cuda_unsupported, no_workspace),
            {.about = "a thread block per row block of every head", .device = Device::cuda});
  heads.add(Tier::cuda, "heads-only-mma",
            forward_device_method<CudaHeadsOnly>(cuda_ablation_unsupported, no_workspace),
            {.about = "the same code, one thread block per head", .device = Device::cuda});
  heads.add(Tier::cuda, "fa1-mma",
            forward_device_method<baselines::Fa1CudaForward>(baselines::fa1_cuda_unsupported,
                                                             baselines::fa1_cuda_workspace_bytes),
            {.about = "FlashAttention-1's schedule on the same code", .device = Device::cuda});
}

}  // namespace

void declare_tiles(model::Suite& suite) {
  suite.experiment<TiledProblem, AttentionAnswer>("tiles")
      .about("rows and keys of a tile, on one thread")
      .axis("row_block", {12, 24, 48, 96, 192}, "rows")
      .axis("key_block", {64, 128, 256, 512}, "keys")
      .axis("seqlen", {2048}, "tokens")
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
      // One thread, so that row blocks are not judged by how they divide among threads.
      .add(Tier::optimized, "flash", tiled_method<TiledFlash<1>>(optimized_unsupported),
           {.about = "FlashAttention-2 with tiles of that size", .threads = 1})
      .control("rescale-forgotten", rescale_forgotten)
      .figure({"rate", "rate", "key_block", {"dtype", "head_dim", "row_block"}, {}, "Tile sizes"});
}

void declare_tiles_mma(model::Suite& suite) {
  suite.experiment<TiledProblem, AttentionAnswer>("tiles-mma")
      .about("rows and keys of a tile, and warps that share it, on tensor cores")
      .axis("row_block", {64, 128, 256}, "rows")
      .axis("key_block", {64, 128, 256}, "keys")
      .axis("warps", {4, 8})
      .axis("seqlen", {2048}, "tokens")
      .axis("head_dim", {64, 128})
      .axis("causal", {false})
      .axis("dtype", {"f16"})
      .axis("heads", {16, 32})
      .axis("batch", {8})
      .keep(is_swept)
      .problem(make_tiled_problem)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .add(Tier::cuda, "flash-mma",
           device_method<TiledProblem, AttentionAnswer, TiledMma>(cuda_tiled_unsupported,
                                                                  no_workspace),
           {.about = "the forward kernel with tiles of that size", .device = Device::cuda})
      .control("rescale-forgotten", rescale_forgotten)
      .figure({"rate", "rate", "key_block", {"head_dim", "row_block", "warps"}, {}, "Tile sizes"});
}

void declare_heads(model::Suite& suite) {
  Builder heads = suite.experiment<AttentionProblem, AttentionAnswer>("heads");
  heads.about("division of work over rows against over heads, by the number of heads")
      .axis("heads", {1, 2, 3, 4, 8, 16})
      .in(Mode::quick, {1, 4})
      .in(Mode::gpu, {1, 2, 4, 8, 16, 32, 64, 128, 256})
      .axis("seqlen", {1024}, "tokens")
      .in(Mode::quick, {512})
      .in(Mode::gpu, {16384})
      .axis("head_dim", {64, 128})
      .in(Mode::quick, {64})
      .axis("causal", {false, true})
      .in(Mode::quick, {false})
      .axis("dtype", {"f32"})
      .in(Mode::gpu, {"f16"})
      .axis("batch", {1})
      .problem(make_attention_problem)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .control("rescale-forgotten", rescale_forgotten)
      .baselines({"heads-only", "fa1-order"})
      .figure({"speedup",
               "speedup",
               "heads",
               {"head_dim", "causal"},
               {"heads-only", "fa1-order"},
               "Work items by rows over work items by heads"})
      .figure({"rate", "rate", "heads", {"dtype", "head_dim", "causal"}, {}, "By heads"});
  add_heads_passes(heads);
  add_heads_kernels(heads);
}

}  // namespace ashlar::flashattention2::suite
