#pragma once
// Test support: a backward pass of tensor-core kernels on the CPU model, and its gradients held
// against double precision.
#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>
#include <vector>

#include "impls/flashattention2/cuda_backward_block.hpp"
#include "impls/flashattention2/cuda_backward_plan.hpp"
#include "impls/flashattention2/cuda_backward_rows.hpp"
#include "impls/flashattention2/cuda_model_checks.hpp"
#include "impls/flashattention2/test_gradient_yardstick.hpp"

namespace ashlar::flashattention2::testing {

/// What a plan's kernels keep beside the tensors, full of NaN where they must write before they
/// read. The plan points to it as long as this object lives.
class ModelWorkspace {
 public:
  ModelWorkspace(kernel::BackwardPlan& plan, const AttentionParams& params)
      : lse_(static_cast<std::size_t>(plan.statistics_floats), kNan),
        delta_(lse_),
        sums_(static_cast<std::size_t>(plan.sums_floats), 0.0F) {
    plan.arguments.lse_log2 = lse_.data();
    plan.arguments.delta = delta_.data();
    plan.arguments.dq_sums = sums_.data();
    if (!params.packed()) return;
    plan.arguments.features.cu_seqlens_q = params.cu_seqlens_q.data();
    plan.arguments.features.cu_seqlens_k = params.cu_seqlens_k.data();
  }

 private:
  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> lse_, delta_, sums_;
};

/// The three kernels of a pass.
template <class Config, class Machine>
void run_backward_on_model(const kernel::BackwardPlan& plan, bool falling) {
  const kernel::BackwardArguments& arguments = plan.arguments;
  run_on_model<kernel::StatisticsBlock<Config, Machine>, Machine>(arguments, plan.rows,
                                                                  kernel::kRowThreads, 0, falling);
  run_on_model<kernel::BackwardBlock<Config, Machine>, Machine>(
      arguments, plan.columns, Config::kThreads, Config::kSharedBytes, falling);
  run_on_model<kernel::QueryGradientBlock<Config, Machine>, Machine>(
      arguments, plan.rows, kernel::kRowThreads, 0, falling);
}

inline void check_gradients(const AttentionParams& params) {
  const GradientJudgement judgement = judge_gradients(params, expect_gradients(params), {});
  for (std::size_t which = 0; which < 3; ++which) {
    INFO((which == 0 ? "dq" : which == 1 ? "dk" : "dv"));
    CHECK(judgement.off[which] <= 1);
    CHECK(judgement.over_plain[which] <= 1);
  }
}

}  // namespace ashlar::flashattention2::testing
