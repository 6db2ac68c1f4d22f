// What the shared checks of the naive tier do not ask.
#include <algorithm>
#include <catch2/catch.hpp>

#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/naive_backward.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

TEST_CASE("naive matrices are as large as the longest sequence needs", "[naive]") {
  testing::Problem problem({.seqlen_q = 29, .seqlen_k = 41, .head_dim = 24});
  AttentionParams params = problem.params();
  const std::vector<std::int32_t> rows{0, 10, 10, 13, 29};
  const std::vector<std::int32_t> keys{0, 18, 30, 30, 41};
  params.cu_seqlens_q = rows;
  params.cu_seqlens_k = keys;
  CHECK(NaiveForward(params).workspace_bytes() == sizeof(float) * 16 * 18);
  CHECK(NaiveBackward(params).workspace_bytes() == sizeof(float) * (2 * 16 * 18 + 2 * 18 * 24));
  params.softcap = 2;
  CHECK(NaiveBackward(params).workspace_bytes() == sizeof(float) * (3 * 16 * 18 + 2 * 18 * 24));
}

TEST_CASE("a workspace of the naive tier survives a call", "[naive]") {
  testing::Problem problem({.seqlen_q = 9, .seqlen_k = 13, .head_dim = 8, .heads_q = 2});
  const AttentionParams params = problem.params();
  NaiveForward forward(params);
  forward();
  forward();
  NaiveBackward backward(params);
  backward();
  const core::Tensor<4>& dk = problem.dk;
  const std::vector<float> first(dk.view<float>().data, dk.view<float>().data + dk.size());
  problem.poison_gradients();
  backward();
  CHECK(std::equal(first.begin(), first.end(), dk.view<float>().data));
}

}  // namespace
}  // namespace ashlar::flashattention2::baselines
