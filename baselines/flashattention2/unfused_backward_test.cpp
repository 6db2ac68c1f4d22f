// What the shared checks of the unfused backward passes do not ask.
#include <algorithm>
#include <catch2/catch.hpp>

#include "baselines/flashattention2/standard_backward.hpp"
#include "impls/core/parallel.hpp"
#include "impls/flashattention2/test_gradient_yardstick.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using testing::Problem;

/// Off the reference's gradients in terms of what is granted; the worst of dq, dk and dv.
double off(const AttentionParams& params) {
  const auto judgement = testing::judge_gradients(params, testing::expect_gradients(params),
                                                  testing::GradientBounds());
  return *std::max_element(judgement.off.begin(), judgement.off.end());
}

TEST_CASE("a training step gives answer and gradients, on any number of threads", "[baselines]") {
  const auto library = GENERATE(ProductLibrary::onednn, ProductLibrary::openblas);
  const int threads = GENERATE(1, 2, 3);
  const int before = core::thread_count();
  core::set_thread_count(threads);
  // Three kv heads on two threads run one after the other, six on three run at the same time.
  const Index batch = GENERATE(1, 2);
  Problem problem({.seqlen_q = 140,
                   .seqlen_k = 150,
                   .head_dim = 32,
                   .causal = true,
                   .batch = batch,
                   .heads_q = 6,
                   .heads_kv = 3});
  const AttentionParams params = problem.params();
  if (!unfused_backward_unsupported(params, library)) {
    CAPTURE(threads, batch, static_cast<int>(library));
    StandardBothPasses both(params, library);
    both();
    problem.poison();
    problem.poison_gradients();
    both();
    CHECK(testing::difference_to_reference(params).out < 1e-5);
    CHECK(testing::difference_to_reference(params).lse < 1e-5);
    CHECK(off(params) <= 1);
  }
  core::set_thread_count(before);
}

TEST_CASE("the backward pass alone leaves out and lse as they are", "[baselines]") {
  Problem problem({.seqlen_q = 20, .seqlen_k = 20, .head_dim = 16});
  const AttentionParams params = problem.params();
  if (standard_backward_unsupported(params)) return;
  reference_forward(params);
  params.lse(0, 0, 3) = 77;
  StandardBackward{params}();
  CHECK(params.lse(0, 0, 3) == 77);
  const core::Tensor<4> before = testing::widened(params.dq);
  testing::write(params.out, 0, 3, 0, 5, 88);
  StandardBackward{params}();
  CHECK(testing::read(params.out, 0, 3, 0, 5) == 88);
  // D comes from out, so that row's gradient is another one now, and no other row's.
  CHECK(testing::read(params.dq, 0, 3, 0, 0) != testing::read(before.any(), 0, 3, 0, 0));
  CHECK(testing::read(params.dq, 0, 4, 0, 0) == testing::read(before.any(), 0, 4, 0, 0));
}

TEST_CASE("kept weights grow with the square", "[baselines]") {
  Problem small({.seqlen_q = 128, .seqlen_k = 128, .head_dim = 64, .heads_q = 2});
  Problem large({.seqlen_q = 512, .seqlen_k = 512, .head_dim = 64, .heads_q = 2});
  if (standard_backward_unsupported(small.params())) return;
  const auto bytes = [](Problem& problem) {
    return static_cast<double>(StandardBothPasses(problem.params()).workspace_bytes());
  };
  CHECK(bytes(large) > 2 * 512 * 512 * 4);
  CHECK(bytes(large) / bytes(small) > 8);
}

}  // namespace
}  // namespace ashlar::flashattention2::baselines
