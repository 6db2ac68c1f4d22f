// Experiments "backward" and "forward-backward".
#include "baselines/flashattention2/chunked_backward.hpp"
#include "baselines/flashattention2/cudnn_attention.hpp"
#include "baselines/flashattention2/fa1_cuda.hpp"
#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/naive_backward.hpp"
#include "baselines/flashattention2/naive_cuda_backward.hpp"
#include "baselines/flashattention2/standard_backward.hpp"
#include "impls/flashattention2/cuda_backward.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/gradients.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/passes.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Device;
using model::Mode;
using model::Point;
using model::Tier;
using namespace baselines;
using BackwardBuilder = model::ExperimentBuilder<GradientProblem, GradientAnswer>;
using BothBuilder = model::ExperimentBuilder<GradientProblem, BothAnswer>;

// As in the forward pass; the backward pass has 2.5 times the work.
constexpr double kNaiveBackwardQuick = 3.5e8;
constexpr double kNaiveBackward = 2.8e9;

/// The axes of both experiments but for the length.
template <class Builder>
void add_axes(Builder& builder) {
  builder.axis("head_dim", {64, 128})
      .in(Mode::quick, {64})
      .axis("causal", {false, true})
      .axis("dtype", {"f32", "bf16"})
      .in(Mode::gpu, {"f16", "bf16"})
      .axis("heads", {1})
      .in(Mode::gpu, {16, 32})
      .axis("batch", {1})
      .in(Mode::gpu, {1, 2, 4, 8, 16, 32})
      .keep([](const Point& point, Mode mode) { return mode != Mode::gpu || in_paper_grid(point); })
      .problem(make_gradient_problem)
      .inputs(gradient_inputs);
}

template <class Builder>
void add_figures(Builder& builder, const std::string& title) {
  const std::vector<std::string> panels = {"dtype", "head_dim", "causal"};
  builder.figure({"time", "time", "seqlen", panels, {}, title})
      .figure({"rate", "rate", "seqlen", panels, {}, title})
      .figure({"speedup-standard",
               "speedup",
               "seqlen",
               panels,
               {"standard"},
               title + " over standard attention"})
      .figure({"speedup-torch",
               "speedup",
               "seqlen",
               panels,
               {"torch-flash"},
               title + " over PyTorch's fused kernel"})
      .figure({"memory", "memory", "seqlen", panels, {}, "Extra memory"});
}

/// The backward pass on a GPU in the mode whose dq is the same every time.
class CudaDeterministic : public CudaBackward {
 public:
  explicit CudaDeterministic(const AttentionParams& host) : CudaBackward(deterministic(host)) {}
};

std::size_t deterministic_workspace_bytes(const AttentionParams& params) {
  return cuda_backward_workspace_bytes(deterministic(params));
}

void add_backward_kernels(BackwardBuilder& backward) {
  backward
      .add(
          Tier::cuda, "flash-mma",
          device_method<GradientProblem, GradientAnswer, CudaBackward>(
              cuda_backward_unsupported, cuda_backward_workspace_bytes),
          {.about = "tensor cores through mma.sync, dq added in any order", .device = Device::cuda})
      .add(Tier::cuda, "flash-mma-deterministic",
           device_method<GradientProblem, GradientAnswer, CudaDeterministic>(
               cuda_backward_unsupported, deterministic_workspace_bytes),
           {.about = "the same with dq in fixed order, in as many copies as fill the device",
            .device = Device::cuda})
      .add(Tier::cuda, "fa1-mma",
           device_method<GradientProblem, GradientAnswer, Fa1CudaBackward>(
               fa1_cuda_backward_unsupported, fa1_cuda_backward_workspace_bytes),
           {.about = "the same code as in FlashAttention-1, one thread block per head",
            .device = Device::cuda});
}

void add_device_peers(BackwardBuilder& backward) {
  backward.add(Tier::cuda, "naive-cuda",
               device_method<GradientProblem, GradientAnswer, NaiveCudaBackward>(
                   naive_cuda_backward_unsupported, naive_cuda_backward_score_bytes),
               {.about = "cuBLAS products on N x N weights kept from the forward pass",
                .device = Device::cuda});
  backward.add(Tier::peer, "cudnn",
               device_method<GradientProblem, GradientAnswer, CudnnBackward>(
                   cudnn_backward_unsupported, cudnn_backward_workspace_bytes),
               {.about = "cuDNN's fused attention", .device = Device::cuda});
  add_torch_cuda(backward, "backward");
}

void add_device_peers(BothBuilder& both) {
  both.add(Tier::cuda, "naive-cuda",
           device_method<GradientProblem, BothAnswer, NaiveCudaBothPasses>(
               naive_cuda_backward_unsupported, naive_cuda_backward_score_bytes),
           {.about = "cuBLAS products, N x N weights stored by the forward pass and read again",
            .device = Device::cuda});
  both.add(Tier::peer, "cudnn",
           device_method<GradientProblem, BothAnswer, CudnnBothPasses>(cudnn_both_unsupported,
                                                                       cudnn_both_workspace_bytes),
           {.about = "cuDNN's fused attention, forward and then backward", .device = Device::cuda});
  add_torch_cuda(both, "both");
}

void add_backward_passes(BackwardBuilder& backward) {
  backward
      .add(Tier::naive, "naive", backward_method<NaiveBackward>(naive_unsupported),
           {.about = "scalar loops, weights and gradients stored, one thread",
            .most_flops_quick = kNaiveBackwardQuick,
            .most_flops = kNaiveBackward,
            .threads = 1})
      .add(Tier::reference, "reference",
           [](const GradientProblem& problem, GradientAnswer& answer) {
             reference_backward(backward_params(problem, &answer));
           },
           {.about = "row by row and key by key in double precision, forward pass included",
            .most_flops_quick = kNaiveBackwardQuick,
            .most_flops = kNaiveBackward})
      .add(Tier::optimized, "flash",
           backward_method<FlashBackward<0>>(optimized_backward_unsupported),
           {.about = "FlashAttention-2: weights recomputed, parallel over columns"})
      .add(
          Tier::optimized, "flash-one-thread",
          backward_method<FlashBackward<1>>(one_thread_unsupported<optimized_backward_unsupported>),
          {.about = "the same on one thread", .threads = 1})
      .add(Tier::optimized, "flash-deterministic",
           backward_method<FlashDeterministic>(optimized_backward_unsupported),
           {.about = "the same bits for every number of threads"})
      .add(Tier::peer, "standard", backward_method<StandardBackward>(standard_backward_unsupported),
           {.about = "oneDNN products on N x N weights kept from the forward pass"})
      .add(Tier::peer, "standard-openblas",
           backward_method<StandardOpenblasBackward>(standard_openblas_backward_unsupported),
           {.about = "the same on OpenBLAS's products"})
      .add(Tier::peer, "chunked", backward_method<ChunkedBackward>(chunked_backward_unsupported),
           {.about = "oneDNN on 128-row chunks, weights recomputed, causal columns skipped"})
      .external(Tier::peer, "torch-flash", torch_command("flash", "backward"),
                {.about = "PyTorch's fused kernel for CPUs"})
      .external(Tier::peer, "torch-math", torch_command("math", "backward"),
                {.about = "PyTorch's unfused attention, by autograd", .most_flops = 1e11});
}

void add_both_passes(BothBuilder& both) {
  both.add(Tier::optimized, "flash",
           both_method<BothPasses<Flash<0>, FlashBackward<0>>>(
               any_unsupported<optimized_unsupported, optimized_backward_unsupported>),
           {.about = "FlashAttention-2, forward and then backward"})
      .add(Tier::optimized, "flash-one-thread",
           both_method<BothPasses<Flash<1>, FlashBackward<1>>>(
               one_thread_unsupported<
                   any_unsupported<optimized_unsupported, optimized_backward_unsupported>>),
           {.about = "the same on one thread", .threads = 1})
      .add(Tier::peer, "standard", both_method<StandardBothPasses>(standard_backward_unsupported),
           {.about = "oneDNN products, N x N weights stored by the forward pass and read again"})
      .add(Tier::peer, "chunked",
           both_method<BothPasses<ChunkedForward, ChunkedBackward>>(
               any_unsupported<chunked_unsupported, chunked_backward_unsupported>),
           {.about = "oneDNN on 128-row chunks, weights computed in both passes"})
      .external(Tier::peer, "torch-flash", torch_command("flash", "both"),
                {.about = "PyTorch's fused kernels for CPUs"})
      .add(Tier::cuda, "flash-mma",
           device_method<GradientProblem, BothAnswer, CudaBothPasses>(
               any_unsupported<cuda_unsupported, cuda_backward_unsupported>,
               cuda_backward_workspace_bytes),
           {.about = "tensor cores through mma.sync, forward and then backward",
            .device = Device::cuda})
      .add(Tier::cuda, "fa1-mma",
           device_method<GradientProblem, BothAnswer, Fa1CudaBothPasses>(
               fa1_cuda_backward_unsupported, fa1_cuda_both_workspace_bytes),
           {.about = "FlashAttention-1's schedule on the same code", .device = Device::cuda})
      .external(Tier::peer, "torch-math", torch_command("math", "both"),
                {.about = "PyTorch's unfused attention, by autograd", .most_flops = 1.4e11});
}

}  // namespace

void declare_backward(model::Suite& suite) {
  BackwardBuilder backward = suite.experiment<GradientProblem, GradientAnswer>("backward");
  backward.about("exact attention, backward pass")
      .axis("seqlen", {512, 1024, 2048, 4096, 8192, 16384}, "tokens")
      .in(Mode::quick, {256, 1024});
  add_axes(backward);
  backward.work(attention_backward_work)
      .oracle("rows and keys in double precision", gradients_in_double, gradient_tolerance)
      .yardstick(gradients_in_storage_precision)
      .invariant("gradients add up", gradients_add_up)
      .control("delta-forgotten", delta_forgotten)
      .control("scale-forgotten", gradient_scale_forgotten)
      .control("first-row-missed", first_row_missed);
  add_backward_passes(backward);
  add_backward_kernels(backward);
  add_device_peers(backward);
  backward.baselines({"naive", "standard", "chunked", "torch-flash", "naive-cuda"});
  add_figures(backward, "Attention backward");
}

void declare_both(model::Suite& suite) {
  BothBuilder both = suite.experiment<GradientProblem, BothAnswer>("forward-backward");
  both.about("exact attention, forward and backward pass in turn")
      .axis("seqlen", {512, 2048, 8192}, "tokens")
      .in(Mode::quick, {512})
      .in(Mode::gpu, {512, 1024, 2048, 4096, 8192, 16384});
  add_axes(both);
  both.work(attention_both_work)
      .oracle("rows and keys in double precision", both_in_double, both_tolerance)
      .yardstick(both_in_storage_precision)
      .invariant("rows are convex combinations and gradients add up", both_are_sound)
      .control("backward-delta-forgotten", delta_forgotten_after_forward);
  add_both_passes(both);
  add_device_peers(both);
  both.baselines({"standard", "chunked", "torch-flash", "naive-cuda"});
  add_figures(both, "Attention, both passes");
}

}  // namespace ashlar::flashattention2::suite
