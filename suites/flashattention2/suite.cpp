#include "suites/flashattention2/suite.hpp"

#include "baselines/flashattention2/chunked.hpp"
#include "baselines/flashattention2/fa1_order.hpp"
#include "baselines/flashattention2/matrix_product.hpp"
#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/naive_cuda.hpp"
#include "baselines/flashattention2/standard.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/simd.hpp"
#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/loop_order.hpp"
#include "suites/flashattention2/methods.hpp"
#include "suites/flashattention2/problem.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Device;
using model::Mode;
using model::Point;
using model::Tier;

/// The optimized forward pass with its thread count fixed at Threads, or the process's when 0.
template <int Threads>
class Flash : public WithWorkspace<ForwardWorkspace, ForwardOptions, optimized_forward> {
 public:
  explicit Flash(const AttentionParams& params) : WithWorkspace(params, {.threads = Threads}) {}
};

/// FlashAttention-1's order, likewise.
template <int Threads>
class Fa1Order
    : public WithWorkspace<baselines::Fa1Workspace, baselines::Fa1Options, baselines::fa1_forward> {
 public:
  explicit Fa1Order(const AttentionParams& params) : WithWorkspace(params, {.threads = Threads}) {}
};

/// One thread is the other side of a comparison with several. With one in all the two sides are the
/// same, and a claim about threads that read them would be contradicted by nothing.
template <Unsupported Otherwise>
std::optional<std::string> one_thread_unsupported(const AttentionParams& params) {
  if (core::thread_count() == 1) return "the run has one thread in all";
  if (params.heads_q() * params.batch() > 1)
    return "one thread is compared with all at one head only";
  return Otherwise(params);
}

template <class Forward>
auto cpu(Unsupported unsupported) {
  return [unsupported] { return std::make_unique<CpuMethod<Forward>>(unsupported); };
}

template <class Forward>
auto device(Unsupported unsupported, WorkspaceBytes workspace_bytes) {
  return [=] { return std::make_unique<DeviceMethod<Forward>>(unsupported, workspace_bytes); };
}

model::Suite::Kernels kernels() {
  model::Suite::Kernels chosen{{"isa", std::string(core::name_of(core::usable_isa()))},
                               {"highway", std::string(core::highway_target())}};
  if (const auto onednn = baselines::product_kernel()) chosen["onednn"] = *onednn;
  return chosen;
}

/// The kernel keeps everything on chip.
std::size_t no_workspace(const AttentionParams&) { return 0; }

/// On a GPU the paper's grid: 16k tokens, hidden size 2048 (section 4). On a CPU four heads up to
/// 2048.
bool keep(const Point& point, Mode mode) {
  if (mode == Mode::gpu) {
    return point.integer("batch") * point.integer("seqlen") == 16384 &&
           point.integer("heads") * point.integer("head_dim") == 2048;
  }
  return point.integer("heads") == 1 || point.integer("seqlen") <= 2048;
}

}  // namespace

model::Suite make() {
  using namespace baselines;
  // The naive loops run at 1 to 5 GFLOP/s: beyond this they would eat the budget of everything
  // else.
  constexpr double kNaiveQuick = 1.4e8;
  constexpr double kNaive = 1.1e9;
  model::Suite suite("flashattention2", "FlashAttention-2 (Dao 2023)");
  suite.kernels(kernels);
  suite.experiment<AttentionProblem, AttentionAnswer>("forward")
      .about("exact attention, forward pass")
      .axis("seqlen", {512, 1024, 2048, 4096, 8192, 16384}, "tokens")
      .in(Mode::quick, {256, 1024, 2048})
      .axis("head_dim", {64, 128})
      .axis("causal", {false, true})
      .axis("dtype", {"f32", "bf16"})
      .in(Mode::gpu, {"f16", "bf16"})
      .axis("heads", {1, 4})
      .in(Mode::quick, {1})
      .in(Mode::gpu, {16, 32})
      .axis("batch", {1})
      .in(Mode::gpu, {1, 2, 4, 8, 16, 32})
      .keep(keep)
      .problem(make_attention_problem)
      .inputs(attention_inputs)
      .work(attention_forward_work)
      .oracle("rows in double precision", attention_rows_in_double, attention_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .add(Tier::naive, "naive", cpu<NaiveForward>(naive_unsupported),
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
      .add(Tier::optimized, "flash", cpu<Flash<0>>(optimized_unsupported),
           {.about = "FlashAttention-2: tiles, online softmax, parallel over rows"})
      .add(Tier::optimized, "flash-one-thread",
           cpu<Flash<1>>(one_thread_unsupported<optimized_unsupported>),
           {.about = "the same on one thread", .threads = 1})
      .add(
          Tier::naive, "fa1-order", cpu<Fa1Order<0>>(fa1_unsupported),
          {.about =
               "FlashAttention-1's loop order on the same micro-kernels, parallel over heads only"})
      .add(Tier::naive, "fa1-order-one-thread",
           cpu<Fa1Order<1>>(one_thread_unsupported<fa1_unsupported>),
           {.about = "FlashAttention-1's loop order on one thread", .threads = 1})
      .add(Tier::peer, "standard", cpu<StandardForward>(standard_unsupported),
           {.about = "oneDNN products around a vectorised softmax, scores stored N x N"})
      .add(Tier::peer, "chunked", cpu<ChunkedForward>(chunked_unsupported),
           {.about = "oneDNN on 128-row chunks, scores in cache, causal columns skipped"})
      .add(Tier::cuda, "flash-mma", device<CudaForward>(cuda_unsupported, no_workspace),
           {.about = "tensor cores through mma.sync, cp.async, P in registers",
            .device = Device::cuda})
      .add(Tier::cuda, "naive-cuda",
           device<NaiveCudaForward>(naive_cuda_unsupported, naive_cuda_score_bytes),
           {.about = "cuBLAS products and a softmax kernel, scores stored N x N",
            .device = Device::cuda})
      .control("scale-forgotten", scale_forgotten)
      .control("mask-off-by-one", mask_off_by_one)
      .control("rescale-forgotten", rescale_forgotten)
      .baselines({"naive", "standard", "chunked", "naive-cuda"})
      .figure({"time",
               "time",
               "seqlen",
               {"dtype", "head_dim", "causal", "heads", "batch"},
               {},
               "Attention forward"})
      .figure({"rate",
               "rate",
               "seqlen",
               {"dtype", "head_dim", "causal", "heads", "batch"},
               {},
               "Attention forward"})
      .figure({"speedup-naive",
               "speedup",
               "seqlen",
               {"dtype", "head_dim", "causal", "heads"},
               {"naive"},
               "Attention forward over naive loops"})
      .figure({"speedup-standard",
               "speedup",
               "seqlen",
               {"dtype", "head_dim", "causal", "heads"},
               {"standard"},
               "Attention forward over standard attention"})
      .figure({"memory",
               "memory",
               "seqlen",
               {"dtype", "head_dim", "causal", "heads"},
               {},
               "Extra memory"});
  declare_loop_order(suite);
  suite.validate();
  return suite;
}

}  // namespace ashlar::flashattention2::suite
