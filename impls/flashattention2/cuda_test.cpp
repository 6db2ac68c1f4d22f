// The kernels on a GPU. Without one every case prints why it is skipped and passes; what they
// compute is tested on a CPU too, in cuda_block_test.cpp.
#include <catch2/catch.hpp>

#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <vector>

#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/cuda_check.hpp"
#include "impls/flashattention2/cuda_tiled.hpp"
#include "impls/flashattention2/cuda_tiled_launch.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2 {
namespace {

using testing::Problem;

constexpr core::DType kHalf = core::DType::f16;
constexpr core::DType kBrain = core::DType::bf16;

bool skipped() {
  if (cuda_device().available) return false;
  static const bool printed = [] {
    std::cout << "skipped: " << cuda_device().reason << "\n";
    return true;
  }();
  return printed;
}

/// Errors of one row relative to its largest element, and of its lse.
struct RowError {
  double out = 0;
  double lse = 0;
};

RowError row_error(const AttentionParams& host, const SampledRow& at, const double* out,
                   double lse) {
  RowError error;
  double size = 0;
  for (Index d = 0; d < host.head_dim(); ++d) {
    const double value = testing::read(host.out, at.batch, at.row, at.head, d);
    const double difference = std::abs(value - out[d]);
    error.out = std::isnan(difference) ? INFINITY : std::max(error.out, difference);
    size = std::max(size, std::abs(out[d]));
  }
  if (error.out > 0) error.out /= std::max(size, 1e-30);
  const double got = host.lse(at.batch, at.head, at.row);
  error.lse = std::isinf(lse) ? (got == lse ? 0 : INFINITY) : std::abs(got - lse);
  return error;
}

double tolerance(core::DType dtype) { return 4 * (dtype == kHalf ? 0x1p-11 : 0x1p-8); }

/// A few roundings of numbers as large as lse itself come on top.
double lse_tolerance(double lse) { return 1e-4 + (std::isinf(lse) ? 0 : 0x1p-22 * std::abs(lse)); }

std::vector<SampledRow> all_rows(const AttentionParams& params) {
  std::vector<SampledRow> rows;
  for (Index b = 0; b < params.batch(); ++b) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < params.seqlen_q(); ++r) rows.push_back({b, h, r});
    }
  }
  return rows;
}

/// Runs the pass on its problem and compares every row with the double-precision reference.
template <class Forward>
void check_against_reference(Forward& forward, const AttentionParams& host) {
  forward.poison();
  forward.execute(nullptr);
  forward.fetch();
  CHECK(forward.problem().intact());
  for (const SampledRow& at : all_rows(host)) {
    const RowResult expected = reference_row(host, at.batch, at.head, at.row);
    const RowError error = row_error(host, at, expected.out.data(), expected.lse);
    INFO("batch " << at.batch << " head " << at.head << " row " << at.row);
    REQUIRE(error.out <= tolerance(host.q.dtype));
    REQUIRE(error.lse <= lse_tolerance(expected.lse));
  }
}

void check_against_reference(const AttentionParams& host) {
  REQUIRE_FALSE(cuda_unsupported(host).has_value());
  CudaForward forward(host);
  check_against_reference(forward, host);
}

/// The same against the double-precision kernel, which is itself checked below: for shapes on which
/// the CPU would take long.
void check_against_kernel(const AttentionParams& host, const std::vector<SampledRow>& rows) {
  REQUIRE_FALSE(cuda_unsupported(host).has_value());
  CudaForward forward(host);
  forward.poison();
  forward.execute(nullptr);
  forward.fetch();
  CHECK(forward.problem().intact());
  const SampledAnswers answers = cuda_check_rows(forward.problem().params(), rows);
  const auto width = static_cast<std::size_t>(host.head_dim());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const RowError error = row_error(host, rows[i], &answers.out[width * i], answers.lse[i]);
    INFO("batch " << rows[i].batch << " head " << rows[i].head << " row " << rows[i].row);
    REQUIRE(error.out <= tolerance(host.q.dtype));
    REQUIRE(error.lse <= lse_tolerance(answers.lse[i]));
  }
}

}  // namespace

TEST_CASE("CUDA forward: every tile of the sweep", "[gpu]") {
  if (skipped()) return;
  for (const kernel::SweptTile& one : kernel::swept_tiles()) {
    for (const auto& [seqlen_q, seqlen_k] :
         {std::pair<Index, Index>{1, 300}, {300, 129}, {259, 1}}) {
      INFO("tile " << one.tile.rows << " x " << one.tile.columns << " of " << one.tile.warps
                   << " warps, d " << one.head_dim << ", Nq " << seqlen_q << " Nk " << seqlen_k);
      Problem problem({seqlen_q, seqlen_k, one.head_dim, false, kHalf, 2, 4, 2});
      const AttentionParams host = problem.params();
      REQUIRE_FALSE(cuda_tiled_unsupported(host).has_value());
      CudaTiledForward forward(host, one.tile);
      check_against_reference(forward, host);
    }
  }
}

TEST_CASE("CUDA forward: odd shapes and alignments of the mask", "[gpu]") {
  if (skipped()) return;
  const std::vector<std::pair<Index, Index>> lengths = {
      {1, 1},     {1, 239},   {3, 799},     {113, 203}, {128, 217}, {108, 256},
      {256, 512}, {511, 512}, {1023, 1024}, {5, 2},     {64, 0},    {300, 129}};
  for (const auto& [seqlen_q, seqlen_k] : lengths) {
    for (const Index head_dim : {64, 128}) {
      for (const bool causal : {false, true}) {
        for (const core::DType dtype : {kHalf, kBrain}) {
          INFO("Nq " << seqlen_q << " Nk " << seqlen_k << " d " << head_dim << " causal " << causal
                     << " " << core::name_of(dtype));
          Problem problem({seqlen_q, seqlen_k, head_dim, causal, dtype, 1, 2, 2});
          const AttentionParams host = problem.params();
          if (seqlen_q * seqlen_k < 40000) {
            check_against_reference(host);
          } else {
            check_against_kernel(host, all_rows(host));
          }
        }
      }
    }
  }
}

TEST_CASE("CUDA forward: batches and groups of heads", "[gpu]") {
  if (skipped()) return;
  for (const Index heads_kv : {1, 2, 3, 6}) {
    INFO("K/V heads " << heads_kv);
    Problem problem({77, 150, 64, true, kBrain, 3, 6, heads_kv});
    check_against_reference(problem.params());
  }
}

TEST_CASE("CUDA forward: scores of 6400, with some forty keys on top", "[gpu]") {
  if (skipped()) return;
  Problem problem({130, 260, 128, false, kBrain, 1, 1, 1});
  testing::assign(problem.q.any(),
                  [](Index, Index r, Index, Index d) { return (r + d) % 3 == 0 ? 30.0 : -20.0; });
  testing::assign(problem.k.any(), [](Index, Index c, Index, Index d) {
    return (c * 7 + d) % 3 == 0 ? 30.0 : -20.0 + static_cast<double>(c % 2);
  });
  check_against_reference(problem.params());
}

TEST_CASE("CUDA forward: one dominating key is copied, and lse is its score", "[gpu]") {
  if (skipped()) return;
  for (const core::DType dtype : {kHalf, kBrain}) {
    for (const Index winner : {0, 130, 259}) {
      INFO(core::name_of(dtype) << ", key " << winner);
      Problem problem({130, 260, 128, false, dtype, 1, 1, 1});
      testing::assign(problem.q.any(), [](Index, Index, Index, Index) { return 30.0; });
      testing::assign(problem.k.any(), [winner](Index, Index c, Index, Index) {
        return c == winner ? 30.0 : -30.0;
      });
      check_against_reference(problem.params());
      CHECK(problem.lse.view<float>()(0, 0, 77) == Approx(900 * std::sqrt(128.0)));
      CHECK(testing::read(problem.out.any(), 0, 77, 0, 5) ==
            testing::read(problem.v.any(), 0, winner, 0, 5));
    }
  }
}

TEST_CASE("CUDA forward: strided tensors, nothing read or written between the rows", "[gpu]") {
  if (skipped()) return;
  constexpr Index kBatch = 2;
  constexpr Index kRows = 150;
  constexpr Index kHeads = 3;
  for (const Index width : {64, 128}) {
    const Index part = kHeads * width;
    const Index step = 4 * part + 24;
    core::Tensor<2> storage(kHalf, {kBatch * kRows, step});
    core::fill_normal(storage.any(), 3, 0);
    const auto view = [&](Index index) {
      return core::AnyView<4>{storage.view<core::Float16>().data + index * part,
                              kHalf,
                              {kBatch, kRows, kHeads, width},
                              {kRows * step, step, width, 1}};
    };
    core::Tensor<3> lse(core::DType::f32, {kBatch, kRows, kHeads});
    const core::View<float, 3> lse_view(lse.view<float>().data, {kBatch, kHeads, kRows},
                                        {kRows * kHeads, 1, kHeads});
    check_against_reference({view(0), view(1), view(2), view(3), lse_view, 0.1F, true});
  }
}

TEST_CASE("CUDA forward: fifty runs agree bit for bit", "[gpu]") {
  if (skipped()) return;
  for (const Index head_dim : {64, 128}) {
    Problem problem({1000, 1100, head_dim, true, kBrain, 2, 4, 2});
    CudaForward forward(problem.params());
    std::vector<std::byte> first;
    for (int repeat = 0; repeat < 50; ++repeat) {
      forward.poison();
      forward.execute(nullptr);
      forward.fetch();
      const auto* const out = static_cast<const std::byte*>(problem.out.data());
      const auto* const lse = static_cast<const std::byte*>(problem.lse.data());
      std::vector<std::byte> answer(out, out + problem.out.bytes());
      answer.insert(answer.end(), lse, lse + problem.lse.bytes());
      if (repeat == 0) first = answer;
      REQUIRE(std::memcmp(first.data(), answer.data(), answer.size()) == 0);
    }
  }
}

TEST_CASE("the double-precision kernel is the reference", "[gpu]") {
  if (skipped()) return;
  for (const core::DType dtype : {core::DType::f32, kHalf, kBrain}) {
    for (const bool causal : {false, true}) {
      Problem problem({37, 21, 40, causal, dtype, 2, 4, 2});
      const AttentionParams host = problem.params();
      const CudaProblem device(host);
      const std::vector<SampledRow> rows = all_rows(host);
      const SampledAnswers answers = cuda_check_rows(device.params(), rows);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const RowResult expected = reference_row(host, rows[i].batch, rows[i].head, rows[i].row);
        if (std::isinf(expected.lse)) {
          REQUIRE(answers.lse[i] == expected.lse);
        } else {
          REQUIRE(std::abs(answers.lse[i] - expected.lse) < 1e-12);
        }
        for (std::size_t d = 0; d < 40; ++d) {
          REQUIRE(std::abs(answers.out[40 * i + d] - expected.out[d]) < 1e-12);
        }
      }
    }
  }
}

TEST_CASE("the double-precision kernel takes more rows than a grid has", "[gpu]") {
  if (skipped()) return;
  Problem problem({16, 30, 40, true, kBrain, 1, 2, 1});
  const AttentionParams host = problem.params();
  const CudaProblem device(host);
  std::vector<SampledRow> rows;
  for (Index i = 0; i < 70000; ++i) rows.push_back({0, i % 2, i % 16});
  const SampledAnswers answers = cuda_check_rows(device.params(), rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(answers.lse[i] == answers.lse[i % 16]);
    REQUIRE(answers.out[40 * i + 39] == answers.out[40 * (i % 16) + 39]);
  }
  CHECK(std::abs(answers.lse[69999] - reference_row(host, 0, 1, 15).lse) < 1e-12);
}

TEST_CASE("CUDA forward: a large problem against the double-precision kernel", "[gpu]") {
  if (skipped()) return;
  for (const bool causal : {false, true}) {
    Problem problem({4096, 4096, 128, causal, kBrain, 1, 4, 4});
    const AttentionParams host = problem.params();
    std::vector<SampledRow> rows;
    for (Index i = 0; i < 128; ++i) rows.push_back({0, i % 4, (i * 2741 + 4095) % 4096});
    check_against_kernel(host, rows);
  }
}

TEST_CASE("CUDA forward: what it cannot do is said, not done") {
  Problem problem({8, 8, 80, false, kHalf});
  const auto reason = cuda_unsupported(problem.params());
  REQUIRE(reason);
  if (cuda_device().available) {
    CHECK(*reason == "head size 80 (64 and 128 only)");
    CHECK_THROWS_AS(cuda_forward(problem.params(), nullptr), std::invalid_argument);
    CHECK_THROWS_AS(CudaForward(problem.params()), std::invalid_argument);
    const CudaProblem device(problem.params());
    const std::vector<SampledRow> outside = {{0, 0, 8}};
    CHECK_THROWS_AS(cuda_check_rows(device.params(), outside), std::out_of_range);
  } else {
    CHECK(*reason == cuda_device().reason);
    CHECK(cuda_built() == (reason->rfind("no device", 0) == 0));
    CHECK_THROWS_WITH(CudaForward(problem.params()), "CUDA attention: " + *reason);
  }
}

}  // namespace ashlar::flashattention2
