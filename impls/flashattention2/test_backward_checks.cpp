// What follows from the definition of the gradients, for every backward pass of the program's
// table.
#include "impls/flashattention2/test_backward_checks.hpp"

#include "impls/core/random.hpp"

namespace ashlar::flashattention2::testing {
namespace {

/// The official tests' lengths, more rows than keys, no keys and no rows at all.
const std::vector<Lengths> kLengths = {{1, 1},     {1, 239},   {3, 799}, {113, 203}, {128, 217},
                                       {108, 256}, {256, 512}, {5, 2},   {64, 0},    {0, 64}};

/// Sums dk or dv over the query heads of a group: (batch, seqlen, heads, d) to heads / group.
double group_sum(const core::Tensor<4>& tensor, Index group, Index a, Index b, Index c, Index d) {
  double sum = 0;
  for (Index h = c * group; h < (c + 1) * group; ++h) sum += read(tensor.any(), a, b, h, d);
  return sum;
}

}  // namespace

TEST_CASE("backward: alignment: lengths and both masks") {
  for (const core::DType dtype : backward_dtypes()) {
    for (std::size_t n = 0; n < kLengths.size(); ++n) {
      for (const bool causal : {false, true}) {
        const Shape shape{kLengths[n].q, kLengths[n].k, backward_head_dim_of(n + causal), causal,
                          dtype};
        INFO(describe(shape));
        Problem problem(shape);
        check_all_backward(problem);
      }
    }
  }
}

TEST_CASE("backward: alignment: 1023 x 1024") {
  if (backward_dtypes().empty()) return;
  Problem problem({1023, 1024, backward_head_dim_of(1), true, backward_dtypes().front()});
  check_all_backward(problem);
}

TEST_CASE("backward: out of bounds: ragged head sizes") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const Index head_dim : {40, 59, 111, 1, 7, 16, 256}) {
      const Shape shape{70, 90, head_dim, head_dim % 2 == 0, dtype, 1, 2, 1};
      INFO(describe(shape));
      Problem problem(shape);
      check_all_backward(problem);
    }
  }
}

TEST_CASE("backward: GQA: batches and groups of heads") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const Index heads_kv : {1, 2, 6}) {
      const Shape shape{37, 90, backward_head_dim_of(0), heads_kv != 2, dtype, 2, 6, heads_kv};
      INFO(describe(shape));
      Problem problem(shape);
      check_all_backward(problem);
    }
  }
}

TEST_CASE("backward: GQA: dk and dv are the sums of those of repeated heads") {
  constexpr Index kGroup = 3;
  for (const core::DType dtype : backward_dtypes()) {
    const Shape grouped_shape{61, 75, backward_head_dim_of(0), true, dtype, 2, 6, 2};
    Shape repeated_shape = grouped_shape;
    repeated_shape.heads_kv = 6;
    Problem grouped(grouped_shape);
    Problem repeated(repeated_shape);
    for (const auto tensor : {&Problem::k, &Problem::v}) {
      assign((repeated.*tensor).any(), [&](Index a, Index b, Index c, Index d) {
        return read((grouped.*tensor).any(), a, b, c / kGroup, d);
      });
    }
    forward_of(grouped);
    forward_of(repeated);
    const ExpectedGradients expected = expect_gradients(grouped.params());
    const ExpectedGradients apart = expect_gradients(repeated.params());
    for_each_backward(grouped, [&](const BackwardPass& pass) {
      if (pass.bounds.stored_scores && dtype != core::DType::f32) return;
      pass.run(grouped.params());
      pass.run(repeated.params());
      double worst = 0;
      for (const std::size_t which : {1, 2}) {
        const auto member = which == 1 ? &Problem::dk : &Problem::dv;
        core::Tensor<4> bounds(core::DType::f64, repeated.dk.shape());
        for (Index i = 0; i < bounds.size(); ++i) {
          bounds.view<double>().data[i] = gradient_bound(apart, pass.bounds, dtype, which, i);
        }
        Index at = 0;
        assign((grouped.*member).any(), [&](Index a, Index b, Index c, Index d) {
          const double sum = group_sum(repeated.*member, kGroup, a, b, c, d);
          const double actual = read((grouped.*member).any(), a, b, c, d);
          const double bound = gradient_bound(expected, pass.bounds, dtype, which, at++) +
                               group_sum(bounds, kGroup, a, b, c, d);
          worst = std::max(worst, ratio(distance(actual, sum), bound));
          return actual;
        });
      }
      CHECK(worst <= 1);
    });
  }
}

TEST_CASE("backward: each row of dS sums to 0: equal keys give dq = 0") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem({40, 150, backward_head_dim_of(0), causal, dtype});
      assign(problem.k.any(),
             [&](Index, Index, Index, Index d) { return read(problem.k.any(), 0, 0, 0, d); });
      forward_of(problem);
      const AttentionParams params = problem.params();
      const ExpectedGradients expected = expect_gradients(params);
      check_all_backward(problem, expected);
      for_each_backward(problem, [&](const BackwardPass& pass) {
        if (pass.bounds.stored_scores) return;
        problem.poison_gradients();
        pass.run(params);
        double worst = 0;
        Index at = 0;
        for (Index r = 0; r < 40; ++r) {
          for (Index i = 0; i < params.head_dim(); ++i) {
            const double bound = gradient_bound(expected, pass.bounds, dtype, 0, at++);
            worst = std::max(worst, ratio(std::abs(read(params.dq, 0, r, 0, i)), bound));
          }
        }
        CHECK(worst <= 1);
      });
    }
  }
}

TEST_CASE("backward: permuting keys: gradients of keys move with them") {
  for (const core::DType dtype : backward_dtypes()) {
    const Shape shape{33, 131, backward_head_dim_of(1), false, dtype};
    const Problem original(shape);
    Problem problem(shape);
    forward_of(problem);
    ExpectedGradients expected = expect_gradients(problem.params());
    const auto place = [](Index c) { return (c * 50 + 31) % 131; };
    for (const auto tensor : {&Problem::k, &Problem::v}) {
      assign((problem.*tensor).any(), [&](Index a, Index b, Index c, Index d) {
        return read((original.*tensor).any(), a, place(b), c, d);
      });
    }
    for (Gradients* one : {&expected.given, &expected.exact, &expected.plain, &expected.floats,
                           &expected.tanh, &expected.roundings}) {
      for (const auto gradient : {&Gradients::dk, &Gradients::dv}) {
        core::Tensor<4> moved(core::DType::f64, (one->*gradient).shape());
        assign(moved.any(), [&](Index a, Index b, Index c, Index d) {
          return read((one->*gradient).any(), a, place(b), c, d);
        });
        one->*gradient = std::move(moved);
      }
    }
    check_all_backward(problem, expected);
  }
}

TEST_CASE("backward: tile-size invariance: all pairs of row and key blocks") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem({150, 200, backward_head_dim_of(causal), causal, dtype});
      forward_of(problem);
      const ExpectedGradients expected = expect_gradients(problem.params());
      for_each_backward(problem, [&](const BackwardPass& pass) {
        if (!pass.run_tiled) return;
        for (const Index row_block : {6, 24, 48, 64, 96, 192}) {
          for (const Index key_block : {16, 48, 64, 96, 128, 240}) {
            INFO("tiles of " << row_block << " x " << key_block);
            problem.poison_gradients();
            pass.run_tiled(problem.params(), row_block, key_block);
            check_gradients(problem.params(), expected, pass);
          }
        }
      });
    }
  }
}

TEST_CASE("backward: accuracy: inputs with outliers stay within three times the plain error") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem({96, 250, backward_head_dim_of(causal), causal, dtype});
      std::uint32_t id = 0;
      for (auto* tensor : {&problem.q, &problem.k, &problem.v, &problem.dout}) {
        core::fill_random(tensor->any(), core::Distribution::outliers, 5, id++);
      }
      check_all_backward(problem);
    }
  }
}

}  // namespace ashlar::flashattention2::testing
