// FlashAttention-1's schedule in tensor-core code, run thread by thread on a CPU model of a thread
// block, against double precision.
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "baselines/flashattention2/fa1_cuda_launch.hpp"
#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_backward_model_checks.hpp"
#include "impls/flashattention2/cuda_dispatch.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using kernel::ModelThread;
using kernel::PassKind;
using testing::Problem;
using testing::Shape;

constexpr core::DType kHalf = core::DType::f16;
constexpr core::DType kBrain = core::DType::bf16;

struct Forward {
  template <class Element, int HeadDim, PassKind Kind>
  static void run(const AttentionParams& params, bool falling) {
    using Config = Fa1CudaConfig<HeadDim, Kind>;
    using Block = Fa1CudaBlock<Config, ModelThread<Element>>;
    Fa1CudaPlan plan = fa1_cuda_plan(params);
    // What no visit has written must not be read.
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    std::vector<kernel::ThreadSums> state(static_cast<std::size_t>(plan.state_sums),
                                          {{kNan, kNan, kNan, kNan}});
    plan.arguments.state = state.data();
    testing::run_on_model<Block, typename Block::MachineInTurn>(
        plan.arguments, plan.grid, Config::kThreads, Config::kSharedBytes, falling);
  }
};

struct Backward {
  template <class Element, int HeadDim, PassKind Kind>
  static void run(const AttentionParams& params, bool falling) {
    using Machine = ModelThread<Element>;
    kernel::BackwardPlan plan = fa1_cuda_backward_plan(params);
    REQUIRE(plan.kind == Kind);
    const testing::ModelWorkspace workspace(plan, params);
    testing::run_backward_on_model<kernel::BackwardConfig<HeadDim, Kind>, Machine>(plan, falling);
  }
};

template <class Pass>
void run_model(const AttentionParams& params, bool falling) {
  kernel::visit_plain_kernel(params, [&]<class Element, int HeadDim, PassKind Kind>() {
    Pass::template run<Element, HeadDim, Kind>(params, falling);
  });
}

void check_forward(Problem& problem) {
  const AttentionParams params = problem.params();
  REQUIRE_FALSE(kernel::ablation_unsupported(params));
  testing::check_in_both_orders(problem,
                                [&](bool falling) { run_model<Forward>(params, falling); });
}

void check_forward_shape(const Shape& shape) {
  INFO(describe(shape));
  Problem problem(shape);
  check_forward(problem);
}

void check_backward_shape(const Shape& shape) {
  INFO(describe(shape));
  Problem problem(shape);
  const AttentionParams params = problem.params();
  reference_forward(params);
  for (const bool falling : {false, true}) {
    problem.poison_gradients();
    run_model<Backward>(params, falling);
    testing::check_gradients(params);
  }
}

}  // namespace

TEST_CASE("FlashAttention-1's schedule on the model: ragged tiles, both head sizes and types") {
  check_forward_shape({1, 1, 64, false, kHalf});
  check_forward_shape({150, 270, 64, false, kBrain});
  check_forward_shape({140, 130, 128, false, kHalf});
  check_forward_shape({3, 150, 128, true, kBrain});
}

TEST_CASE("FlashAttention-1's schedule on the model: causal, rows that see nothing, no keys") {
  check_forward_shape({5, 2, 64, true, kHalf});
  check_forward_shape({400, 140, 64, true, kBrain});
  check_forward_shape({200, 132, 128, true, kHalf});
  check_forward_shape({150, 0, 64, false, kHalf});
  check_forward_shape({0, 9, 128, true, kHalf});
}

TEST_CASE("FlashAttention-1's schedule on the model: several heads, groups and batches") {
  check_forward_shape({130, 140, 64, true, kBrain, 2, 4, 2});
  check_forward_shape({10, 65, 128, false, kHalf, 1, 3, 1});
}

TEST_CASE("FlashAttention-1's schedule on the model: maxima that rise and fall") {
  for (const double slope : {0.5, -0.5}) {
    Problem problem({70, 300, 64, false, kHalf});
    testing::assign(problem.q.any(), [](Index, Index, Index, Index) { return 1.0; });
    testing::assign(problem.k.any(),
                    [slope](Index, Index c, Index, Index) { return slope * double(c) / 64; });
    check_forward(problem);
  }
}

TEST_CASE("FlashAttention-1's schedule on the model: rows behind the last key are not read") {
  Problem problem({40, 70, 64, false, kHalf, 2, 2, 1});
  AttentionParams params = problem.params();
  const testing::Tailed keys(problem.k, 128);
  const testing::Tailed values(problem.v, 128);
  params.k = keys.view();
  params.v = values.view();
  problem.poison();
  run_model<Forward>(params, false);
  testing::check_rows(params);
}

TEST_CASE("FlashAttention-1's schedule on the model: gradients") {
  check_backward_shape({113, 203, 64, false, kBrain});
  check_backward_shape({70, 140, 128, true, kHalf, 1, 2, 1});
  check_backward_shape({200, 70, 64, true, kHalf});
  check_backward_shape({7, 0, 64, false, kHalf});
}

TEST_CASE("FlashAttention-1's schedule: a thread block per head, whatever the lengths") {
  Problem problem({700, 900, 64, true, kHalf, 3, 4, 2});
  AttentionParams params = problem.params();
  params.deterministic = true;
  const Fa1CudaPlan forward = fa1_cuda_plan(params);
  CHECK((forward.grid.x == 2 && forward.grid.y == 2 && forward.grid.z == 3));
  // 12 heads of 6 row blocks; O in single precision, and 8 statistics of every thread.
  CHECK(forward.state_sums * 16 == 12 * 6 * (128 * 64 + 8 * 128) * 4);
  const kernel::BackwardPlan backward = fa1_cuda_backward_plan(params);
  CHECK((backward.columns.x == 1 && backward.columns.y == 2 && backward.columns.z == 3));
  CHECK((backward.arguments.copies == 1 && backward.arguments.column_stride == 1));
  Problem empty({9, 0, 64, true, kHalf});
  CHECK(fa1_cuda_backward_plan(empty.params()).columns.x == 0);
}

}  // namespace ashlar::flashattention2::baselines
