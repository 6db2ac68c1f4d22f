// cuDNN's fused attention on a GPU. Without a device or the library the cases print why and pass.
#include "baselines/flashattention2/cudnn_attention.hpp"

#include <catch2/catch.hpp>

#include <iostream>

#include "impls/flashattention2/test_gradient_yardstick.hpp"
#include "impls/flashattention2/test_problem.hpp"
#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using testing::Problem;
using testing::Shape;

bool skipped() {
  Problem any({16, 16, 64, false, core::DType::f16});
  const auto reason = cudnn_both_unsupported(any.params());
  if (!reason) return false;
  std::cout << "skipped: " << *reason << "\n";
  CHECK_THROWS(CudnnForward(any.params()));
  CHECK_THROWS(CudnnBackward(any.params()));
  return true;
}

void check_forward(const AttentionParams& params) {
  const testing::Judgement judgement = testing::judge(params, testing::expect(params));
  CHECK(judgement.lse <= 1);
  CHECK(judgement.over_plain <= 1);
}

void check_gradients(const AttentionParams& params, const testing::ExpectedGradients& expected) {
  const testing::GradientJudgement judgement = testing::judge_gradients(params, expected);
  for (const double over_plain : judgement.over_plain) CHECK(over_plain <= 1);
}

/// Twice each, since handle, addresses and workspace are kept.
template <class Pass>
void run(const AttentionParams& params) {
  Pass pass(params);
  for (int repeat = 0; repeat < 2; ++repeat) {
    pass.poison();
    pass.execute(nullptr);
  }
  pass.fetch();
  CHECK(pass.problem().intact());
}

void check_shape(const Shape& shape) {
  INFO(testing::describe(shape));
  Problem problem(shape);
  run<CudnnForward>(problem.params());
  check_forward(problem.params());

  problem.poison();
  reference_forward(problem.params());
  const testing::ExpectedGradients expected = testing::expect_gradients(problem.params());
  run<CudnnBackward>(problem.params());
  check_gradients(problem.params(), expected);

  problem.poison();
  problem.poison_gradients();
  run<CudnnBothPasses>(problem.params());
  check_forward(problem.params());
  check_gradients(problem.params(), expected);
}

}  // namespace

TEST_CASE("cuDNN's attention agrees with the reference in both passes", "[gpu]") {
  if (skipped()) return;
  for (const core::DType dtype : {core::DType::f16, core::DType::bf16}) {
    for (const Index head_dim : {64, 128}) {
      for (const bool causal : {false, true}) {
        check_shape({128, 128, head_dim, causal, dtype, 2, 4, 4});
        check_shape({203, 203, head_dim, causal, dtype, 1, 4, 2});
        check_shape({77, 77, head_dim, causal, dtype, 3, 6, 1});
      }
      check_shape({40, 333, head_dim, false, dtype, 1, 2, 2});
    }
  }
}

}  // namespace ashlar::flashattention2::baselines
