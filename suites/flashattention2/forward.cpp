#include "baselines/flashattention2/chunked.hpp"
#include "baselines/flashattention2/cudnn_attention.hpp"
#include "baselines/flashattention2/fa1_cuda.hpp"
#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/naive_cuda.hpp"
#include "baselines/flashattention2/standard.hpp"
#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/cuda_ablations.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/passes.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Device;
using model::Mode;
using model::Point;
using model::Tier;
using namespace baselines;
using Builder = model::ExperimentBuilder<AttentionProblem, AttentionAnswer>;

// The naive loops run at 1 to 5 GFLOP/s: beyond this they would eat the budget of everything else.
constexpr double kNaiveQuick = 1.4e8;
constexpr double kNaive = 1.1e9;

/// On a CPU four heads up to 2048 tokens.
bool keep(const Point& point, Mode mode) {
  if (mode == Mode::gpu) return in_paper_grid(point);
  return point.integer("heads") == 1 || point.integer("seqlen") <= 2048;
}

void add_own(Builder& forward) {
  forward
      .add(Tier::naive, "naive", forward_method<NaiveForward>(naive_unsupported),
           {.about = "three scalar loops, scores stored, one thread",
            .most_flops_quick = kNaiveQuick,
            .most_flops = kNaive,
            .threads = 1})
      .add(Tier::reference, "reference",
           [](const AttentionProblem& problem, AttentionAnswer& answer) {
             reference_forward(forward_params(problem, &answer));
           },
           {.about = "row by row in double precision, two-pass softmax",
            .most_flops_quick = kNaiveQuick,
            .most_flops = kNaive})
      .add(Tier::optimized, "flash", forward_method<Flash<0>>(optimized_unsupported),
           {.about = "FlashAttention-2: tiles, online softmax, parallel over rows"})
      .add(Tier::optimized, "flash-one-thread",
           forward_method<Flash<1>>(one_thread_unsupported<optimized_unsupported>),
           {.about = "the same on one thread", .threads = 1})
      .add(
          Tier::naive, "fa1-order", forward_method<Fa1Order<0>>(fa1_unsupported),
          {.about =
               "FlashAttention-1's loop order on the same micro-kernels, parallel over heads only"})
      .add(Tier::naive, "fa1-order-one-thread",
           forward_method<Fa1Order<1>>(one_thread_unsupported<fa1_unsupported>),
           {.about = "FlashAttention-1's loop order on one thread", .threads = 1});
}

void add_kernels(Builder& forward) {
  forward
      .add(Tier::cuda, "flash-mma",
           forward_device_method<CudaForward>(cuda_unsupported, no_workspace),
           {.about = "tensor cores through mma.sync, cp.async, P in registers",
            .device = Device::cuda})
      .add(Tier::cuda, "flash-wgmma",
           forward_device_method<Wgmma<WgmmaRung::overlapped>>(
               Wgmma<WgmmaRung::overlapped>::unsupported, no_workspace),
           {.about = "tensor cores of Hopper: wgmma, bulk copies, specialised warps, overlap",
            .device = Device::cuda})
      .add(Tier::cuda, "heads-only-mma",
           forward_device_method<CudaHeadsOnly>(cuda_ablation_unsupported, no_workspace),
           {.about = "the same code, one thread block per head", .device = Device::cuda})
      .add(Tier::cuda, "split-keys-mma",
           forward_device_method<CudaSplitKeys>(cuda_ablation_unsupported, no_workspace),
           {.about = "the same, but the warps of a block share out keys (split-K)",
            .device = Device::cuda})
      .add(Tier::cuda, "fa1-mma",
           forward_device_method<Fa1CudaForward>(fa1_cuda_unsupported, fa1_cuda_workspace_bytes),
           {.about = "FlashAttention-1's schedule on the same code", .device = Device::cuda})
      .add(Tier::cuda, "naive-cuda",
           forward_device_method<NaiveCudaForward>(naive_cuda_unsupported, naive_cuda_score_bytes),
           {.about = "cuBLAS products and a softmax kernel, scores stored N x N",
            .device = Device::cuda});
}

void add_peers(Builder& forward) {
  forward
      .add(Tier::peer, "standard", forward_method<StandardForward>(standard_unsupported),
           {.about = "oneDNN products around a vectorised softmax, scores stored N x N"})
      .add(Tier::peer, "standard-openblas",
           forward_method<StandardOpenblasForward>(standard_openblas_unsupported),
           {.about = "the same around OpenBLAS's products"})
      .add(Tier::peer, "chunked", forward_method<ChunkedForward>(chunked_unsupported),
           {.about = "oneDNN on 128-row chunks, scores in cache, causal columns skipped"})
      .external(Tier::peer, "torch-flash", torch_command("flash", "forward"),
                {.about = "PyTorch's fused kernel for CPUs"})
      .external(Tier::peer, "torch-math", torch_command("math", "forward"),
                {.about = "PyTorch's unfused attention", .most_flops = 4e10});
  forward.add(Tier::peer, "cudnn",
              forward_device_method<CudnnForward>(cudnn_unsupported, cudnn_workspace_bytes),
              {.about = "cuDNN's fused attention", .device = Device::cuda});
  add_torch_cuda(forward, "forward");
}

void add_figures(Builder& forward) {
  const std::vector<std::string> all = {"dtype", "head_dim", "causal", "heads", "batch"};
  const std::vector<std::string> panels = {"dtype", "head_dim", "causal", "heads"};
  forward.figure({"time", "time", "seqlen", all, {}, "Attention forward"})
      .figure({"rate", "rate", "seqlen", all, {}, "Attention forward"})
      .figure({"speedup-naive",
               "speedup",
               "seqlen",
               panels,
               {"naive"},
               "Attention forward over naive loops"})
      .figure({"speedup-standard",
               "speedup",
               "seqlen",
               panels,
               {"standard"},
               "Attention forward over standard attention"})
      .figure({"speedup-torch",
               "speedup",
               "seqlen",
               panels,
               {"torch-flash"},
               "Attention forward over PyTorch's fused kernel"})
      .figure({"memory", "memory", "seqlen", panels, {}, "Extra memory"});
}

}  // namespace

void declare_forward(model::Suite& suite) {
  Builder forward = suite.experiment<AttentionProblem, AttentionAnswer>("forward");
  forward.about("exact attention, forward pass")
      .axis("seqlen", {512, 1024, 2048, 4096, 8192, 16384}, "tokens")
      .in(Mode::quick, {256, 1024, 2048})
      .axis("head_dim", {64, 128})
      .in(Mode::gpu, {64, 128, 256})
      .axis("causal", {false, true})
      .axis("dtype", {"f32", "bf16"})
      .in(Mode::gpu, {"f16", "bf16"})
      .axis("heads", {1, 4})
      .in(Mode::quick, {1})
      .in(Mode::gpu, {8, 16, 32})
      .axis("batch", {1})
      .in(Mode::gpu, {1, 2, 4, 8, 16, 32})
      .keep(keep)
      .problem(make_attention_problem)
      .inputs(attention_inputs)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .control("scale-forgotten", scale_forgotten)
      .control("mask-off-by-one", mask_off_by_one)
      .control("rescale-forgotten", rescale_forgotten);
  add_own(forward);
  add_kernels(forward);
  add_peers(forward);
  forward.baselines({"naive", "standard", "chunked", "torch-flash", "naive-cuda"});
  add_figures(forward);
}

}  // namespace ashlar::flashattention2::suite
