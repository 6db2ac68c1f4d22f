// The kernel's own code, run thread by thread on a CPU model of a thread block, against the double
// precision reference.
#include <catch2/catch.hpp>

#include <cmath>
#include <iostream>
#include <limits>
#include <vector>

#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_check_math.hpp"
#include "impls/flashattention2/cuda_machine_model.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2 {
namespace {

using testing::Problem;
using testing::Shape;

template <class Element, class Config>
void run_block(const kernel::ForwardArguments& arguments, const kernel::GridIndex& index,
               bool falling) {
  kernel::BlockModel model(Config::kThreads, Config::kSharedBytes, index, falling);
  model.run([&](int thread) {
    kernel::ModelThread<Element> machine(model, thread);
    kernel::ForwardBlock<Config, kernel::ModelThread<Element>> block(machine, arguments);
    block.run();
  });
}

template <class Element, class Config>
void run_grid(const AttentionParams& params, bool falling) {
  const kernel::ForwardArguments arguments = kernel::forward_arguments(params);
  const kernel::GridIndex grid = kernel::forward_grid(params);
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        run_block<Element, Config>(arguments, {x, y, z}, falling);
      }
    }
  }
}

template <class Element>
void run_order(const AttentionParams& params, bool falling) {
  if (params.head_dim() == 64) {
    params.causal ? run_grid<Element, kernel::ForwardConfig<64, true>>(params, falling)
                  : run_grid<Element, kernel::ForwardConfig<64, false>>(params, falling);
  } else {
    params.causal ? run_grid<Element, kernel::ForwardConfig<128, true>>(params, falling)
                  : run_grid<Element, kernel::ForwardConfig<128, false>>(params, falling);
  }
}

std::vector<double> answer_of(const AttentionParams& params) {
  std::vector<double> answer;
  for (Index b = 0; b < params.batch(); ++b) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < params.seqlen_q(); ++r) {
        for (Index d = 0; d < params.head_dim(); ++d) {
          answer.push_back(testing::read(params.out, b, r, h, d));
        }
        answer.push_back(params.lse(b, h, r));
      }
    }
  }
  return answer;
}

/// With the first warp ahead of the others and with the last one: a missing barrier is seen in one
/// of the two at least, and nothing may depend on the order.
void run_model(const AttentionParams& params) {
  const auto run = [&](bool falling) {
    params.q.dtype == core::DType::f16 ? run_order<core::Float16>(params, falling)
                                       : run_order<core::BFloat16>(params, falling);
    return answer_of(params);
  };
  const std::vector<double> rising = run(false);
  const bool same = run(true) == rising;
  REQUIRE(same);
}

/// Every row against the reference. The bound covers the rounding of P and of the output.
void check_rows(const AttentionParams& params) {
  const double unit = params.q.dtype == core::DType::f16 ? 0x1p-11 : 0x1p-8;
  for (Index b = 0; b < params.batch(); ++b) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < params.seqlen_q(); ++r) {
        const RowResult expected = reference_row(params, b, h, r);
        INFO("batch " << b << " head " << h << " row " << r);
        if (std::isinf(expected.lse)) {
          REQUIRE(params.lse(b, h, r) == std::numeric_limits<float>::infinity());
        } else {
          // A few roundings of numbers as large as lse itself.
          REQUIRE(std::abs(params.lse(b, h, r) - expected.lse) <
                  1e-4 + 0x1p-22 * std::abs(expected.lse));
        }
        double worst = 0;
        double size = 0;
        for (Index d = 0; d < params.head_dim(); ++d) {
          const double value = testing::read(params.out, b, r, h, d);
          const double wanted = expected.out[static_cast<std::size_t>(d)];
          worst = std::isnan(value) ? INFINITY : std::max(worst, std::abs(value - wanted));
          size = std::max(size, std::abs(wanted));
        }
        REQUIRE(worst <= 4 * unit * size);
      }
    }
  }
}

void check_shape(const Shape& shape) {
  INFO("Nq " << shape.seqlen_q << " Nk " << shape.seqlen_k << " d " << shape.head_dim << " causal "
             << shape.causal);
  Problem problem(shape);
  const AttentionParams params = problem.params();
  REQUIRE_FALSE(kernel::unsupported(params));
  run_model(params);
  check_rows(params);
}

constexpr core::DType kHalf = core::DType::f16;
constexpr core::DType kBrain = core::DType::bf16;

}  // namespace

TEST_CASE("the kernel's code on the model: one tile, ragged, both head sizes and types") {
  check_shape({1, 1, 64, false, kHalf});
  check_shape({113, 203, 64, false, kBrain});
  check_shape({128, 217, 128, false, kHalf});
  check_shape({3, 299, 128, true, kBrain});
}

TEST_CASE("the kernel's code on the model: causal, more queries than keys, nothing visible") {
  check_shape({5, 2, 64, true, kHalf});
  check_shape({200, 70, 64, true, kBrain});
  check_shape({260, 132, 128, true, kHalf});
  check_shape({7, 0, 64, false, kHalf});
}

TEST_CASE("the kernel's code on the model: several heads, groups and batches") {
  check_shape({20, 130, 64, true, kBrain, 2, 4, 2});
  check_shape({10, 65, 128, false, kHalf, 1, 3, 1});
}

TEST_CASE("the kernel's code on the model: maxima that rise and fall from block to block") {
  for (const double slope : {0.5, -0.5}) {
    Problem problem({128, 300, 64, false, kHalf});
    const AttentionParams params = problem.params();
    testing::assign(problem.q.any(), [](Index, Index, Index, Index) { return 1.0; });
    testing::assign(problem.k.any(),
                    [slope](Index, Index c, Index, Index) { return slope * double(c) / 64; });
    run_model(params);
    check_rows(params);
  }
}

TEST_CASE("the kernel's code on the model: maxima of 5e5 that rise by halves") {
  // The scores are exact in float and so are their differences, but m * scale * log2(e) is rounded
  // to a multiple of 1/16: weights, rescaling and lse must agree on that rounding.
  for (const double slope : {0.5, -0.5}) {
    Problem problem({70, 400, 64, false, kHalf});
    const AttentionParams params = problem.params();
    testing::assign(problem.q.any(),
                    [](Index, Index, Index, Index d) { return d < 63 ? 256.0 : 8.0; });
    testing::assign(problem.k.any(), [slope](Index, Index c, Index, Index d) {
      return d < 63 ? 256.0 : slope * std::floor(static_cast<double>(c) / 64);
    });
    testing::assign(problem.v.any(),
                    [](Index, Index c, Index, Index d) { return c < 100 + 3 * d ? 1.0 : -1.0; });
    run_model(params);
    check_rows(params);
  }
}

TEST_CASE("the kernel's code on the model: strided tensors, gaps untouched") {
  // One tensor (batch, row, {q, k, v, out}, head, element), with 8 elements between the rows.
  constexpr Index kRows = 70;
  constexpr Index kWidth = 64;
  constexpr Index kHeads = 2;
  constexpr Index kPart = kHeads * kWidth;
  constexpr Index kStep = 4 * kPart + 8;
  core::Tensor<2> storage(kHalf, {2 * kRows, kStep});
  auto* const data = storage.view<core::Float16>().data;
  REQUIRE(data != nullptr);
  for (Index i = 0; i < storage.size(); ++i) {
    const bool gap = i % kStep >= 3 * kPart;
    data[i] = gap ? core::Float16{0x7e00} : core::to_float16(std::sin(static_cast<float>(i)));
  }
  const auto part = [&](Index index) {
    return core::AnyView<4>{
        data + index * kPart, kHalf, {2, kRows, kHeads, kWidth}, {kRows * kStep, kStep, kWidth, 1}};
  };
  core::Tensor<3> lse(core::DType::f32, {2, kHeads, kRows});
  const AttentionParams params{part(0), part(1), part(2), part(3), lse.view<float>(), 0.125F, true};
  validate_forward(params);
  REQUIRE_FALSE(kernel::unsupported(params));
  run_model(params);
  check_rows(params);
  for (Index i = 0; i < storage.size(); ++i) {
    if (i % kStep >= 4 * kPart) REQUIRE(data[i].bits == 0x7e00);
  }
}

TEST_CASE("the kernel's code on the model: rows behind the last key are not read") {
  // Tiles of K and V stick out of the view into rows that hold NaN, in every batch entry.
  for (const Index seqlen_k : {1, 70, 200}) {
    for (const core::DType dtype : {kHalf, kBrain}) {
      const testing::Shape shape{40, seqlen_k, 64, false, dtype, 2, 2, 1};
      Problem problem(shape);
      AttentionParams params = problem.params();
      const testing::Tailed keys(problem.k, 128);
      const testing::Tailed values(problem.v, 128);
      params.k = keys.view();
      params.v = values.view();
      run_model(params);
      check_rows(params);
    }
  }
}

TEST_CASE("the kernel's code on the model: strides of axes with one element mean nothing") {
  Problem problem({1, 1, 64, false, kHalf});
  AttentionParams params = problem.params();
  for (auto* tensor : {&params.q, &params.k, &params.v}) tensor->strides = {1, 3, 5, 1};
  params.out.strides = {1, 3, 5, 1};
  run_model(params);
  check_rows(params);
}

TEST_CASE("the double-precision check's arithmetic is the reference's") {
  for (const bool causal : {false, true}) {
    Problem problem({9, 6, 40, causal, kBrain, 2, 4, 2});
    const AttentionParams params = problem.params();
    const auto tensor = [](const core::ConstAnyView<4>& view) {
      check::Tensor result{view.data, view.dtype, {}};
      std::copy(view.strides.begin(), view.strides.end(), result.strides);
      return result;
    };
    check::Problem check{tensor(params.q), tensor(params.k), tensor(params.v)};
    check.seqlen_q = params.seqlen_q();
    check.seqlen_k = params.seqlen_k();
    check.head_dim = params.head_dim();
    check.group = 2;
    check.scale = params.scale;
    check.causal = causal;
    for (Index row = 0; row < params.seqlen_q(); ++row) {
      const SampledRow at{1, 3, row};
      const RowResult expected = reference_row(params, at.batch, at.head, at.row);
      double sum = 0;
      std::vector<double> weights(static_cast<std::size_t>(params.seqlen_k()));
      for (Index c = 0; c < params.seqlen_k(); ++c) {
        weights[static_cast<std::size_t>(c)] = std::exp(check::score(check, at, c));
        sum += weights[static_cast<std::size_t>(c)];
      }
      for (double& weight : weights) weight = sum > 0 ? weight / sum : 0;
      if (sum > 0) CHECK(std::log(sum) == Approx(expected.lse).epsilon(1e-12));
      for (Index d = 0; d < params.head_dim(); ++d) {
        CHECK(check::weighted_value(check, at, weights.data(), d) ==
              Approx(expected.out[static_cast<std::size_t>(d)]).margin(1e-12));
      }
    }
  }
}

}  // namespace ashlar::flashattention2
