// The unfused tiers (naive, standard, chunked) against the reference, on the same shapes.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "baselines/flashattention2/chunked.hpp"
#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/standard.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/simd.hpp"
#include "impls/flashattention2/test_problem.hpp"
#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::DType;
using testing::Problem;
using testing::read;
using testing::Shape;

/// A baseline without its type.
struct Baseline {
  std::string name;
  std::function<std::optional<std::string>(const AttentionParams&)> unsupported;
  std::function<void(const AttentionParams&)> run;  // twice: the workspace must survive a call
};

template <class Forward>
std::function<void(const AttentionParams&)> twice() {
  return [](const AttentionParams& params) {
    Forward forward(params);
    forward();
    forward();
  };
}

const std::vector<Baseline>& baselines() {
  static const std::vector<Baseline> all{
      {"naive", naive_unsupported, twice<NaiveForward>()},
      {"standard", standard_unsupported, twice<StandardForward>()},
      {"standard-openblas", standard_openblas_unsupported, twice<StandardOpenblasForward>()},
      {"chunked", chunked_unsupported, twice<ChunkedForward>()}};
  return all;
}

void check(const Shape& shape) {
  for (const Baseline& baseline : baselines()) {
    Problem problem(shape);
    const AttentionParams params = problem.params();
    if (const auto reason = baseline.unsupported(params)) {
      WARN(baseline.name << ": " << *reason);
      continue;
    }
    CAPTURE(baseline.name, core::name_of(shape.dtype), shape.seqlen_q, shape.seqlen_k,
            shape.head_dim, shape.causal, core::thread_count());
    baseline.run(params);
    const testing::Judgement judgement = testing::judge(params, testing::expect(params));
    CHECK(judgement.out <= 1);
    CHECK(judgement.lse <= 1);
    CHECK(judgement.over_plain <= 1);
  }
}

TEST_CASE("unfused attention on odd shapes", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const bool causal = GENERATE(false, true);
  const auto [seqlen_q, seqlen_k, head_dim] =
      GENERATE(table<Index, Index, Index>({{1, 1, 1},
                                           {1, 239, 64},
                                           {3, 79, 40},
                                           {113, 203, 64},
                                           {128, 128, 64},
                                           {257, 257, 59},
                                           {200, 300, 111},
                                           {300, 200, 16}}));
  check({.seqlen_q = seqlen_q,
         .seqlen_k = seqlen_k,
         .head_dim = head_dim,
         .causal = causal,
         .dtype = dtype,
         .batch = 1,
         .heads_q = 2,
         .heads_kv = 1});
}

TEST_CASE("unfused attention with batches and grouped heads", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const int threads = GENERATE(1, 2, 3);
  const int before = core::thread_count();
  core::set_thread_count(threads);
  // Three heads on two threads run one after the other, six on three run at the same time.
  const Index heads = GENERATE(3, 6);
  check({.seqlen_q = 140,
         .seqlen_k = 150,
         .head_dim = 32,
         .causal = true,
         .dtype = dtype,
         .batch = 1,
         .heads_q = heads,
         .heads_kv = 3});
  core::set_thread_count(before);
}

TEST_CASE("rows that see nothing, for unfused attention", "[baselines]") {
  const auto [seqlen_q, seqlen_k] =
      GENERATE(table<Index, Index>({{5, 2}, {300, 3}, {64, 0}, {0, 64}}));
  check({.seqlen_q = seqlen_q, .seqlen_k = seqlen_k, .head_dim = 8, .causal = true});
  check({.seqlen_q = seqlen_q,
         .seqlen_k = seqlen_k,
         .head_dim = 8,
         .causal = false,
         .dtype = DType::bf16});
}

TEST_CASE("a row whose scores are all NaN is NaN, not one that sees nothing", "[baselines]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  for (const Baseline& baseline : baselines()) {
    Problem problem({.seqlen_q = 3, .seqlen_k = 40, .head_dim = 8, .dtype = dtype});
    const AttentionParams params = problem.params();
    if (baseline.unsupported(params)) continue;
    CAPTURE(baseline.name, core::name_of(dtype));
    testing::write(problem.q.any(), 0, 1, 0, 2, std::numeric_limits<double>::quiet_NaN());
    baseline.run(params);
    CHECK(std::isnan(problem.lse.view<float>()(0, 0, 1)));
    CHECK(std::isnan(read(problem.out.any(), 0, 1, 0, 0)));
    CHECK(std::isfinite(problem.lse.view<float>()(0, 0, 2)));
  }
}

TEST_CASE("binary16 is for the naive tier alone", "[baselines]") {
  const Shape shape{
      .seqlen_q = 33, .seqlen_k = 40, .head_dim = 24, .causal = true, .dtype = DType::f16};
  Problem problem(shape);
  const AttentionParams params = problem.params();
  CHECK(standard_unsupported(params));
  CHECK(chunked_unsupported(params));
  CHECK_THROWS_AS(StandardForward(params), std::invalid_argument);
  REQUIRE_FALSE(naive_unsupported(params));
  NaiveForward naive(params);
  naive();
  const testing::Judgement judgement = testing::judge(params, testing::expect(params));
  CHECK(judgement.out <= 1);
  CHECK(judgement.over_plain <= 1);
}

TEST_CASE("the kernels of the product libraries are named", "[baselines]") {
  for (const ProductLibrary library : {ProductLibrary::onednn, ProductLibrary::openblas}) {
    const auto kernel = product_kernel(library);
    CHECK(kernel.has_value() == !product_unsupported(DType::f32, library));
    if (kernel) CHECK_FALSE(kernel->empty());
  }
  const auto openblas = product_kernel(ProductLibrary::openblas);
  if (!openblas) return;
  CAPTURE(*openblas);
  CHECK(openblas->find(" (OpenBLAS ") != std::string::npos);
  const char* left = std::getenv("OPENBLAS_CORETYPE");
  if (left != nullptr && openblas->rfind(left, 0) == 0) return;  // whoever runs this has chosen
  // Our choice is for the library alone, and not for programs that are started later.
  CHECK(left == nullptr);
  if (core::may_use(core::Isa::avx512)) CHECK(openblas->starts_with("SkylakeX"));
}

TEST_CASE("workspaces grow as the method says", "[baselines]") {
  Problem small({.seqlen_q = 256, .seqlen_k = 256, .head_dim = 64});
  Problem large({.seqlen_q = 1024, .seqlen_k = 1024, .head_dim = 64});
  CHECK(NaiveForward(large.params()).workspace_bytes() == 1024 * 1024 * 4);
  if (standard_unsupported(small.params())) return;
  const auto growth = [&](auto make) {
    return static_cast<double>(make(large.params()).workspace_bytes()) /
           static_cast<double>(make(small.params()).workspace_bytes());
  };
  const double standard = growth([](const auto& params) { return StandardForward(params); });
  CHECK(standard > 12);
  CHECK(standard < 18);
  const double chunked = growth([](const auto& params) { return ChunkedForward(params); });
  CHECK(chunked > 3);
  CHECK(chunked < 5);
}

}  // namespace
}  // namespace ashlar::flashattention2::baselines
