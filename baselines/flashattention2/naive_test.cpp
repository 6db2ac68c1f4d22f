// The naive tier with every feature, against the reference.
#include <catch2/catch.hpp>

#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/naive_backward.hpp"
#include "baselines/flashattention2/test_gradients.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::DType;
using testing::GradientErrors;
using testing::GradientProblem;
using testing::Shape;

/// Largest relative error that is granted.
double granted(DType dtype) {
  return dtype == DType::f32 ? 2e-6 : dtype == DType::f16 ? 1e-3 : 8e-3;
}

void check(const AttentionParams& params, GradientProblem& problem) {
  NaiveForward forward(params);
  forward();
  const testing::Difference difference = testing::difference_to_reference(params);
  CHECK(difference.out < (params.q.dtype == DType::f32 ? 1e-5 : 3e-2));
  CHECK(difference.lse < 1e-4);
  NaiveBackward backward(params);
  for (int call = 0; call < 2; ++call) {  // the workspace must survive a call
    problem.poison();
    backward();
    const GradientErrors errors = testing::gradient_errors(params);
    CAPTURE(call, errors.dq, errors.dk, errors.dv);
    CHECK(errors.dq < granted(params.q.dtype));
    CHECK(errors.dk < granted(params.q.dtype));
    CHECK(errors.dv < granted(params.q.dtype));
  }
}

constexpr Shape kShape{
    .seqlen_q = 29, .seqlen_k = 41, .head_dim = 24, .batch = 2, .heads_q = 4, .heads_kv = 2};

TEST_CASE("naive attention, both passes, in every storage type", "[naive]") {
  Shape shape = kShape;
  shape.dtype = GENERATE(DType::f32, DType::bf16, DType::f16);
  shape.causal = GENERATE(false, true);
  GradientProblem problem(shape);
  check(problem.params(), problem);
}

TEST_CASE("naive attention, both passes, with windows, softcap and dropout", "[naive]") {
  GradientProblem problem(kShape);
  AttentionParams params = problem.params();
  SECTION("window") { params.window = {7, 3}; }
  SECTION("window to the left, causal") {
    params.window = {5, -1};
    params.causal = true;
  }
  SECTION("softcap") {
    params.softcap = 1.5f;
    params.causal = true;
  }
  SECTION("dropout") {
    params.dropout = {.probability = 0.3f, .seed = 11, .offset = 2};
    params.window = {-1, 4};
  }
  check(params, problem);
}

TEST_CASE("naive attention, both passes, on packed sequences", "[naive]") {
  Shape shape = kShape;
  shape.batch = 1;
  GradientProblem problem(shape);
  AttentionParams params = problem.params();
  // One without queries, one without keys, one with more queries than keys.
  const std::vector<std::int32_t> rows{0, 10, 10, 13, 29};
  const std::vector<std::int32_t> keys{0, 18, 30, 30, 41};
  params.cu_seqlens_q = rows;
  params.cu_seqlens_k = keys;
  params.causal = true;
  params.dropout.probability = GENERATE(0.0f, 0.25f);

  NaiveForward forward(params);
  forward();
  NaiveBackward backward(params);
  backward();
  CHECK(backward.workspace_bytes() == sizeof(float) * (2 * 16 * 18 + 2 * 18 * 24));
  const GradientErrors errors = testing::gradient_errors(params);
  CHECK(errors.dq < granted(DType::f32));
  CHECK(errors.dk < granted(DType::f32));
  CHECK(errors.dv < granted(DType::f32));
  for (Index row = 10; row < 13; ++row) {
    CHECK(std::isinf(params.lse(0, 0, row)));
    CHECK(testing::read(params.out, 0, row, 0, 0) == 0);
    CHECK(testing::read(params.dq, 0, row, 0, 0) == 0);
  }
}

TEST_CASE("rows that see nothing have no gradient in naive attention", "[naive]") {
  const auto [rows, keys] = GENERATE(table<Index, Index>({{5, 2}, {3, 0}, {0, 3}}));
  GradientProblem problem({.seqlen_q = rows, .seqlen_k = keys, .head_dim = 8, .causal = true});
  check(problem.params(), problem);
}

TEST_CASE("a wrong gradient is seen", "[naive]") {
  GradientProblem problem(kShape);
  const AttentionParams params = problem.params();
  NaiveForward{params}();
  AttentionParams wrong = params;
  wrong.scale *= 1.001f;  // of dq and dk; lse is that of the right scale
  NaiveBackward{wrong}();
  const GradientErrors errors = testing::gradient_errors(params);
  CHECK(errors.dq > 10 * granted(DType::f32));
  CHECK(errors.dk > 10 * granted(DType::f32));
}

}  // namespace
}  // namespace ashlar::flashattention2::baselines
