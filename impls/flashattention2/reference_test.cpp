#include "impls/flashattention2/reference.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::DType;
using testing::assign;
using testing::Problem;
using testing::read;
using testing::Shape;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Storage types with the half spacing of numbers in [1, 2).
double rounding_of(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return 0x1p-11;
    case DType::bf16:
      return 0x1p-8;
    default:
      return 0x1p-24;
  }
}

/// The definition once more in the plainest form: exponentials without a maximum, over an explicit
/// mask.
std::vector<double> by_definition(const AttentionParams& params, Index b, Index h, Index r) {
  const Index group = params.group();
  std::vector<double> out(static_cast<std::size_t>(params.head_dim()), 0.0);
  double sum = 0;
  for (Index c = 0; c < params.seqlen_k(); ++c) {
    const bool masked = params.causal && c > r + params.seqlen_k() - params.seqlen_q();
    if (masked) continue;
    double dot = 0;
    for (Index i = 0; i < params.head_dim(); ++i) {
      dot += read(params.q, b, r, h, i) * read(params.k, b, c, h / group, i);
    }
    const double weight = std::exp(static_cast<double>(params.scale) * dot);
    sum += weight;
    for (Index i = 0; i < params.head_dim(); ++i) {
      out[static_cast<std::size_t>(i)] += weight * read(params.v, b, c, h / group, i);
    }
  }
  for (double& value : out) value = sum > 0 ? value / sum : 0;
  out.push_back(sum > 0 ? std::log(sum) : kInfinity);
  return out;
}

void check_definition(const AttentionParams& params, double tolerance) {
  double worst = 0;
  for (Index b = 0; b < params.batch(); ++b) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < params.seqlen_q(); ++r) {
        const RowResult row = reference_row(params, b, h, r);
        const std::vector<double> expected = by_definition(params, b, h, r);
        for (std::size_t i = 0; i < row.out.size(); ++i) {
          worst = std::max(worst, testing::distance(row.out[i], expected[i]));
        }
        worst = std::max(worst, testing::distance(row.lse, expected.back()));
      }
    }
  }
  CHECK(worst < tolerance);
}

TEST_CASE("the reference computes the definition", "[reference]") {
  const auto dtype = GENERATE(DType::f64, DType::f32, DType::f16, DType::bf16);
  const bool causal = GENERATE(false, true);
  Problem problem({.seqlen_q = 9,
                   .seqlen_k = 13,
                   .head_dim = 11,
                   .causal = causal,
                   .dtype = dtype,
                   .batch = 2,
                   .heads_q = 4,
                   .heads_kv = 2});
  const AttentionParams params = problem.params();
  check_definition(params, 1e-13);
  reference_forward(params);
  const testing::Difference difference = testing::difference_to_reference(params);
  CHECK(difference.out <= 4 * rounding_of(dtype));
  CHECK(difference.lse <= 4 * 0x1p-24);
}

TEST_CASE("causal masks are aligned to the bottom right", "[reference]") {
  const auto [seqlen_q, seqlen_k] = GENERATE(table<Index, Index>({{1, 1},
                                                                  {1, 239},
                                                                  {3, 799},
                                                                  {113, 203},
                                                                  {128, 217},
                                                                  {108, 256},
                                                                  {5, 2},
                                                                  {64, 0},
                                                                  {0, 64},
                                                                  {7, 7}}));
  CAPTURE(seqlen_q, seqlen_k);
  Problem problem({.seqlen_q = seqlen_q, .seqlen_k = seqlen_k, .causal = true});
  const AttentionParams params = problem.params();
  check_definition(params, 1e-13);
  reference_forward(params);
  CHECK(testing::difference_to_reference(params).out < 1e-6);
}

TEST_CASE("rows that see nothing are zero and have infinite lse", "[reference]") {
  Problem problem({.seqlen_q = 5, .seqlen_k = 2, .causal = true});
  reference_forward(problem.params());
  for (Index r = 0; r < 5; ++r) {
    const bool masked = r < 3;
    CAPTURE(r);
    CHECK((problem.lse.view<float>()(0, 0, r) == static_cast<float>(kInfinity)) == masked);
    CHECK((read(problem.out.any(), 0, r, 0, 0) == 0.0) == masked);
  }
}

TEST_CASE("masked values cannot leak", "[reference]") {
  Problem problem({.seqlen_q = 4, .seqlen_k = 4, .causal = true});
  testing::write(problem.v.any(), 0, 3, 0, 2, std::numeric_limits<double>::quiet_NaN());
  reference_forward(problem.params());
  for (Index r = 0; r < 3; ++r) CHECK(std::isfinite(read(problem.out.any(), 0, r, 0, 2)));
  CHECK(std::isnan(read(problem.out.any(), 0, 3, 0, 2)));
}

TEST_CASE("weights sum to one: values of one give one", "[reference]") {
  Problem problem({.seqlen_q = 17, .seqlen_k = 33, .causal = true});
  assign(problem.v.any(), [](Index, Index, Index, Index) { return 1.0; });
  for (Index r = 0; r < 17; ++r) {
    for (const double value : reference_row(problem.params(), 0, 0, r).out) {
      CHECK(std::abs(value - 1) < 1e-14);
    }
  }
}

TEST_CASE("adding a constant to a row of scores moves lse alone", "[reference]") {
  Problem problem({.seqlen_q = 6, .seqlen_k = 20, .dtype = DType::f64});
  assign(problem.q.any(), [&](Index a, Index b, Index c, Index d) {
    return d == 0 ? 1.0 : read(problem.q.any(), a, b, c, d);
  });
  const RowResult before = reference_row(problem.params(), 0, 0, 4);
  assign(problem.k.any(), [&](Index a, Index b, Index c, Index d) {
    return read(problem.k.any(), a, b, c, d) + (d == 0 ? 8.0 : 0.0);
  });
  const RowResult after = reference_row(problem.params(), 0, 0, 4);
  CHECK(after.lse - before.lse == Approx(8.0 * static_cast<double>(problem.scale)));
  for (std::size_t i = 0; i < 8; ++i) CHECK(after.out[i] == Approx(before.out[i]).margin(1e-5));
}

TEST_CASE("the order of keys does not matter without a mask", "[reference]") {
  Problem problem({.seqlen_q = 3, .seqlen_k = 29});
  const Problem original({.seqlen_q = 3, .seqlen_k = 29});
  const auto permuted = [](const core::Tensor<4>& from) {
    return [&from](Index a, Index b, Index c, Index d) {
      return read(from.any(), a, (b * 12 + 5) % 29, c, d);
    };
  };
  const RowResult before = reference_row(problem.params(), 0, 0, 1);
  assign(problem.k.any(), permuted(original.k));
  assign(problem.v.any(), permuted(original.v));
  const RowResult after = reference_row(problem.params(), 0, 0, 1);
  CHECK(std::abs(after.lse - before.lse) < 1e-13);
  for (std::size_t i = 0; i < 8; ++i) CHECK(std::abs(after.out[i] - before.out[i]) < 1e-13);
}

TEST_CASE("the output is linear in the values", "[reference]") {
  const Shape shape{.seqlen_q = 5, .seqlen_k = 12, .causal = true, .dtype = DType::f64};
  Problem first(shape, 1);
  Problem second(shape, 1);
  Problem sum(shape, 1);
  core::fill_normal(second.v.any(), 9, 9);
  assign(sum.v.any(), [&](Index a, Index b, Index c, Index d) {
    // Halves and doubles keep the float sum exact enough for the bound below.
    return 2 * read(first.v.any(), a, b, c, d) - 0.5 * read(second.v.any(), a, b, c, d);
  });
  for (Index r = 0; r < 5; ++r) {
    const RowResult x = reference_row(first.params(), 0, 0, r);
    const RowResult y = reference_row(second.params(), 0, 0, r);
    const RowResult z = reference_row(sum.params(), 0, 0, r);
    for (std::size_t i = 0; i < 8; ++i) {
      CHECK(std::abs(z.out[i] - (2 * x.out[i] - 0.5 * y.out[i])) < 1e-6);
    }
  }
}

TEST_CASE("parts of the keys combine through lse", "[reference]") {
  Problem problem({.seqlen_q = 4, .seqlen_k = 31});
  const AttentionParams whole = problem.params();
  const Index cut = GENERATE(0, 1, 16, 30, 31);
  const auto part = [&](Index first, Index count) {
    AttentionParams params = whole;
    for (auto* tensor : {&params.k, &params.v}) {
      auto view = tensor->as<float>();
      view.data += first * view.strides[1];
      view.shape[1] = count;
      *tensor = view;
    }
    return params;
  };
  for (Index r = 0; r < 4; ++r) {
    const RowResult left = reference_row(part(0, cut), 0, 0, r);
    const RowResult right = reference_row(part(cut, 31 - cut), 0, 0, r);
    const RowResult expected = reference_row(whole, 0, 0, r);
    // An empty part has lse +infinity by definition, but weighs nothing.
    const double left_sum = cut == 0 ? 0 : std::exp(left.lse);
    const double right_sum = cut == 31 ? 0 : std::exp(right.lse);
    CHECK(std::abs(std::log(left_sum + right_sum) - expected.lse) < 1e-13);
    for (std::size_t i = 0; i < 8; ++i) {
      const double combined =
          (left_sum * left.out[i] + right_sum * right.out[i]) / (left_sum + right_sum);
      CHECK(std::abs(combined - expected.out[i]) < 1e-13);
    }
  }
}

TEST_CASE("grouped heads equal repeated heads", "[reference]") {
  const Shape grouped_shape{.seqlen_q = 3, .seqlen_k = 7, .heads_q = 6, .heads_kv = 2};
  Shape repeated_shape = grouped_shape;
  repeated_shape.heads_kv = 6;
  Problem grouped(grouped_shape);
  Problem repeated(repeated_shape);
  assign(repeated.k.any(),
         [&](Index a, Index b, Index c, Index d) { return read(grouped.k.any(), a, b, c / 3, d); });
  assign(repeated.v.any(),
         [&](Index a, Index b, Index c, Index d) { return read(grouped.v.any(), a, b, c / 3, d); });
  for (Index h = 0; h < 6; ++h) {
    const RowResult x = reference_row(grouped.params(), 0, h, 2);
    const RowResult y = reference_row(repeated.params(), 0, h, 2);
    CHECK(x.out == y.out);
    CHECK(x.lse == y.lse);
  }
}

TEST_CASE("huge scores neither overflow nor lose the maximum", "[reference]") {
  Problem problem({.seqlen_q = 4, .seqlen_k = 16, .head_dim = 16});
  assign(problem.q.any(), [&](Index a, Index b, Index c, Index d) {
    return 100 * read(problem.q.any(), a, b, c, d);
  });
  assign(problem.k.any(), [&](Index a, Index b, Index c, Index d) {
    return 100 * read(problem.k.any(), a, b, c, d);
  });
  for (Index r = 0; r < 4; ++r) {
    const RowResult row = reference_row(problem.params(), 0, 0, r);
    CHECK(std::abs(row.lse) > 1000);
    CHECK(std::isfinite(row.lse));
    for (const double value : row.out) CHECK(std::abs(value) < 10);
  }
}

TEST_CASE("equal scores average; one dominating key is copied", "[reference]") {
  Problem problem({.seqlen_q = 1, .seqlen_k = 10});
  assign(problem.k.any(), [](Index, Index, Index, Index) { return 0.0; });
  RowResult row = reference_row(problem.params(), 0, 0, 0);
  double mean = 0;
  for (Index c = 0; c < 10; ++c) mean += read(problem.v.any(), 0, c, 0, 3) / 10;
  CHECK(row.out[3] == Approx(mean));
  CHECK(row.lse == Approx(std::log(10.0)));

  assign(problem.q.any(), [](Index, Index, Index, Index) { return 1.0; });
  assign(problem.k.any(), [](Index, Index b, Index, Index) { return b == 6 ? 1000.0 : 0.0; });
  row = reference_row(problem.params(), 0, 0, 0);
  for (Index i = 0; i < 8; ++i) {
    CHECK(row.out[static_cast<std::size_t>(i)] == read(problem.v.any(), 0, 6, 0, i));
  }
  CHECK(row.lse == Approx(8000.0 * static_cast<double>(problem.scale)));
}

TEST_CASE("strided tensors: heads outside rows", "[reference]") {
  const Shape shape{.seqlen_q = 6, .seqlen_k = 6, .batch = 2, .heads_q = 3, .heads_kv = 3};
  Problem dense(shape);
  Problem moved(shape);
  AttentionParams params = moved.params();
  const auto transposed = [](core::Tensor<4>& memory, const core::Tensor<4>& from) {
    const auto [batch, rows, heads, dim] = memory.shape();
    const core::View<float, 4> view(memory.view<float>().data, memory.shape(),
                                    {rows * heads * dim, dim, rows * dim, 1});
    assign(view, [&](Index a, Index b, Index c, Index d) { return read(from.any(), a, b, c, d); });
    return view;
  };
  params.q = transposed(moved.q, dense.q);
  params.k = transposed(moved.k, dense.k);
  params.v = transposed(moved.v, dense.v);
  params.out = transposed(moved.out, dense.out);
  reference_forward(params);
  reference_forward(dense.params());
  for (Index h = 0; h < 3; ++h) {
    CHECK(read(params.out, 1, 5, h, 7) == read(dense.out.any(), 1, 5, h, 7));
  }
}

TEST_CASE("the thread count does not change the answer", "[reference]") {
  const int before = core::thread_count();
  std::set<std::uint64_t> hashes;
  for (const int threads : {1, 2, 3}) {
    core::set_thread_count(threads);
    Problem problem({.seqlen_q = 40, .seqlen_k = 40, .causal = true, .heads_q = 2});
    reference_forward(problem.params());
    hashes.insert(core::fnv1a_bytes(problem.out.data(), problem.out.bytes()));
  }
  core::set_thread_count(before);
  CHECK(hashes.size() == 1);
}

TEST_CASE("validation names what does not fit", "[reference]") {
  Problem problem({.seqlen_q = 4, .seqlen_k = 6, .batch = 1, .heads_q = 4, .heads_kv = 2});
  const auto refused = [&](const auto& change) {
    AttentionParams params = problem.params();
    change(params);
    try {
      validate_forward(params);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused([](AttentionParams&) {}).empty());
  CHECK(refused([](auto& p) { p.scale = 0; }) ==
        "attention: scale is 0, expected a positive number such as 1 / sqrt(head_dim)");
  CHECK(refused([](auto& p) { p.v.shape[1] = 5; }) ==
        "attention: v has shape (1, 5, 2, 8), expected (1, 6, 2, 8)");
  CHECK(refused([](auto& p) { p.k.shape[2] = 3; }) ==
        "attention: k has 3 heads, which do not divide the 4 heads of q");
  CHECK(refused([](auto& p) { p.out.strides[3] = 2; }) ==
        "attention: out has stride 2 in its last axis, expected 1");
  CHECK(refused([](auto& p) { p.k.data = nullptr; }) == "attention: k has no data");
  CHECK(refused([&](auto& p) { p.v.dtype = DType::bf16; }) ==
        "attention: v holds bf16, but q holds f32");
  CHECK(refused([](auto& p) { p.q.dtype = DType::i32; }) ==
        "attention: q holds i32, which is not a floating-point type");
  CHECK(refused([](auto& p) { p.lse.shape[2] = 3; }) ==
        "attention: lse has shape (1, 4, 3), expected (1, 4, 4)");
}

}  // namespace
}  // namespace ashlar::flashattention2
