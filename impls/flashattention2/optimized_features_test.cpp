// The features of attention.hpp and the ablations in the optimized forward pass, on every
// instruction set: against double precision, and counts against counting.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/test_paths.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::DType;
using testing::Path;
using testing::Problem;
using testing::read;
using testing::Shape;

void run(const AttentionParams& params, const ForwardOptions& options) {
  ForwardWorkspace workspace(params, options);
  optimized_forward(params, workspace);
}

/// Largest difference of out and lse to the reference, out in terms of the largest value of v.
/// lse of rows that see nothing must be infinite, their out zero.
struct Errors {
  double out = 0;
  double lse = 0;
};

Errors errors(const AttentionParams& params) {
  Errors worst;
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < sequence.seqlen_q; ++r) {
        const RowResult expected = reference_row(params, id, h, r);
        const Index row = sequence.first_q + r;
        for (Index i = 0; i < params.head_dim(); ++i) {
          const double actual = read(params.out, sequence.batch, row, h, i);
          const double wanted = expected.out[static_cast<std::size_t>(i)];
          worst.out = std::max(worst.out, testing::distance(actual, wanted));
        }
        const auto lse = static_cast<double>(params.lse(sequence.batch, h, row));
        worst.lse = std::max(worst.lse, testing::distance(lse, expected.lse));
      }
    }
  }
  return worst;
}

/// Values are below 4.5 and so are their means; dropout divides by the probability of keeping.
/// 16-bit storage rounds the answer and, on vdpbf16ps, the weights.
double out_bound(DType dtype, const Dropout& dropout) {
  const double unit = dtype == DType::f32 ? 1e-6 : dtype == DType::f16 ? 0x1p-11 : 0x1p-8;
  return 4 * unit * static_cast<double>(DropoutMask(dropout, 0).keep_factor());
}

void check(Problem& problem, const AttentionParams& params, const ForwardOptions& options) {
  problem.poison();
  run(params, options);
  const Errors found = errors(params);
  CHECK(found.out <= out_bound(params.q.dtype, params.dropout));
  CHECK(found.lse <= 4e-6);
}

const std::vector<Ablation>& ablations() {
  static const std::vector<Ablation> all{{},
                                         {.late_normalisation = false},
                                         {.skip_masked_blocks = false},
                                         {.parallel_over_rows = false},
                                         {.split_queries = false},
                                         {false, false, false, false}};
  return all;
}

}  // namespace

TEST_CASE("windows to both sides, with queries and keys of any number", "[optimized]") {
  struct Lengths {
    Index q, k;
  };
  const auto lengths =
      GENERATE(Lengths{70, 70}, Lengths{40, 300}, Lengths{200, 90}, Lengths{1, 130}, Lengths{6, 0});
  const auto window = GENERATE(Window{0, 0}, Window{3, 2}, Window{100, 0}, Window{-1, 17},
                               Window{65, -1}, Window{1000, 1000});
  const bool causal = GENERATE(false, true);
  for (const Path& path : testing::paths_of(optimized_isas)) {
    INFO(describe(path) << ", " << lengths.q << " x " << lengths.k << ", window " << window.left
                        << ", " << window.right << " causal " << causal);
    Problem problem({.seqlen_q = lengths.q,
                     .seqlen_k = lengths.k,
                     .head_dim = 20,
                     .causal = causal,
                     .dtype = path.dtype});
    AttentionParams params = problem.params();
    params.window = window;
    check(problem, params, {.row_block = 18, .key_block = 64, .isa = path.isa});
  }
}

TEST_CASE("a window costs what it shows", "[optimized]") {
  for (const Path& path : testing::paths_of(optimized_isas)) {
    INFO(describe(path));
    Problem problem({.seqlen_q = 900, .seqlen_k = 900, .head_dim = 16, .dtype = path.dtype});
    AttentionParams params = problem.params();
    params.window = {100, 0};
    ForwardWorkspace workspace(params, {.isa = path.isa});
    optimized_forward(params, workspace);
    // A strip sees up to 106 keys; scores are made in panels of up to 64, at two borders of blocks.
    const double strips = 150;
    CHECK(static_cast<double>(workspace.counted().matmul_flops) <=
          strips * 6 * 2 * 16 * (106 + 2 + 106 + 4 * 63));
    CHECK(errors(params).lse <= 4e-6);
  }
}

TEST_CASE("softcap at caps small and large", "[optimized]") {
  const float cap = GENERATE(0.05f, 1.0f, 30.0f, 3e4f);
  const bool causal = GENERATE(false, true);
  for (const Path& path : testing::paths_of(optimized_isas)) {
    INFO(describe(path) << ", cap " << cap << " causal " << causal);
    Problem problem(
        {.seqlen_q = 33, .seqlen_k = 150, .head_dim = 40, .causal = causal, .dtype = path.dtype});
    problem.scale = 2.0f;  // scores of up to 50
    AttentionParams params = problem.params();
    params.softcap = cap;
    params.window.left = 70;
    problem.poison();
    run(params, {.key_block = 64, .isa = path.isa});
    const Errors found = errors(params);
    // Scores are sums in float and up to 50 or the cap; so is the error of their weights.
    const double score = 0x1p-22 * std::min(50.0, static_cast<double>(cap));
    CHECK(found.out <= out_bound(path.dtype, {}) + 4 * 6 * score);
    CHECK(found.lse <= 4e-6 + 6 * score);
  }
}

TEST_CASE("dropout drops what the mask says, wherever blocks begin", "[optimized]") {
  const float probability = GENERATE(0.1f, 0.75f);
  const Index left = GENERATE(-1, 45);
  for (const Path& path : testing::paths_of(optimized_isas)) {
    INFO(describe(path) << ", probability " << probability << ", left " << left);
    Problem problem({.seqlen_q = 37,
                     .seqlen_k = 203,
                     .head_dim = 24,
                     .causal = true,
                     .dtype = path.dtype,
                     .batch = 2,
                     .heads_q = 2});
    AttentionParams params = problem.params();
    params.dropout = {probability, 0x123456789abcdefull, 7};
    params.window.left = left;
    check(problem, params, {.row_block = 12, .key_block = 64, .isa = path.isa});
    check(problem, params, {.threads = 3, .isa = path.isa});
    // A negative control: the oracle sees one changed bit of the seed.
    params.dropout.seed ^= 1;
    CHECK(errors(params).out > 0.05);
  }
}

TEST_CASE("packed sequences, also empty ones, and what they see", "[optimized]") {
  const std::vector<std::int32_t> q_offsets{0, 0, 37, 37, 38, 70, 75};
  const std::vector<std::int32_t> k_offsets{0, 5, 70, 75, 75, 245, 247};
  for (const Ablation& ablation : ablations()) {
    for (const Path& path : testing::paths_of(optimized_isas)) {
      INFO(describe(path));
      Problem problem({.seqlen_q = 75,
                       .seqlen_k = 247,
                       .head_dim = 24,
                       .causal = true,
                       .dtype = path.dtype,
                       .heads_q = 2,
                       .heads_kv = 1});
      AttentionParams params = problem.params();
      params.cu_seqlens_q = q_offsets;
      params.cu_seqlens_k = k_offsets;
      params.dropout = {0.2f, 3, 0};
      params.window.left = 90;
      const ForwardOptions options{
          .row_block = 12, .key_block = 128, .isa = path.isa, .ablation = ablation};
      check(problem, params, options);
      CHECK(params.lse(0, 1, 37) == std::numeric_limits<float>::infinity());  // no keys
      CHECK(params.lse(0, 1, 72) == std::numeric_limits<float>::infinity());  // before the keys
      CHECK(ForwardWorkspace(params, options).bytes() == workspace_bytes(params, options));
    }
  }
}

TEST_CASE("a workspace belongs to its sequences", "[optimized]") {
  Problem problem({.seqlen_q = 10, .seqlen_k = 10, .head_dim = 8});
  const std::vector<std::int32_t> offsets{0, 4, 10};
  const std::vector<std::int32_t> others{0, 5, 10};
  AttentionParams params = problem.params();
  params.cu_seqlens_q = params.cu_seqlens_k = offsets;
  ForwardWorkspace workspace(params);
  optimized_forward(params, workspace);
  params.cu_seqlens_k = others;
  CHECK_THROWS_WITH(optimized_forward(params, workspace), Catch::Contains("other sequences"));
  params.cu_seqlens_q = params.cu_seqlens_k = {};
  CHECK_THROWS_WITH(optimized_forward(params, workspace), Catch::Contains("other sequences"));
}

TEST_CASE("every ablation computes attention", "[optimized]") {
  const bool causal = GENERATE(false, true);
  const auto window = GENERATE(Window{}, Window{40, 10});
  const Index key_block = GENERATE(64, 320);
  for (const Ablation& ablation : ablations()) {
    for (const Path& path : testing::paths_of(optimized_isas)) {
      INFO(describe(path) << ", causal " << causal << ", left " << window.left << ", key block "
                          << key_block << ": " << ablation.late_normalisation
                          << ablation.skip_masked_blocks << ablation.parallel_over_rows
                          << ablation.split_queries);
      Problem problem({.seqlen_q = 150,
                       .seqlen_k = 401,
                       .head_dim = 72,
                       .causal = causal,
                       .dtype = path.dtype,
                       .heads_q = 2});
      AttentionParams params = problem.params();
      params.window = window;
      const ForwardOptions options{
          .row_block = 48, .key_block = key_block, .isa = path.isa, .ablation = ablation};
      check(problem, params, options);
    }
  }
}

TEST_CASE("ablations rescale rising maxima and leave rows without keys alone", "[optimized]") {
  const double slope = GENERATE(1.0, -1.0);
  for (const Ablation& ablation : ablations()) {
    for (const Path& path : testing::paths_of(optimized_isas)) {
      INFO(describe(path) << ", slope " << slope);
      Problem problem(
          {.seqlen_q = 460, .seqlen_k = 450, .head_dim = 16, .causal = true, .dtype = path.dtype});
      for (Index r = 0; r < 460; ++r) testing::write(problem.q.any(), 0, r, 0, 0, 4.0);
      for (Index c = 0; c < 450; ++c) {
        testing::write(problem.k.any(), 0, c, 0, 0, slope * static_cast<double>(c / 16));
      }
      const AttentionParams params = problem.params();
      problem.poison();
      run(params, {.key_block = 64, .isa = path.isa, .ablation = ablation});
      const Errors found = errors(params);
      CHECK(found.out <= out_bound(path.dtype, {}) + 1e-5);  // scores of up to 30
      CHECK(found.lse <= 2e-5);
    }
  }
}

TEST_CASE("counts are exact", "[optimized]") {
  const bool causal = GENERATE(false, true);
  const auto window = GENERATE(Window{}, Window{70, -1});
  const Index key_block = GENERATE(64, 256);
  const std::vector<std::int32_t> q_offsets{0, 100, 100, 160};
  const std::vector<std::int32_t> k_offsets{0, 300, 310, 340};
  for (const bool packed : {false, true}) {
    for (const Ablation& ablation : ablations()) {
      for (const Path& path : testing::paths_of(optimized_isas)) {
        INFO(describe(path) << ", causal " << causal << ", packed " << packed);
        Problem problem({.seqlen_q = 160,
                         .seqlen_k = 340,
                         .head_dim = 72,
                         .causal = causal,
                         .dtype = path.dtype,
                         .heads_q = 2});
        AttentionParams params = problem.params();
        params.window = window;
        if (packed) {
          params.cu_seqlens_q = q_offsets;
          params.cu_seqlens_k = k_offsets;
        }
        ForwardWorkspace workspace(params, {.threads = 2,
                                            .row_block = 24,
                                            .key_block = key_block,
                                            .isa = path.isa,
                                            .ablation = ablation});
        for (int call = 0; call < 2; ++call) {
          optimized_forward(params, workspace);
          CHECK(workspace.counted() == predict_counts(params, workspace));
        }
        CHECK(workspace.counted().matmul_flops >= 4 * 72 * visible_pairs(params));
      }
    }
  }
}

TEST_CASE("what counts tell of each idea", "[optimized]") {
  Problem problem({.seqlen_q = 1536, .seqlen_k = 1536, .head_dim = 64, .causal = true});
  const AttentionParams params = problem.params();
  const auto counts = [&](const Ablation& ablation) {
    return predict_counts(params,
                          ForwardWorkspace(params, {.key_block = 256, .ablation = ablation}));
  };
  const ForwardCounts plain = counts({});
  const ForwardCounts unskipped = counts({.skip_masked_blocks = false});
  CHECK(unskipped.matmul_flops == std::int64_t{4} * 1536 * 1536 * 64);
  CHECK(unskipped.visited_blocks == 1536 / 6 * 6);
  CHECK(plain.matmul_flops < 0.55 * static_cast<double>(unskipped.matmul_flops));
  CHECK(plain.output_scalings == 6 * plain.visited_blocks + 1536);
  CHECK(counts({.late_normalisation = false}).output_scalings == 12 * plain.visited_blocks);
  CHECK(counts({.parallel_over_rows = false}) == plain);
  CHECK(plain.exchanged_bytes == 0);
  // Four warps: a maximum, a sum and 64 parts of the output per row, written and read.
  const ForwardCounts split = counts({.skip_masked_blocks = false, .split_queries = false});
  CHECK(split.exchanged_bytes == unskipped.visited_blocks * 4 * 6 * (2 + 64) * 4 * 2);
  CHECK(split.matmul_flops == unskipped.matmul_flops);
}

}  // namespace ashlar::flashattention2
