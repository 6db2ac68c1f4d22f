#include "impls/flashattention2/optimized.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "impls/core/aligned_buffer.hpp"
#include "impls/core/simd.hpp"
#include "impls/flashattention2/test_paths.hpp"
#include "impls/flashattention2/test_problem.hpp"
#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::DType;
using testing::assign;
using testing::difference_to_reference;
using testing::Path;
using testing::Problem;
using testing::read;
using testing::Shape;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<Path> paths() { return testing::paths_of(optimized_isas); }

void run(Problem& problem, const ForwardOptions& options = {}) {
  const AttentionParams params = problem.params();
  ForwardWorkspace workspace(params, options);
  optimized_forward(params, workspace);
}

/// Inputs are exact, so what remains is the rounding of the answer and, with bfloat16 kernels, of
/// the weights: 16-bit types are held to a few units of the row's largest element, and to twice the
/// error of plain 16-bit attention.
void check(Problem& problem, const ForwardOptions& options) {
  problem.poison();
  run(problem, options);
  const testing::Expected expected = testing::expect(problem.params());
  const testing::Judgement judgement = testing::judge(problem.params(), expected, {.lse = 4e-6});
  CHECK(judgement.out <= 1);
  CHECK(judgement.lse <= 1);
  CHECK(judgement.over_plain <= 1);
  if (problem.q.dtype() == DType::f32) {
    CHECK(difference_to_reference(problem.params()).out <= 2e-6);
  }
}

std::vector<std::uint8_t> bytes_of(Problem& problem) {
  std::vector<std::uint8_t> bytes(problem.out.bytes() + problem.lse.bytes());
  if (problem.out.bytes() > 0) {
    std::memcpy(bytes.data(), problem.out.data(), problem.out.bytes());
    std::memcpy(bytes.data() + problem.out.bytes(), problem.lse.data(), problem.lse.bytes());
  }
  return bytes;
}

}  // namespace

TEST_CASE("the optimized forward pass agrees with double precision on odd shapes", "[optimized]") {
  struct Lengths {
    Index q, k;
  };
  const auto lengths =
      GENERATE(Lengths{1, 1}, Lengths{1, 239}, Lengths{3, 260}, Lengths{113, 203},
               Lengths{128, 217}, Lengths{108, 256}, Lengths{5, 2}, Lengths{64, 0}, Lengths{0, 7},
               Lengths{130, 65}, Lengths{50, 577}, Lengths{7, 1500});
  const bool causal = GENERATE(false, true);
  for (const Path& path : paths()) {
    INFO(describe(path) << ", " << lengths.q << " x " << lengths.k << " causal " << causal);
    Problem problem({.seqlen_q = lengths.q,
                     .seqlen_k = lengths.k,
                     .head_dim = 24,
                     .causal = causal,
                     .dtype = path.dtype});
    check(problem, {.isa = path.isa});
  }
}

TEST_CASE("the optimized forward pass takes any head_dim", "[optimized]") {
  const Index head_dim = GENERATE(1, 2, 15, 16, 40, 59, 64, 72, 80, 96, 111, 128, 192, 256, 300);
  for (const Path& path : paths()) {
    INFO(describe(path) << ", head_dim " << head_dim);
    Problem problem({.seqlen_q = 19,
                     .seqlen_k = 71,
                     .head_dim = head_dim,
                     .causal = true,
                     .dtype = path.dtype});
    check(problem, {.isa = path.isa});
  }
}

TEST_CASE("default options over several key blocks, at the head sizes that are measured",
          "[optimized]") {
  const Index head_dim = GENERATE(64, 128);
  const Index seqlen_k = GENERATE(513, 1100);
  const bool causal = GENERATE(false, true);
  for (const Path& path : paths()) {
    INFO(describe(path) << ", Nk " << seqlen_k << ", d " << head_dim << " causal " << causal);
    Problem problem({.seqlen_q = 20,
                     .seqlen_k = seqlen_k,
                     .head_dim = head_dim,
                     .causal = causal,
                     .dtype = path.dtype});
    ForwardWorkspace workspace(problem.params(), {.isa = path.isa});
    CHECK(workspace.key_block() < seqlen_k);
    check(problem, {.isa = path.isa});
  }
}

TEST_CASE("batches and grouped heads find their keys and values", "[optimized]") {
  const Index heads_kv = GENERATE(1, 2, 6);
  for (const Path& path : paths()) {
    INFO(describe(path) << ", kv heads " << heads_kv);
    Problem problem({.seqlen_q = 31,
                     .seqlen_k = 77,
                     .head_dim = 40,
                     .causal = true,
                     .dtype = path.dtype,
                     .batch = 2,
                     .heads_q = 6,
                     .heads_kv = heads_kv});
    check(problem, {.isa = path.isa});
  }
}

TEST_CASE("many key blocks and row blocks, also ragged ones, meet at their borders",
          "[optimized]") {
  const Index key_block = GENERATE(64, 128, 512);
  const bool causal = GENERATE(false, true);
  const Index offset = GENERATE(-70, 0, 63);
  for (const Path& path : paths()) {
    INFO(describe(path) << ", key block " << key_block << " causal " << causal << " " << offset);
    Problem problem({.seqlen_q = 149,
                     .seqlen_k = 149 + offset,
                     .head_dim = 16,
                     .causal = causal,
                     .dtype = path.dtype});
    check(problem, {.row_block = 12, .key_block = key_block, .isa = path.isa});
  }
}

TEST_CASE("rounding grows slowly with the number of keys", "[optimized]") {
  for (const core::Isa isa : optimized_isas(DType::f32)) {
    CAPTURE(core::name_of(isa));
    Problem problem({.seqlen_q = 12, .seqlen_k = 16384, .head_dim = 64});
    const AttentionParams params = problem.params();
    ForwardWorkspace workspace(params, {.isa = isa});
    optimized_forward(params, workspace);
    double error = 0;
    double size = 0;
    for (Index row = 0; row < params.seqlen_q(); ++row) {
      const RowResult expected = reference_row(params, 0, 0, row);
      for (Index i = 0; i < params.head_dim(); ++i) {
        const double wanted = expected.out[static_cast<std::size_t>(i)];
        const double off = testing::read(params.out, 0, row, 0, i) - wanted;
        error += off * off;
        size += wanted * wanted;
      }
    }
    // One accumulator over all keys gives 2.3e-6.
    CHECK(std::sqrt(error / size) < 1e-6);
  }
}

TEST_CASE("threads and row blocks change no bit", "[optimized]") {
  for (const Path& path : paths()) {
    INFO(describe(path));
    Problem problem({.seqlen_q = 201,
                     .seqlen_k = 230,
                     .head_dim = 48,
                     .causal = true,
                     .dtype = path.dtype,
                     .heads_q = 2});
    run(problem, {.threads = 1, .row_block = 201, .key_block = 128, .isa = path.isa});
    const auto expected = bytes_of(problem);
    for (const ForwardOptions& options :
         {ForwardOptions{.threads = 2, .row_block = 6, .key_block = 128, .isa = path.isa},
          ForwardOptions{.threads = 3, .row_block = 48, .key_block = 128, .isa = path.isa},
          ForwardOptions{.threads = 7, .row_block = 13, .key_block = 128, .isa = path.isa}}) {
      problem.poison();
      run(problem, options);
      CHECK(bytes_of(problem) == expected);
    }
  }
}

TEST_CASE("a workspace may be used again and keeps nothing of the last call", "[optimized]") {
  for (const Path& path : paths()) {
    INFO(describe(path));
    const Shape shape{
        .seqlen_q = 45, .seqlen_k = 90, .head_dim = 33, .causal = true, .dtype = path.dtype};
    Problem problem(shape);
    run(problem, {.isa = path.isa});
    const auto expected = bytes_of(problem);

    Problem poisoned(shape);
    for (auto* tensor : {&poisoned.q, &poisoned.k, &poisoned.v}) {
      assign(tensor->any(), [](Index, Index, Index, Index) { return kNan; });
    }
    ForwardWorkspace workspace(problem.params(), {.isa = path.isa});
    optimized_forward(poisoned.params(), workspace);
    CHECK(std::isnan(read(poisoned.out.any(), 0, 3, 0, 5)));
    problem.poison();
    optimized_forward(problem.params(), workspace);
    CHECK(bytes_of(problem) == expected);
  }
}

TEST_CASE("rows that see nothing are zero with an infinite lse", "[optimized]") {
  for (const Path& path : paths()) {
    INFO(describe(path));
    Problem problem(
        {.seqlen_q = 200, .seqlen_k = 90, .head_dim = 16, .causal = true, .dtype = path.dtype});
    run(problem, {.row_block = 24, .isa = path.isa});
    double largest = 0;
    bool infinite = true;
    for (Index r = 0; r < 110; ++r) {
      for (Index i = 0; i < 16; ++i) {
        largest = std::max(largest, testing::distance(read(problem.out.any(), 0, r, 0, i), 0));
      }
      infinite = infinite && problem.lse.view<float>()(0, 0, r) == kInfinity;
    }
    CHECK(largest == 0);
    CHECK(infinite);
    CHECK(std::isfinite(problem.lse.view<float>()(0, 0, 110)));
  }
}

TEST_CASE("masked keys do not count, whatever their scores", "[optimized]") {
  for (const Path& path : paths()) {
    INFO(describe(path));
    Problem problem(
        {.seqlen_q = 70, .seqlen_k = 70, .head_dim = 16, .causal = true, .dtype = path.dtype});
    run(problem, {.isa = path.isa});
    const double before = read(problem.out.any(), 0, 38, 0, 3);
    for (Index i = 0; i < 16; ++i) testing::write(problem.k.any(), 0, 39, 0, i, kNan);
    for (Index i = 0; i < 16; ++i) testing::write(problem.k.any(), 0, 40, 0, i, 1e4);
    run(problem, {.isa = path.isa});
    CHECK(read(problem.out.any(), 0, 38, 0, 3) == before);
    CHECK(std::isnan(read(problem.out.any(), 0, 39, 0, 3)));
  }
}

TEST_CASE("the workspace grows linearly and is predicted", "[optimized]") {
  const auto bytes_at = [](Index seqlen) {
    Problem problem({.seqlen_q = seqlen, .seqlen_k = seqlen, .head_dim = 64});
    const ForwardOptions options{.threads = 2};
    const std::size_t bytes = workspace_bytes(problem.params(), options);
    CHECK(ForwardWorkspace(problem.params(), options).bytes() == bytes);
    return static_cast<double>(bytes);
  };
  const double small = bytes_at(512);
  const double medium = bytes_at(1024);
  const double large = bytes_at(2048);
  CHECK((large - medium) == Approx(2 * (medium - small)));
}

TEST_CASE("the instruction set can be limited by option and by process", "[optimized]") {
  Problem problem({.seqlen_q = 8, .seqlen_k = 8, .head_dim = 8, .dtype = DType::bf16});
  CHECK(ForwardWorkspace(problem.params(), {.isa = core::Isa::avx2}).isa() == core::Isa::avx2);
  CHECK(ForwardWorkspace(problem.params()).isa() == optimized_isas(DType::bf16).front());
  const core::ScopedIsaLimit limit(core::Isa::avx2);
  CHECK(optimized_isas(DType::bf16) == std::vector<core::Isa>{core::Isa::avx2});
  CHECK(ForwardWorkspace(problem.params()).isa() == core::Isa::avx2);
}

TEST_CASE("misuse of the optimized forward pass is refused with a reason", "[optimized]") {
  Problem problem({.seqlen_q = 8, .seqlen_k = 8, .head_dim = 8});
  CHECK(!optimized_unsupported(problem.params()));
  CHECK_THROWS_WITH(ForwardWorkspace(problem.params(), {.key_block = 100}),
                    Catch::Contains("multiple of 64"));
  Problem other({.seqlen_q = 9, .seqlen_k = 8, .head_dim = 8});
  ForwardWorkspace workspace(problem.params());
  CHECK_THROWS_WITH(optimized_forward(other.params(), workspace), Catch::Contains("another shape"));

  Problem doubles({.seqlen_q = 8, .seqlen_k = 8, .head_dim = 8, .dtype = DType::f64});
  REQUIRE(optimized_unsupported(doubles.params()));
  CHECK_THAT(*optimized_unsupported(doubles.params()), Catch::Contains("f64"));
  CHECK_THROWS_AS(ForwardWorkspace(doubles.params()), std::invalid_argument);
}

}  // namespace ashlar::flashattention2
