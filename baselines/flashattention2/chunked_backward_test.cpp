// The chunked backward pass beside the standard one, and what it promises of bits and memory. The
// shared checks run over it in backward_passes_test.cpp.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "baselines/flashattention2/chunked_backward.hpp"
#include "baselines/flashattention2/standard_backward.hpp"
#include "impls/core/parallel.hpp"
#include "impls/flashattention2/test_gradient_yardstick.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::DType;
using testing::Problem;
using testing::Shape;

using Gradients = std::array<core::Tensor<4>, 3>;

Gradients gradients_of(const Problem& problem) {
  return {testing::widened(problem.dq.any()), testing::widened(problem.dk.any()),
          testing::widened(problem.dv.any())};
}

/// The greatest distance of two elements, in terms of what the shared checks grant either of them
/// to be off; infinity where one is missing.
double distance(const AttentionParams& params, const testing::ExpectedGradients& expected,
                std::size_t which, const Gradients& actual, const Gradients& other) {
  double worst = 0;
  for (Index i = 0; i < actual[which].size(); ++i) {
    const double apart = testing::distance(actual[which].view<double>().data[i],
                                           other[which].view<double>().data[i]);
    const double bound = testing::gradient_bound(expected, {}, params.q.dtype, which, i);
    worst = std::max(worst, testing::ratio(apart, bound));
  }
  return worst;
}

void check_against_standard(const Shape& shape) {
  Problem problem(shape);
  const AttentionParams params = problem.params();
  if (const auto reason = chunked_backward_unsupported(params)) {
    WARN(*reason);
    return;
  }
  reference_forward(params);
  StandardBackward{params}();
  const Gradients standard = gradients_of(problem);
  const testing::ExpectedGradients expected = testing::expect_gradients(params);
  for (const Index chunk_rows : {1, 7, 48, 64, 128, 1000}) {
    problem.poison_gradients();
    ChunkedBackward chunked(params, chunk_rows);
    chunked();
    chunked();  // the workspace must survive a call
    INFO(testing::describe(shape) << ", chunks of " << chunk_rows << " rows, "
                                  << core::thread_count() << " threads");
    const Gradients gradients = gradients_of(problem);
    for (std::size_t which = 0; which < 3; ++which) {
      CAPTURE(which);
      CHECK(distance(params, expected, which, gradients, standard) <= 1);
    }
  }
}

TEST_CASE("chunks of any number of rows give the standard gradients", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const bool causal = GENERATE(false, true);
  const auto [seqlen_q, seqlen_k, head_dim] = GENERATE(table<Index, Index, Index>(
      {{1, 1, 1}, {1, 239, 64}, {150, 203, 40}, {256, 256, 64}, {130, 70, 59}}));
  check_against_standard({.seqlen_q = seqlen_q,
                          .seqlen_k = seqlen_k,
                          .head_dim = head_dim,
                          .causal = causal,
                          .dtype = dtype});
}

TEST_CASE("chunks of grouped heads, on any number of threads", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const int threads = GENERATE(1, 2, 3);
  const int before = core::thread_count();
  core::set_thread_count(threads);
  // Three kv heads on two threads run one after the other, six on three run at the same time.
  const Index batch = GENERATE(1, 2);
  check_against_standard({.seqlen_q = 140,
                          .seqlen_k = 150,
                          .head_dim = 32,
                          .causal = true,
                          .dtype = dtype,
                          .batch = batch,
                          .heads_q = 6,
                          .heads_kv = 3});
  core::set_thread_count(before);
}

TEST_CASE("chunks that see nothing, and no chunks", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const auto [seqlen_q, seqlen_k] =
      GENERATE(table<Index, Index>({{5, 2}, {300, 3}, {64, 0}, {0, 64}}));
  check_against_standard(
      {.seqlen_q = seqlen_q, .seqlen_k = seqlen_k, .head_dim = 8, .causal = true, .dtype = dtype});
}

TEST_CASE("sums over chunks have the same bits in every run", "[baselines]") {
  const int before = core::thread_count();
  core::set_thread_count(3);
  // One kv head, so that three threads sum up parts of it.
  Problem problem({.seqlen_q = 200,
                   .seqlen_k = 210,
                   .head_dim = 64,
                   .causal = true,
                   .heads_q = 2,
                   .heads_kv = 1});
  const AttentionParams params = problem.params();
  if (!chunked_backward_unsupported(params)) {
    reference_forward(params);
    ChunkedBackward chunked(params, 16);
    chunked();
    const Gradients first = gradients_of(problem);
    bool same = true;
    for (int repeat = 0; repeat < 30; ++repeat) {
      problem.poison_gradients();
      chunked();
      const Gradients again = gradients_of(problem);
      for (std::size_t which = 0; which < 3; ++which) {
        same = same &&
               std::memcmp(again[which].data(), first[which].data(), first[which].bytes()) == 0;
      }
    }
    CHECK(same);
  }
  core::set_thread_count(before);
}

TEST_CASE("the chunked backward pass leaves out and lse as they are", "[baselines]") {
  Problem problem({.seqlen_q = 20, .seqlen_k = 20, .head_dim = 16});
  const AttentionParams params = problem.params();
  if (chunked_backward_unsupported(params)) return;
  reference_forward(params);
  ChunkedBackward chunked(params, 8);
  chunked();
  const core::Tensor<4> before = testing::widened(params.dq);
  // Weights come from lse and D from out: that row's gradient is another one now, and no other's.
  params.lse(0, 0, 3) += 1;
  testing::write(params.out, 0, 4, 0, 5, 88);
  const float lse = params.lse(0, 0, 3);
  chunked();
  CHECK(params.lse(0, 0, 3) == lse);
  CHECK(testing::read(params.out, 0, 4, 0, 5) == 88);
  for (const Index row : {2, 3, 4, 5}) {
    CAPTURE(row);
    const bool same =
        testing::read(params.dq, 0, row, 0, 0) == testing::read(before.any(), 0, row, 0, 0);
    CHECK(same == (row != 3 && row != 4));
  }
}

TEST_CASE("what the chunked backward pass refuses", "[baselines]") {
  Problem half({.seqlen_q = 4, .seqlen_k = 4, .dtype = DType::f16});
  CHECK(chunked_backward_unsupported(half.params()));
  CHECK_THROWS_AS(ChunkedBackward(half.params()), std::invalid_argument);
  Shape windowed{.seqlen_q = 4, .seqlen_k = 4};
  windowed.window = {2, 0};
  CHECK(chunked_backward_unsupported(Problem(windowed).params()));
  Problem problem({.seqlen_q = 4, .seqlen_k = 4});
  CHECK_THROWS_AS(ChunkedBackward(problem.params(), 0), std::invalid_argument);
}

TEST_CASE("recomputed weights leave memory linear", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const bool causal = GENERATE(false, true);
  const auto bytes = [&](Index seqlen) -> double {
    Problem problem({.seqlen_q = seqlen,
                     .seqlen_k = seqlen,
                     .head_dim = 64,
                     .causal = causal,
                     .dtype = dtype,
                     .heads_q = 2});
    if (chunked_backward_unsupported(problem.params())) return 0;
    return static_cast<double>(ChunkedBackward(problem.params()).workspace_bytes());
  };
  if (bytes(512) == 0) return;
  // Whatever is there at every length falls out of differences: 2 for a line, 4 for a square.
  const double growth = (bytes(2048) - bytes(1024)) / (bytes(1024) - bytes(512));
  CHECK(growth > 1.5);
  CHECK(growth < 2.5);
}

}  // namespace
}  // namespace ashlar::flashattention2::baselines
