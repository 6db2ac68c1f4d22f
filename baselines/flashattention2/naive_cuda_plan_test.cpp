// The plan of standard attention on a GPU, where no device is needed; its answers are held to the
// common checks by forward_passes_test.cpp and backward_passes_test.cpp.
#include "baselines/flashattention2/naive_cuda_plan.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include "baselines/flashattention2/naive_cuda_backward.hpp"
#include "baselines/flashattention2/naive_cuda_model.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::baselines {
namespace naive_plan_tests {

using testing::Problem;

TEST_CASE("one batch entry of ungrouped heads takes one step from matrix to matrix") {
  Problem problem({10, 203, 64, true, core::DType::bf16, 1, 4, 4});
  const AttentionParams params = problem.params();
  AddressLists lists;
  int scores = 0;
  const NaiveForwardPlan plan = naive_forward_plan(params, &scores, lists);
  CHECK(lists.all.empty());
  CHECK(plan.scores.a.all == nullptr);
  CHECK(plan.scores.a.first == params.k.data);
  CHECK(plan.scores.a.step == 64);
  CHECK(plan.scores.a.leading == 4 * 64);
  CHECK(plan.scores.c.step == 10 * 208);
  CHECK(plan.scores.batch == 4);
  CHECK(plan.softmax.rows == 40);
}

TEST_CASE("groups of query heads take lists, and add up one call after the other") {
  Problem problem({10, 203, 64, false, core::DType::f16, 2, 6, 2});
  const AttentionParams params = problem.params();
  std::vector<const void*> place(naive_address_bytes(params) / sizeof(void*));
  AddressLists lists{place.data()};
  int weights = 0;
  int gradients = 0;
  naive_forward_plan(params, &weights, lists);
  const NaiveBackwardPlan plan = naive_backward_plan(params, &weights, &gradients, lists);
  CHECK(lists.all.size() <= place.size());
  REQUIRE(plan.dk.size() == 3);
  REQUIRE(plan.dv.size() == 3);
  for (std::size_t member = 0; member < 3; ++member) {
    CHECK(plan.dk[member].beta == (member == 0 ? 0.0F : 1.0F));
    CHECK(plan.dv[member].beta == plan.dk[member].beta);
    CHECK(plan.dk[member].batch == 4);
    CHECK(plan.dk[member].alpha == params.scale);
    CHECK(plan.dv[member].alpha == 1.0F);
  }
}

TEST_CASE("the backward pass takes two matrices, and counts outputs that are not there yet") {
  Problem problem({10, 203, 64, false, core::DType::bf16, 2, 4, 2});
  AttentionParams params = problem.params();
  CHECK(naive_cuda_backward_score_bytes(params) == 2U * 2 * 4 * 10 * 208 * 2);
  const std::size_t needed = naive_cuda_backward_needed_bytes(params);
  CHECK(needed == naive_cuda_backward_score_bytes(params) + 4U * problem.q.bytes() +
                      4U * problem.k.bytes() + 2U * problem.lse.bytes() + (std::size_t{64} << 20));
  params.dq = {};
  params.dk = {};
  params.dv = {};
  CHECK(naive_cuda_backward_needed_bytes(params) == needed);
}

TEST_CASE("gradients whose rows overlap are refused") {
  Problem problem({10, 20, 64, false, core::DType::bf16});
  AttentionParams params = problem.params();
  CHECK_FALSE(naive_gradient_shape_unsupported(params));
  params.dk.strides[1] = 32;
  CHECK(naive_gradient_shape_unsupported(params));
  params = problem.params();
  params.softcap = 3;
  CHECK(naive_gradient_shape_unsupported(params));
}

TEST_CASE("the softmax's gradient of a row sums to zero, and is zero where nothing is seen") {
  const std::vector<float> p = {0.5F, 0.125F, 0.25F, 0.125F, 0.75F};  // the last is not seen
  const std::vector<float> dp = {1.0F, -2.0F, 3.0F, 0.5F, NAN};
  float delta = 0;
  for (std::size_t c = 0; c < p.size(); ++c) delta += delta_part(p[c], dp[c], c < 4);
  CHECK(delta == Approx(0.5 - 0.25 + 0.75 + 0.0625));
  float sum = 0;
  for (std::size_t c = 0; c < p.size(); ++c) sum += score_gradient(p[c], dp[c], delta, c < 4);
  CHECK(sum == Approx(0).margin(1e-6));
  CHECK(score_gradient(p[2], dp[2], delta, true) == Approx(0.25 * (3.0 - 1.0625)));
}

TEST_CASE("a NaN that a row sees is in all of its gradient") {
  const float delta = delta_part(0.5F, NAN, true);
  CHECK(std::isnan(delta));
  CHECK(std::isnan(score_gradient(0.25F, 1.0F, delta, true)));
  CHECK(score_gradient(0.25F, 1.0F, delta, false) == 0.0F);
}

}  // namespace naive_plan_tests
}  // namespace ashlar::flashattention2::baselines
