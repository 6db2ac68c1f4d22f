// Experiment "accuracy": every feature of the interface, both passes, on three kinds of inputs, by
// the rule of the authors' tests: in a 16-bit type out may be off by twice, gradients by three
// times what plain attention in that type is off.
#include "baselines/flashattention2/naive_cuda_backward.hpp"
#include "impls/flashattention2/cuda_backward.hpp"
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/gradients.hpp"
#include "suites/flashattention2/passes.hpp"
#include "suites/flashattention2/plain.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Device;
using model::Mode;
using model::Point;
using model::Tier;

/// Lengths of packed sequences: they add up to about `seqlen`; one has no queries, one no keys.
void pack(AttentionProblem& problem, Index seqlen) {
  const auto at = [seqlen](Index eighths) {
    return static_cast<std::int32_t>(seqlen * eighths / 8);
  };
  const auto end = static_cast<std::int32_t>(seqlen);
  problem.cu_seqlens_q = {0, at(1), at(1), at(4), at(5), end};
  problem.cu_seqlens_k = {0, at(2), at(3), at(3), at(7), end};
}

GradientProblem make_accuracy_problem(const Point& point, std::uint64_t seed) {
  const std::string& feature = point.word("feature");
  const Index seqlen = point.integer("seqlen");
  const bool grouped = feature == "grouped" || feature == "packed";
  const ProblemShape shape{dtype_named(point.word("dtype")),
                           1,
                           feature == "unequal" ? seqlen / 3 : seqlen,
                           seqlen,
                           4,
                           grouped ? 2 : 4,
                           point.integer("head_dim")};
  AttentionProblem problem = make_problem(shape, inputs_named(point.word("inputs")), seed);
  problem.causal = feature != "none" && feature != "window";
  if (feature == "window") problem.window = {seqlen / 4, seqlen / 8};
  if (feature == "softcap") problem.softcap = 2;
  if (feature == "dropout") problem.dropout = {0.2f, seed, 1};
  if (feature == "packed") pack(problem, seqlen);
  return with_forward_pass(std::move(problem));
}

/// Features of their own are asked at one head dimension on one kind of inputs.
bool keep_accuracy(const Point& point, Mode /*mode*/) {
  const std::string& feature = point.word("feature");
  if (feature == "none" || feature == "causal") return true;
  return point.word("inputs") == "normal" && point.integer("head_dim") == 64;
}

model::Work accuracy_work(const Point& point) {
  const double pairs = point.number("seqlen") * point.number("seqlen");
  const bool single = point.word("dtype") == "f32";
  model::Work work;
  work.flops =
      14 * 4 * pairs * point.number("head_dim") * (point.word("feature") == "none" ? 1 : 0.5);
  work.bytes = 4 * point.number("seqlen") * (9 * point.number("head_dim") * (single ? 4 : 2) + 4);
  work.precision = single ? "f32" : "bf16";
  return work;
}

/// The rule itself: nothing but the yardstick in 16 bits. In single precision what sums in float
/// can be off by, relative to the size of the answer, as inputs with outliers are large.
model::Tolerances accuracy_tolerance(const Point& point) {
  if (point.word("dtype") == "f32") {
    return {{"lse", {.max_rel = 1e-5}}, {"", {.relative_l2 = 1e-5, .max_rel = 2e-4}}};
  }
  return {{"out", {.yardstick_factor = 2}},
          {"lse", {.yardstick_factor = 2}},
          {"", {.yardstick_factor = 3}}};
}

}  // namespace

void declare_accuracy(model::Suite& suite) {
  suite.experiment<GradientProblem, BothAnswer>("accuracy")
      .about("both passes with every feature, against double precision")
      .axis("feature",
            {"none", "causal", "window", "softcap", "dropout", "grouped", "unequal", "packed"})
      .axis("inputs", {"normal", "outliers", "adversarial"})
      .in(Mode::quick, {"normal"})
      .axis("seqlen", {515}, "tokens")
      .in(Mode::quick, {113})
      .axis("head_dim", {64, 128})
      .in(Mode::quick, {64})
      .axis("dtype", {"f32", "bf16", "f16"})
      .in(Mode::quick, {"bf16"})
      .in(Mode::gpu, {"bf16", "f16"})
      .keep(keep_accuracy)
      .problem(make_accuracy_problem)
      .work(accuracy_work)
      .oracle("rows and keys in double precision", both_in_double, accuracy_tolerance)
      .yardstick(both_in_storage_precision)
      .invariant("rows are convex combinations and gradients add up", both_are_sound)
      .add(Tier::optimized, "flash",
           both_method<BothPasses<Flash<0>, FlashBackward<0>>>(
               any_unsupported<optimized_unsupported, optimized_backward_unsupported>),
           {.about = "FlashAttention-2, forward and then backward"})
      .add(Tier::cuda, "flash-mma",
           device_method<GradientProblem, BothAnswer, CudaBothPasses>(
               any_unsupported<cuda_unsupported, cuda_backward_unsupported>,
               cuda_backward_workspace_bytes),
           {.about = "tensor cores through mma.sync, forward and then backward",
            .device = Device::cuda})
      .add(
          Tier::cuda, "flash-wgmma",
          device_method<GradientProblem, BothAnswer, CudaPassesBy<WgmmaLaunch, CudaBackwardLaunch>>(
              any_unsupported<Wgmma<WgmmaRung::overlapped>::unsupported, cuda_backward_unsupported>,
              cuda_backward_workspace_bytes),
          {.about = "forward through wgmma and then backward through mma.sync",
           .device = Device::cuda})
      .add(Tier::cuda, "naive-cuda",
           device_method<GradientProblem, BothAnswer, baselines::NaiveCudaBothPasses>(
               baselines::naive_cuda_backward_unsupported,
               baselines::naive_cuda_backward_score_bytes),
           {.about = "cuBLAS products, scores and weights stored N x N in the storage type",
            .device = Device::cuda})
      .add(Tier::naive, "plain", plain_attention,
           {.about = "standard attention that stores every intermediate in the storage type"})
      .control("backward-delta-forgotten", delta_forgotten_after_forward)
      .baselines({"plain"});
}

}  // namespace ashlar::flashattention2::suite
