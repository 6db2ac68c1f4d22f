#include "baselines/flashattention2/fa1_order.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/test_problem.hpp"
#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::DType;
using testing::difference_to_reference;
using testing::Problem;

void check(Problem& problem, const Fa1Options& options) {
  problem.poison();
  Fa1Workspace workspace(problem.params(), options);
  fa1_forward(problem.params(), workspace);
  const testing::Expected expected = testing::expect(problem.params());
  const testing::Judgement judgement = testing::judge(problem.params(), expected, {.lse = 4e-6});
  CHECK(judgement.out <= 1);
  CHECK(judgement.lse <= 1);
  CHECK(judgement.over_plain <= 1);
  if (problem.q.dtype() == DType::f32) {
    CHECK(difference_to_reference(problem.params()).out <= 3e-6);
  }
}

}  // namespace

TEST_CASE("FlashAttention-1's order agrees with double precision", "[fa1]") {
  struct Lengths {
    Index q, k;
  };
  const auto lengths = GENERATE(Lengths{1, 1}, Lengths{1, 239}, Lengths{113, 203}, Lengths{90, 300},
                                Lengths{5, 2}, Lengths{64, 0}, Lengths{0, 7}, Lengths{130, 65});
  const bool causal = GENERATE(false, true);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const core::Isa isa : optimized_isas(dtype)) {
      INFO(name_of(dtype) << " on " << name_of(isa) << ", " << lengths.q << " x " << lengths.k
                          << " causal " << causal);
      Problem problem({.seqlen_q = lengths.q,
                       .seqlen_k = lengths.k,
                       .head_dim = 27,
                       .causal = causal,
                       .dtype = dtype,
                       .batch = 2,
                       .heads_q = 4,
                       .heads_kv = 2});
      check(problem, {.threads = 3, .key_block = 64, .isa = isa});
    }
  }
}

TEST_CASE("FlashAttention-1's order rescales rising and falling maxima", "[fa1]") {
  const double slope = GENERATE(1.0, -1.0);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    INFO(name_of(dtype) << ", slope " << slope);
    Problem problem({.seqlen_q = 20, .seqlen_k = 640, .head_dim = 16, .dtype = dtype});
    for (Index r = 0; r < 20; ++r) testing::write(problem.q.any(), 0, r, 0, 0, 4.0);
    for (Index c = 0; c < 640; ++c) {
      const Index block = c / 64;
      testing::write(problem.k.any(), 0, c, 0, 0, slope * static_cast<double>(block));
    }
    check(problem, {.key_block = 64});
  }
}

TEST_CASE("a FlashAttention-1 workspace is reusable, linear and particular about shapes", "[fa1]") {
  Problem problem({.seqlen_q = 96, .seqlen_k = 96, .head_dim = 32, .causal = true});
  Fa1Workspace workspace(problem.params());
  fa1_forward(problem.params(), workspace);
  fa1_forward(problem.params(), workspace);
  CHECK(difference_to_reference(problem.params()).out <= 3e-6);

  Problem twice({.seqlen_q = 192, .seqlen_k = 192, .head_dim = 32, .causal = true});
  CHECK(Fa1Workspace(twice.params()).bytes() <= 2 * workspace.bytes());
  CHECK_THROWS_WITH(fa1_forward(twice.params(), workspace), Catch::Contains("another shape"));
}

}  // namespace ashlar::flashattention2::baselines
