// Standard attention on a GPU. Without one the cases that need it print why and pass.
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <vector>

#include "baselines/flashattention2/naive_cuda.hpp"
#include "baselines/flashattention2/naive_cuda_softmax.hpp"
#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_problem.hpp"
#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using testing::Problem;
using testing::Shape;

/// Relative to the largest element of the row: scores, P and output are rounded to the type.
double tolerance(core::DType dtype) {
  switch (dtype) {
    case core::DType::f16:
      return 16 * 0x1p-11;
    case core::DType::bf16:
      return 16 * 0x1p-8;
    default:
      return 1e-5;
  }
}

/// Runs twice, since addresses and the stream are kept, and checks every row. lse is that of the
/// stored scores: against those rounded in the same way it has no excuse, but for a score that
/// another order of summation puts on the other side of a midpoint.
void check_problem(const AttentionParams& host) {
  NaiveCudaForward forward(host);
  for (int repeat = 0; repeat < 2; ++repeat) {
    forward.poison();
    forward.execute(nullptr);
  }
  forward.fetch();
  CHECK(forward.problem().intact());
  const double bound = tolerance(host.q.dtype);
  const testing::Expected expected_rows = testing::expect(host);
  std::size_t at = 0;
  for (Index b = 0; b < host.batch(); ++b) {
    for (Index h = 0; h < host.heads_q(); ++h) {
      for (Index r = 0; r < host.seqlen_q(); ++r, ++at) {
        const RowResult& expected = expected_rows.exact[at];
        double worst = 0;
        double size = 0;
        for (Index d = 0; d < host.head_dim(); ++d) {
          const double wanted = expected.out[static_cast<std::size_t>(d)];
          const double error = std::abs(testing::read(host.out, b, r, h, d) - wanted);
          worst = std::isnan(error) ? INFINITY : std::max(worst, error);
          size = std::max(size, std::abs(wanted));
        }
        INFO("batch " << b << " head " << h << " row " << r);
        REQUIRE(worst <= bound * size);
        const testing::PlainRow& plain = expected_rows.plain[at];
        if (std::isinf(plain.lse)) {
          REQUIRE(host.lse(b, h, r) == INFINITY);
        } else {
          REQUIRE(std::abs(host.lse(b, h, r) - plain.lse) <= 2e-5 + plain.flips);
        }
      }
    }
  }
}

void check_shape(const Shape& shape) {
  INFO("Nq " << shape.seqlen_q << " Nk " << shape.seqlen_k << " d " << shape.head_dim << " causal "
             << shape.causal << " " << core::name_of(shape.dtype));
  Problem problem(shape);
  check_problem(problem.params());
}

/// Prints why and returns true where there is nothing to run on. With ASHLAR_REQUIRE_CUBLAS in the
/// environment a device without cuBLAS is a failure: a run that is meant to measure must not pass
/// for want of a library.
bool skipped() {
  Problem any({2, 2, 64, false, core::DType::f16});
  const auto reason = naive_cuda_unsupported(any.params());
  if (!reason) return false;
  const char* const required = std::getenv("ASHLAR_REQUIRE_CUBLAS");
  if (core::cuda::device_status().available && required != nullptr && *required != '\0') {
    FAIL(*reason);
  }
  std::cout << "skipped: " << *reason << "\n";
  CHECK_THROWS(NaiveCudaForward(any.params()));
  return true;
}

constexpr core::DType kTypes[] = {core::DType::f32, core::DType::f16, core::DType::bf16};

}  // namespace

TEST_CASE("standard attention on CUDA agrees with the reference", "[gpu]") {
  if (skipped()) return;
  for (const core::DType dtype : kTypes) {
    for (const bool causal : {false, true}) {
      check_shape({113, 203, 64, causal, dtype, 2, 4, 4});
      check_shape({128, 217, 128, causal, dtype, 1, 4, 2});
      check_shape({40, 77, 64, causal, dtype, 3, 6, 2});
      check_shape({300, 129, 64, causal, dtype, 1, 1, 1});
      check_shape({5, 2, 64, causal, dtype, 1, 2, 2});
      check_shape({3, 799, 64, causal, dtype, 2, 2, 1});
      check_shape({1, 1, 128, causal, dtype, 1, 1, 1});
      check_shape({7, 33, 128, causal, dtype, 2, 2, 2});
    }
  }
}

TEST_CASE("standard attention on CUDA: rows of every width that the softmax kernels part",
          "[gpu]") {
  if (skipped()) return;
  for (const core::DType dtype : kTypes) {
    for (const Index seqlen_k : {1024, 1100, 2049, 5000, 8192, 9000, 16384, 17000}) {
      check_shape({3, seqlen_k, 16, true, dtype, 1, 1, 1});
    }
  }
}

TEST_CASE("standard attention on CUDA: nothing to see and nothing to do", "[gpu]") {
  if (skipped()) return;
  for (const core::DType dtype : kTypes) {
    check_shape({64, 0, 64, false, dtype, 2, 4, 2});
    check_shape({64, 0, 64, true, dtype, 1, 1, 1});
    check_shape({0, 5, 64, false, dtype, 1, 1, 1});
  }
}

TEST_CASE("standard attention on CUDA: a row of NaN scores is NaN", "[gpu]") {
  if (skipped()) return;
  for (const Index seqlen_k : {40, 17000}) {
    Problem problem({3, seqlen_k, 16, false, core::DType::bf16});
    testing::write(problem.q.any(), 0, 1, 0, 5, std::numeric_limits<double>::quiet_NaN());
    NaiveCudaForward forward(problem.params());
    forward.execute(nullptr);
    forward.fetch();
    const auto lse = problem.lse.view<float>();
    CHECK(std::isfinite(lse(0, 0, 0)));
    CHECK(std::isnan(lse(0, 0, 1)));
    CHECK(std::isnan(testing::read(problem.out.any(), 0, 1, 0, 3)));
  }
}

TEST_CASE("a missing cuBLAS is said") {
  const std::string reason = Cublas::missing().value_or("no cuBLAS: none of these");
  CHECK(reason.rfind("no cuBLAS: ", 0) == 0);
}

TEST_CASE("scores take padded rows of the tensors' type") {
  Problem problem({10, 203, 64, false, core::DType::bf16, 2, 4, 2});
  CHECK(naive_cuda_score_bytes(problem.params()) == 2U * 4 * 10 * 208 * 2);
}

TEST_CASE("the memory that is needed counts tensors and the library") {
  Problem problem({10, 203, 64, false, core::DType::bf16, 2, 4, 2});
  CHECK(naive_cuda_needed_bytes(problem.params()) ==
        naive_cuda_score_bytes(problem.params()) + 2U * problem.q.bytes() + 2U * problem.k.bytes() +
            problem.lse.bytes() + (std::size_t{64} << 20));
}

TEST_CASE("sums over parts of a row merge to the sum of the row") {
  const std::vector<float> scores = {0.5F, -2.0F, 3.0F, 1.0F, -40.0F, 2.5F};
  double sum = 0;
  for (const float s : scores) sum += std::exp(static_cast<double>(s));
  RunningSum total;
  for (const float s : scores) total = merge(merge(total, {}), {scaled(s), 1.0F});
  const RowEnd end = finish_row(total, 6);
  CHECK(end.shift == scaled(3.0F));
  CHECK(end.lse == Approx(std::log(sum)));
  CHECK(std::exp2(2.5F * kLog2E - end.shift) * end.factor == Approx(std::exp(2.5) / sum));
  const RowEnd nothing = finish_row({}, 0);
  CHECK(nothing.lse == INFINITY);
  CHECK(nothing.factor == 0.0F);
}

TEST_CASE("NaN survives the merge of sums, however the parts come") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const RunningSum only_nan{-INFINITY, kNan};
  const RunningSum number{scaled(2.0F), 1.0F};
  CHECK(std::isnan(merge(only_nan, {}).sum));
  CHECK(std::isnan(merge({}, only_nan).sum));
  CHECK(std::isnan(merge(only_nan, number).sum));
  CHECK(std::isnan(merge(number, only_nan).sum));
  const RowEnd end = finish_row(merge(only_nan, only_nan), 4);
  CHECK(std::isnan(end.lse));
  CHECK(std::isnan(end.factor));
}

TEST_CASE("the softmax kernel's rows meet mask and lse") {
  SoftmaxArguments arguments;
  arguments.heads = 3;
  arguments.seqlen_q = 5;
  arguments.seqlen_k = 4;
  arguments.lse_strides[0] = 100;
  arguments.lse_strides[1] = 10;
  arguments.lse_strides[2] = 1;
  arguments.causal = true;
  CHECK(visible_columns(arguments, 0) == 0);
  CHECK(visible_columns(arguments, 1) == 1);
  CHECK(visible_columns(arguments, 4) == 4);
  CHECK(visible_columns(arguments, 5) == 0);
  CHECK(lse_offset(arguments, 5 * 3 + 2 * 5 + 4) == 124);
  arguments.causal = false;
  CHECK(visible_columns(arguments, 0) == 4);
}

}  // namespace ashlar::flashattention2::baselines
