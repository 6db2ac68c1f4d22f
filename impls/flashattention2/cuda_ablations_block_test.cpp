// The code of the forward pass with one idea off, run thread by thread on a CPU model of a thread
// block, against the double precision reference.
#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_dispatch.hpp"
#include "impls/flashattention2/cuda_heads_only_block.hpp"
#include "impls/flashattention2/cuda_model_checks.hpp"
#include "impls/flashattention2/cuda_split_keys_block.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::ablations_on_model {
namespace {

using kernel::AblationPlan;
using kernel::PassKind;
using testing::Problem;
using testing::Shape;

constexpr core::DType kHalf = core::DType::f16;
constexpr core::DType kBrain = core::DType::bf16;

struct HeadsOnly {
  static AblationPlan plan(const AttentionParams& params) {
    return kernel::heads_only_plan(params);
  }
  template <class Element, int HeadDim, PassKind Kind>
  static void run(const AblationPlan& plan, bool falling) {
    using Config = kernel::HeadsOnlyConfig<HeadDim, Kind>;
    using Block = kernel::HeadsOnlyBlock<Config, kernel::ModelThread<Element>>;
    testing::run_on_model<Block, typename Block::MachineInTurn>(
        plan.arguments, plan.grid, Config::kThreads, Config::kSharedBytes, falling);
  }
};

struct SplitKeys {
  static AblationPlan plan(const AttentionParams& params) {
    return kernel::split_keys_plan(params);
  }
  template <class Element, int HeadDim, PassKind Kind>
  static void run(const AblationPlan& plan, bool falling) {
    using Config = kernel::SplitKeysConfig<HeadDim, Kind>;
    using Machine = kernel::ModelThread<Element>;
    testing::run_on_model<kernel::SplitKeysBlock<Config, Machine>, Machine>(
        plan.arguments, plan.grid, Config::kThreads, Config::kSharedBytes, falling);
  }
};

template <class Kernel>
void run_model(const AttentionParams& params, bool falling) {
  const AblationPlan plan = Kernel::plan(params);
  kernel::visit_plain_kernel(params, [&]<class Element, int HeadDim, PassKind Kind>() {
    Kernel::template run<Element, HeadDim, Kind>(plan, falling);
  });
}

template <class Kernel>
void check(Problem& problem) {
  const AttentionParams params = problem.params();
  REQUIRE_FALSE(kernel::ablation_unsupported(params));
  testing::check_in_both_orders(problem, [&](bool falling) { run_model<Kernel>(params, falling); });
}

template <class Kernel>
void check_shape(const Shape& shape) {
  INFO(describe(shape));
  Problem problem(shape);
  check<Kernel>(problem);
}

}  // namespace

TEMPLATE_TEST_CASE("one idea off, on the model: ragged tiles, both head sizes and types", "",
                   HeadsOnly, SplitKeys) {
  check_shape<TestType>({1, 1, 64, false, kHalf});
  check_shape<TestType>({150, 203, 64, false, kBrain});
  check_shape<TestType>({140, 130, 128, false, kHalf});
  check_shape<TestType>({3, 299, 128, true, kBrain});
}

TEMPLATE_TEST_CASE("one idea off, on the model: causal, rows that see nothing, no keys", "",
                   HeadsOnly, SplitKeys) {
  check_shape<TestType>({5, 2, 64, true, kHalf});
  check_shape<TestType>({270, 70, 64, true, kBrain});
  check_shape<TestType>({200, 132, 128, true, kHalf});
  check_shape<TestType>({150, 0, 64, false, kHalf});
  check_shape<TestType>({0, 9, 128, true, kHalf});
}

TEMPLATE_TEST_CASE("one idea off, on the model: several heads, groups and batches", "", HeadsOnly,
                   SplitKeys) {
  check_shape<TestType>({130, 40, 64, true, kBrain, 2, 4, 2});
  check_shape<TestType>({10, 65, 128, false, kHalf, 1, 3, 1});
}

TEMPLATE_TEST_CASE("one idea off, on the model: maxima that rise and fall from block to block", "",
                   HeadsOnly, SplitKeys) {
  for (const double slope : {0.5, -0.5}) {
    Problem problem({70, 300, 64, false, kHalf});
    testing::assign(problem.q.any(), [](Index, Index, Index, Index) { return 1.0; });
    testing::assign(problem.k.any(),
                    [slope](Index, Index c, Index, Index) { return slope * double(c) / 64; });
    check<TestType>(problem);
  }
}

TEMPLATE_TEST_CASE("one idea off, on the model: rows behind the last key are not read", "",
                   HeadsOnly, SplitKeys) {
  Problem problem({40, 70, 64, false, kHalf, 2, 2, 1});
  AttentionParams params = problem.params();
  const testing::Tailed keys(problem.k, 128);
  const testing::Tailed values(problem.v, 128);
  params.k = keys.view();
  params.v = values.view();
  problem.poison();
  run_model<TestType>(params, false);
  testing::check_rows(params);
}

TEST_CASE("one idea off: what is not taken, and grids of nothing") {
  const auto unsupported = [](const Shape& shape) {
    Problem problem(shape);
    return kernel::ablation_unsupported(problem.params());
  };
  CHECK(unsupported({8, 8, 96, false, kHalf}).has_value());
  CHECK(unsupported({8, 8, 64, false, core::DType::f32}).has_value());
  CHECK(unsupported({8, 8, 64, false, kHalf, 1, 1, 1, {2, 3}}) ==
        "a window, softcap, dropout or packed sequences");
  CHECK_FALSE(unsupported({8, 8, 64, true, kHalf}).has_value());
  Problem problem({300, 8, 64, true, kHalf, 3, 4, 2});
  const kernel::GridIndex heads = kernel::heads_only_plan(problem.params()).grid;
  CHECK((heads.x == 2 && heads.y == 2 && heads.z == 3));
  const kernel::GridIndex rows = kernel::split_keys_plan(problem.params()).grid;
  CHECK((rows.x == 2 * 5 && rows.y == 2 && rows.z == 3));
  Problem empty({0, 8, 64, true, kHalf});
  CHECK(kernel::heads_only_plan(empty.params()).grid.x == 0);
  CHECK(kernel::split_keys_plan(empty.params()).grid.x == 0);
}

}  // namespace ashlar::flashattention2::ablations_on_model
