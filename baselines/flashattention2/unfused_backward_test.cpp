// The backward passes of the unfused tiers against the reference, on the same shapes.
#include <catch2/catch.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/standard_backward.hpp"
#include "baselines/flashattention2/test_gradients.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::DType;
using testing::GradientErrors;
using testing::GradientProblem;
using testing::Shape;

/// A baseline without its type.
struct Baseline {
  std::string name;
  std::function<std::optional<std::string>(const AttentionParams&)> unsupported;
  std::function<void(const AttentionParams&, GradientProblem&)> run;
};

/// Twice: the workspace must survive a call.
template <class Backward>
std::function<void(const AttentionParams&, GradientProblem&)> twice() {
  return [](const AttentionParams& params, GradientProblem& problem) {
    Backward backward(params);
    backward();
    problem.poison();
    backward();
  };
}

const std::vector<Baseline>& baselines() {
  static const std::vector<Baseline> all{
      {"standard", standard_backward_unsupported, twice<StandardBackward>()},
      {"standard, both passes", standard_backward_unsupported, twice<StandardBothPasses>()},
      {"standard-openblas", standard_openblas_backward_unsupported,
       twice<StandardOpenblasBackward>()},
  };
  return all;
}

void check(const Shape& shape) {
  const double granted = shape.dtype == DType::f32 ? 2e-6 : 8e-3;
  for (const Baseline& baseline : baselines()) {
    GradientProblem problem(shape);
    const AttentionParams params = problem.params();
    if (const auto reason = baseline.unsupported(params)) {
      WARN(baseline.name << ": " << *reason);
      continue;
    }
    CAPTURE(baseline.name, core::name_of(shape.dtype), shape.seqlen_q, shape.seqlen_k,
            shape.head_dim, shape.causal, core::thread_count());
    reference_forward(params);
    baseline.run(params, problem);
    const GradientErrors errors = testing::gradient_errors(params);
    CHECK(errors.dq < granted);
    CHECK(errors.dk < granted);
    CHECK(errors.dv < granted);
    const testing::Difference forward = testing::difference_to_reference(params);
    CHECK(forward.out < (shape.dtype == DType::f32 ? 1e-5 : 3e-2));
  }
}

TEST_CASE("unfused gradients on odd shapes", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const bool causal = GENERATE(false, true);
  const auto [seqlen_q, seqlen_k, head_dim] = GENERATE(table<Index, Index, Index>(
      {{1, 1, 1}, {1, 239, 64}, {3, 79, 40}, {113, 203, 64}, {257, 257, 59}, {300, 200, 16}}));
  check({.seqlen_q = seqlen_q,
         .seqlen_k = seqlen_k,
         .head_dim = head_dim,
         .causal = causal,
         .dtype = dtype,
         .batch = 1,
         .heads_q = 2,
         .heads_kv = 1});
}

TEST_CASE("unfused gradients with batches and grouped heads", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const int threads = GENERATE(1, 2, 3);
  const int before = core::thread_count();
  core::set_thread_count(threads);
  // Three kv heads on two threads run one after the other, six on three run at the same time.
  const Index batch = GENERATE(1, 2);
  check({.seqlen_q = 140,
         .seqlen_k = 150,
         .head_dim = 32,
         .causal = true,
         .dtype = dtype,
         .batch = batch,
         .heads_q = 6,
         .heads_kv = 3});
  core::set_thread_count(before);
}

TEST_CASE("rows that see nothing have no gradient, unfused", "[baselines]") {
  const auto [seqlen_q, seqlen_k] =
      GENERATE(table<Index, Index>({{5, 2}, {300, 3}, {64, 0}, {0, 64}}));
  check({.seqlen_q = seqlen_q, .seqlen_k = seqlen_k, .head_dim = 8, .causal = true});
}

TEST_CASE("the backward pass alone leaves out and lse as they are", "[baselines]") {
  GradientProblem problem({.seqlen_q = 20, .seqlen_k = 20, .head_dim = 16});
  const AttentionParams params = problem.params();
  if (standard_backward_unsupported(params)) return;
  reference_forward(params);
  params.lse(0, 0, 3) = 77;
  testing::write(params.out, 0, 3, 0, 5, 88);
  StandardBackward{params}();
  CHECK(params.lse(0, 0, 3) == 77);
  CHECK(testing::read(params.out, 0, 3, 0, 5) == 88);
  // D comes from out, so that row's gradient is wrong now.
  CHECK(testing::gradient_errors(params).dq > 1e-2);
}

TEST_CASE("kept weights grow with the square", "[baselines]") {
  GradientProblem small({.seqlen_q = 128, .seqlen_k = 128, .head_dim = 64, .heads_q = 2});
  GradientProblem large({.seqlen_q = 512, .seqlen_k = 512, .head_dim = 64, .heads_q = 2});
  if (standard_backward_unsupported(small.params())) return;
  const auto bytes = [](GradientProblem& problem) {
    return static_cast<double>(StandardBothPasses(problem.params()).workspace_bytes());
  };
  CHECK(bytes(large) > 2 * 512 * 512 * 4);
  CHECK(bytes(large) / bytes(small) > 8);
}

}  // namespace
}  // namespace ashlar::flashattention2::baselines
