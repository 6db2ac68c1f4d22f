// The reference's gradients against central differences of its forward pass, in double precision,
// for every combination of features on a handful of rows.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "impls/flashattention2/test_gradient_yardstick.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::DType;
using testing::assign;
using testing::Lengths;
using testing::packed_shape;
using testing::Problem;
using testing::read;
using testing::Shape;
using testing::write;

/// <dout, out>: the scalar whose gradients are asked for.
double objective(Problem& problem) {
  const AttentionParams params = problem.params();
  double sum = 0;
  testing::for_each_row(params, [&](const Sequence& sequence, Index head, Index row) {
    const RowResult result = reference_row(params, sequence.id, head, row);
    for (Index i = 0; i < params.head_dim(); ++i) {
      sum += result.out[static_cast<std::size_t>(i)] *
             read(params.dout, sequence.batch, sequence.first_q + row, head, i);
    }
  });
  return sum;
}

/// The largest difference of a gradient and central differences over all elements of an input.
double worst_difference(Problem& problem, core::Tensor<4> Problem::*input,
                        const core::Tensor<4>& gradient) {
  constexpr double kStep = 0x1p-17;  // third derivatives times its square are below 1e-9
  double worst = 0;
  const core::AnyView<4> tensor = (problem.*input).any();
  const core::Tensor<4> before = testing::widened(tensor);
  assign(tensor, [&](Index a, Index b, Index c, Index d) {
    const double value = read(before.any(), a, b, c, d);
    write(tensor, a, b, c, d, value + kStep);
    const double above = objective(problem);
    write(tensor, a, b, c, d, value - kStep);
    const double below = objective(problem);
    const double difference = (above - below) / (2 * kStep);
    worst = std::max(worst, testing::distance(read(gradient.any(), a, b, c, d), difference));
    return value;
  });
  return worst;
}

void check_differences(const Shape& shape) {
  CAPTURE(testing::describe(shape));
  Problem problem(shape);
  reference_backward(problem.params());
  CHECK(worst_difference(problem, &Problem::q, problem.dq) < 1e-8);
  CHECK(worst_difference(problem, &Problem::k, problem.dk) < 1e-8);
  CHECK(worst_difference(problem, &Problem::v, problem.dv) < 1e-8);
}

/// The same with softcap, with dropout, and with neither.
void check_with_scores(Shape shape) {
  check_differences(shape);
  shape.softcap = 0.75f;
  check_differences(shape);
  shape.softcap = 0;
  shape.dropout = {0.4f, 5, 6};
  check_differences(shape);
}

bool all_zero(const core::Tensor<4>& tensor) {
  const core::Tensor<4> wide = testing::widened(tensor.any());
  const double* const first = wide.view<double>().data;
  return std::all_of(first, first + wide.size(), [](double x) { return x == 0; });
}

}  // namespace

TEST_CASE("gradient check: central differences of masks and windows", "[reference]") {
  for (const Lengths& lengths : {Lengths{1, 1}, Lengths{5, 5}, Lengths{4, 8}, Lengths{7, 3}}) {
    for (const Window& window : {Window{}, Window{0, 0}, Window{2, 1}, Window{-1, 1}}) {
      for (const bool causal : {false, true}) {
        Shape shape{lengths.q, lengths.k, 3, causal, DType::f64};
        shape.window = window;
        check_with_scores(shape);
      }
    }
  }
}

TEST_CASE("gradient check: central differences of groups of heads and batches", "[reference]") {
  for (const Index heads_kv : {1, 2, 4}) {
    for (const bool causal : {false, true}) {
      Shape shape{4, 6, 2, causal, DType::f64, 2, 4, heads_kv};
      if (heads_kv == 2) shape.window = {2, 1};
      check_with_scores(shape);
    }
  }
}

TEST_CASE("gradient check: central differences of packed sequences", "[reference]") {
  for (const Window& window : {Window{}, Window{1, 2}}) {
    for (const bool causal : {false, true}) {
      Shape shape{0, 0, 2, causal, DType::f64, 1, 2, 1};
      shape.window = window;
      check_with_scores(packed_shape(shape, {{3, 4}, {0, 2}, {2, 0}, {0, 0}, {4, 2}}));
    }
  }
}

TEST_CASE("gradient check: a wrong gradient differs", "[reference]") {
  Problem problem({4, 6, 3, true, DType::f64});
  reference_backward(problem.params());
  const double value = read(problem.dk.any(), 0, 2, 0, 1);
  write(problem.dk.any(), 0, 2, 0, 1, value + 1e-6);
  CHECK(worst_difference(problem, &Problem::k, problem.dk) > 5e-7);
}

TEST_CASE("fully masked rows: every element of every gradient is written", "[reference]") {
  const auto dtype = GENERATE(DType::f64, DType::f32, DType::f16, DType::bf16);
  Problem none({6, 0, 8, true, dtype});
  reference_backward(none.params());
  CHECK(all_zero(none.dq));
  Problem unseen({0, 5, 8, true, dtype});
  reference_backward(unseen.params());
  CHECK(all_zero(unseen.dk));
  CHECK(all_zero(unseen.dv));
  Problem some({6, 2, 8, true, dtype});
  reference_backward(some.params());
  for (Index r = 0; r < 4; ++r) CHECK(read(some.dq.any(), 0, r, 0, 3) == 0);
  CHECK(std::isfinite(read(some.dk.any(), 0, 1, 0, 7)));
}

TEST_CASE("GQA: gradients of a group's head are the sums of repeated heads", "[reference]") {
  const Shape grouped_shape{5, 7, 4, true, DType::f64, 1, 6, 2};
  Shape repeated_shape = grouped_shape;
  repeated_shape.heads_kv = 6;
  Problem grouped(grouped_shape);
  Problem repeated(repeated_shape);
  for (const auto tensor : {&Problem::k, &Problem::v}) {
    assign((repeated.*tensor).any(), [&](Index a, Index b, Index c, Index d) {
      return read((grouped.*tensor).any(), a, b, c / 3, d);
    });
  }
  reference_backward(grouped.params());
  reference_backward(repeated.params());
  for (const auto tensor : {&Problem::dk, &Problem::dv}) {
    for (Index c = 0; c < 7; ++c) {
      for (Index h = 0; h < 2; ++h) {
        double sum = 0;
        for (Index i = 0; i < 3; ++i) sum += read((repeated.*tensor).any(), 0, c, h * 3 + i, 2);
        CHECK(read((grouped.*tensor).any(), 0, c, h, 2) == Approx(sum).margin(1e-14));
      }
    }
  }
  for (Index h = 0; h < 6; ++h) {
    CHECK(read(grouped.dq.any(), 0, 3, h, 1) == read(repeated.dq.any(), 0, 3, h, 1));
  }
}

TEST_CASE("each row of dS sums to 0: equal keys give dq = 0", "[reference]") {
  for (const float softcap : {0.0f, 2.0f}) {
    Shape shape{6, 20, 8, true, DType::f64};
    shape.softcap = softcap;
    Problem problem(shape);
    assign(problem.k.any(),
           [&](Index, Index, Index, Index d) { return read(problem.k.any(), 0, 0, 0, d); });
    reference_backward(problem.params());
    double worst = 0;
    for (Index r = 0; r < 6; ++r) {
      for (Index i = 0; i < 8; ++i)
        worst = std::max(worst, std::abs(read(problem.dq.any(), 0, r, 0, i)));
    }
    CHECK(worst < 1e-14);
  }
}

TEST_CASE("given statistics are those of the forward pass's answer", "[reference]") {
  Shape shape{6, 20, 8, true, DType::f64, 1, 2, 1};
  shape.dropout = {0.3f, 1, 2};
  Problem problem(shape);
  const AttentionParams params = problem.params();
  reference_forward(params);
  const RowStatistics given = given_statistics(params, 0);
  const RowStatistics exact = exact_statistics(params, 0);
  REQUIRE(given.lse.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) {
    CHECK(given.lse[i] == static_cast<double>(static_cast<float>(exact.lse[i])));
    CHECK(given.delta[i] == Approx(exact.delta[i]).margin(1e-14));
  }
}

TEST_CASE("validation of the backward pass names what does not fit", "[reference]") {
  Problem problem({4, 6, 8, false, DType::f32, 1, 4, 2});
  const auto refused = [&](const auto& change) {
    AttentionParams params = problem.params();
    change(params);
    try {
      validate_backward(params);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused([](AttentionParams&) {}).empty());
  CHECK(refused([](auto& p) { p.dout.data = nullptr; }) == "attention: dout has no data");
  CHECK(refused([](auto& p) { p.dq.shape[1] = 5; }) ==
        "attention: dq has shape (1, 5, 4, 8), expected (1, 4, 4, 8)");
  CHECK(refused([](auto& p) { p.dk.dtype = DType::bf16; }) ==
        "attention: dk holds bf16, but q holds f32");
  CHECK(refused([](auto& p) { p.dv.strides[3] = 2; }) ==
        "attention: dv has stride 2 in its last axis, expected 1");
  CHECK(refused([](auto& p) { p.softcap = 1, p.dropout.probability = 0.5f; }) ==
        "attention: softcap and dropout cannot be combined");
  CHECK(refused([](auto& p) { p.window.left = -2; }) ==
        "attention: the window is (-2, -1), expected counts of columns, or -1 for all");
  CHECK(refused([](auto& p) { p.dropout.probability = 1; }) ==
        "attention: the dropout probability is 1, expected 0 or more and less than 1");
  const std::vector<std::int32_t> falling{0, 3, 2, 4};
  const std::vector<std::int32_t> short_of{0, 3, 3, 5};
  CHECK(refused([&](auto& p) { p.cu_seqlens_q = p.cu_seqlens_k = falling; }) ==
        "attention: cu_seqlens_q falls from 3 to 2 at element 2");
  CHECK(refused([&](auto& p) { p.cu_seqlens_q = p.cu_seqlens_k = short_of; }) ==
        "attention: cu_seqlens_q ends with 5, expected the 4 rows of its tensor");
  CHECK(refused([&](auto& p) { p.cu_seqlens_k = short_of; }) ==
        "attention: cu_seqlens_q has 0 elements, but cu_seqlens_k has 4");
}

TEST_CASE("what is beyond an implementation is named", "[reference]") {
  Problem problem({4, 6});
  AttentionParams params = problem.params();
  CHECK_FALSE(beyond(params, {}));
  params.causal = true;
  params.window = {-1, 3};  // causal says more
  CHECK_FALSE(beyond(params, {}));
  params.window = {2, -1};
  CHECK(beyond(params, {}) == "no sliding window");
  CHECK_FALSE(beyond(params, {.window = true}));
  params.softcap = 1;
  CHECK(beyond(params, {.window = true}) == "no softcap");
  params.softcap = 0;
  params.dropout.probability = 0.5f;
  CHECK(beyond(params, {.window = true}) == "no dropout");
  params.dropout = {};
  const std::vector<std::int32_t> offsets{0, 4};
  params.cu_seqlens_q = offsets;
  CHECK(beyond(params, {.window = true}) == "no packed sequences");
  CHECK_FALSE(beyond(params, Features::all()));
}

}  // namespace ashlar::flashattention2
