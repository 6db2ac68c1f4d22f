// Standard attention on a GPU. Without one the cases that need it print why and pass.
#include <catch2/catch.hpp>

#include <cmath>
#include <iostream>
#include <vector>

#include "baselines/flashattention2/naive_cuda.hpp"
#include "baselines/flashattention2/naive_cuda_softmax.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_problem.hpp"

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

void check_shape(const Shape& shape) {
  INFO("Nq " << shape.seqlen_q << " Nk " << shape.seqlen_k << " d " << shape.head_dim << " causal "
             << shape.causal << " " << core::name_of(shape.dtype));
  Problem problem(shape);
  const ForwardParams host = problem.params();
  NaiveCudaForward forward(host);
  forward.poison();
  forward.execute(nullptr);
  forward.fetch();
  CHECK(forward.problem().intact());
  const double bound = tolerance(shape.dtype);
  for (Index b = 0; b < host.batch(); ++b) {
    for (Index h = 0; h < host.heads_q(); ++h) {
      for (Index r = 0; r < host.seqlen_q(); ++r) {
        const RowResult expected = reference_row(host, b, h, r);
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
        if (std::isinf(expected.lse)) {
          REQUIRE(host.lse(b, h, r) == INFINITY);
        } else {
          REQUIRE(std::abs(host.lse(b, h, r) - expected.lse) <= 4 * bound);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("standard attention on CUDA agrees with the reference", "[gpu]") {
  Problem any({2, 2, 64, false, core::DType::f16});
  if (const auto reason = naive_cuda_unsupported(any.params())) {
    std::cout << "skipped: " << *reason << "\n";
    CHECK_THROWS(NaiveCudaForward(any.params()));
    return;
  }
  for (const core::DType dtype : {core::DType::f32, core::DType::f16, core::DType::bf16}) {
    for (const bool causal : {false, true}) {
      check_shape({113, 203, 64, causal, dtype, 2, 4, 4});
      check_shape({128, 217, 128, causal, dtype, 1, 4, 2});
      check_shape({1, 1100, 64, causal, dtype, 1, 2, 1});
      check_shape({300, 129, 64, causal, dtype, 1, 1, 1});
    }
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

TEST_CASE("sums over parts of a row merge to the sum of the row") {
  const std::vector<float> scores = {0.5F, -2.0F, 3.0F, 1.0F, -40.0F, 2.5F};
  double sum = 0;
  for (const float s : scores) sum += std::exp(static_cast<double>(s));
  RunningSum total;
  for (const float s : scores) total = merge(merge(total, {}), {s, 1.0F});
  const RowEnd end = finish_row(total);
  CHECK(end.shift == 3.0F);
  CHECK(end.lse == Approx(std::log(sum)));
  CHECK(std::exp(2.5F - end.shift) * end.factor == Approx(std::exp(2.5) / sum));
  const RowEnd nothing = finish_row({});
  CHECK(nothing.lse == INFINITY);
  CHECK(nothing.factor == 0.0F);
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
