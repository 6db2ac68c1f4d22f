// Where backward passes go wrong: rows that see nothing, extreme scores, memory around the tensors,
// repetition and threads. For every backward pass of the program's table.
#include <cmath>
#include <cstring>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/test_backward_checks.hpp"
#include "impls/flashattention2/test_embedded.hpp"

namespace ashlar::flashattention2::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

bool all_finite(const core::Tensor<4>& tensor) {
  const core::Tensor<4> wide = widened(tensor.any());
  const double* const first = wide.view<double>().data;
  return std::all_of(first, first + wide.size(), [](double x) { return std::isfinite(x); });
}

/// Runs the pass on copies of all inputs and outputs that lie between fillings.
void check_embedded(Problem& problem, const ExpectedGradients& expected, const BackwardPass& pass) {
  AttentionParams params = problem.params();
  const Embedded q(problem.q.any(), kNan), k(problem.k.any(), kNan), v(problem.v.any(), kNan);
  const Embedded dout(problem.dout.any(), kNan);
  Embedded out(problem.out.any(), kNan);
  EmbeddedLse lse(params.lse);
  problem.poison_gradients();
  Embedded dq(problem.dq.any(), 77.0), dk(problem.dk.any(), 77.0), dv(problem.dv.any(), 77.0);
  params.q = q.view();
  params.k = k.view();
  params.v = v.view();
  params.out = out.view();
  params.lse = lse.view();
  params.dout = dout.view();
  params.dq = dq.view();
  params.dk = dk.view();
  params.dv = dv.view();
  pass.run(params);
  check_gradients(params, expected, pass);
  CHECK(dq.untouched());
  CHECK(dk.untouched());
  CHECK(dv.untouched());
}

}  // namespace

TEST_CASE("backward: fully masked rows add nothing, and their dq is exactly zero") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const Lengths& lengths : {Lengths{5, 2}, Lengths{190, 67}, Lengths{64, 0}}) {
      for (const Window& window : {Window{}, Window{5, 0}}) {
        Shape shape{lengths.q, lengths.k, backward_head_dim_of(0), true, dtype, 2, 2, 1};
        shape.window = window;
        INFO(describe(shape));
        Problem problem(shape);
        forward_of(problem);
        const AttentionParams params = problem.params();
        for_each_backward(problem, [&](const BackwardPass& pass) {
          problem.poison_gradients();
          pass.run(params);
          bool zero = true;
          for_each_row(params, [&](const Sequence& sequence, Index head, Index row) {
            if (!params.mask(sequence).columns(row).empty()) return;
            for (Index i = 0; i < params.head_dim(); ++i) {
              zero = zero && read(params.dq, sequence.batch, row, head, i) == 0;
            }
          });
          CHECK(zero);
          CHECK(all_finite(problem.dq));
          CHECK(all_finite(problem.dk));
          CHECK(all_finite(problem.dv));
        });
        check_all_backward(problem, expect_gradients(params));
      }
    }
  }
}

TEST_CASE("backward: fully masked columns have dk = dv = 0") {
  for (const core::DType dtype : backward_dtypes()) {
    Shape shape{60, 300, backward_head_dim_of(0), false, dtype};
    shape.window = {30, 10};
    Problem problem(shape);
    forward_of(problem);
    const AttentionParams params = problem.params();
    for_each_backward(problem, [&](const BackwardPass& pass) {
      problem.poison_gradients();
      pass.run(params);
      bool zero = true;
      for (Index c = 0; c < 300; ++c) {
        if (!params.mask(params.sequence(0)).rows(c).empty()) continue;
        for (Index i = 0; i < params.head_dim(); ++i) {
          zero = zero && read(params.dk, 0, c, 0, i) == 0 && read(params.dv, 0, c, 0, i) == 0;
        }
      }
      CHECK(zero);
    });
  }
}

TEST_CASE("backward: overflow: scores of 10000") {
  for (const core::DType dtype : backward_dtypes()) {
    Problem problem({33, 200, backward_head_dim_of(0), true, dtype});
    for (auto* tensor : {&problem.q, &problem.k}) {
      assign(tensor->any(), [&](Index a, Index b, Index c, Index d) {
        return 64 * read(tensor->any(), a, b, c, d);
      });
    }
    forward_of(problem);
    // One weight is 1 and its ds is 0: the yardstick may be exact, and three times its error none.
    check_all_backward(problem, expect_gradients(problem.params()), false);
  }
}

TEST_CASE("backward: overflow: softcap saturates, and nothing is left of dq and dk") {
  for (const core::DType dtype : backward_dtypes()) {
    Shape shape{33, 200, backward_head_dim_of(0), true, dtype};
    shape.softcap = 10;
    Problem problem(shape);
    for (auto* tensor : {&problem.q, &problem.k}) {
      assign(tensor->any(), [&](Index a, Index b, Index c, Index d) {
        return 64 * read(tensor->any(), a, b, c, d);
      });
    }
    forward_of(problem);
    check_all_backward(problem, expect_gradients(problem.params()), false);
  }
}

TEST_CASE("backward: overflow: equal scores, and one dominating key") {
  for (const core::DType dtype : backward_dtypes()) {
    Problem equal({8, 300, backward_head_dim_of(0), false, dtype});
    assign(equal.q.any(), [](Index, Index, Index, Index) { return 0.0; });
    check_all_backward(equal);
    for (const Index winner : {0, 77, 199}) {
      INFO("key " << winner);
      Problem problem({13, 200, backward_head_dim_of(0), false, dtype});
      assign(problem.q.any(), [](Index, Index, Index, Index) { return 30.0; });
      assign(problem.k.any(),
             [winner](Index, Index c, Index, Index) { return c == winner ? 30.0 : -30.0; });
      forward_of(problem);
      check_all_backward(problem, expect_gradients(problem.params()), false);
    }
  }
}

TEST_CASE("backward: determinism: fifty runs agree bit for bit, whatever was there before") {
  for (const core::DType dtype : backward_dtypes()) {
    Problem problem({40, 100, backward_head_dim_of(1), true, dtype, 1, 2, 1});
    forward_of(problem);
    for_each_backward(problem, [&](const BackwardPass& pass) {
      for (const bool deterministic : modes_of(pass)) {
        AttentionParams params = problem.params();
        params.deterministic = deterministic;
        GradientBits first;
        bool same_keys = true;
        bool same_queries = true;
        for (int repeat = 0; repeat < 50; ++repeat) {
          problem.poison_gradients();
          if (repeat % 2 == 1) {
            for (auto* gradient : {&problem.dq, &problem.dk, &problem.dv}) {
              fill(gradient->any(), 3e4);
            }
          }
          pass.run(params);
          const GradientBits bits = bits_of(problem);
          if (repeat == 0) first = bits;
          same_keys = same_keys && bits.keys == first.keys;
          same_queries = same_queries && bits.queries == first.queries;
        }
        CHECK(same_keys);
        CHECK((same_queries || !deterministic));
      }
    });
  }
}

TEST_CASE("backward: determinism: one, two and three threads give the same bits") {
  const int before = core::thread_count();
  for (const core::DType dtype : backward_dtypes()) {
    for (const Index heads : {1, 3}) {
      Problem problem({150, 170, backward_head_dim_of(0), true, dtype, 1, heads, heads});
      forward_of(problem);
      const ExpectedGradients expected = expect_gradients(problem.params());
      for_each_backward(problem, [&](const BackwardPass& pass) {
        for (const bool deterministic : modes_of(pass)) {
          AttentionParams params = problem.params();
          params.deterministic = deterministic;
          GradientBits first;
          for (const int threads : {1, 2, 3}) {
            INFO(heads << " heads, " << threads << " threads, deterministic " << deterministic);
            core::set_thread_count(threads);
            problem.poison_gradients();
            pass.run(params);
            const GradientBits bits = bits_of(problem);
            if (threads == 1) first = bits;
            const bool same_keys = bits.keys == first.keys;
            const bool same_queries = bits.queries == first.queries || !deterministic;
            CHECK((same_keys || !pass.bits_depend_on_threads.empty()));
            CHECK((same_queries || !pass.bits_depend_on_threads.empty()));
            check_gradients(params, expected, pass);
          }
          core::set_thread_count(before);
        }
      });
    }
  }
}

TEST_CASE("backward: out of bounds: rows behind the last row and key are never read") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const Index seqlen_k : {1, 63, 70, 129}) {
      for (const bool causal : {false, true}) {
        const Shape shape{seqlen_k == 70 ? 101 : 40,
                          seqlen_k,
                          backward_head_dim_of(causal),
                          causal,
                          dtype,
                          2,
                          2,
                          1};
        INFO(describe(shape));
        Problem problem(shape);
        forward_of(problem);
        const ExpectedGradients expected = expect_gradients(problem.params());
        const Tailed k(problem.k, 128), v(problem.v, 128), q(problem.q, 128);
        const Tailed dout(problem.dout, 128), out(problem.out, 128);
        for_each_backward(problem, [&](const BackwardPass& pass) {
          problem.poison_gradients();
          AttentionParams params = problem.params();
          params.q = q.view();
          params.k = k.view();
          params.v = v.view();
          params.dout = dout.view();
          // The view is of constant memory, which a backward pass only reads.
          const core::ConstAnyView<4> tailed_out = out.view();
          params.out = {const_cast<void*>(tailed_out.data), tailed_out.dtype, tailed_out.shape,
                        tailed_out.strides};
          pass.run(params);
          check_gradients(params, expected, pass);
        });
      }
    }
  }
}

TEST_CASE("backward: out of bounds: strided tensors, NaN around what is read, nothing around") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem({29, 67, backward_head_dim_of(causal), causal, dtype, 2, 4, 2});
      forward_of(problem);
      const ExpectedGradients expected = expect_gradients(problem.params());
      for_each_backward(problem,
                        [&](const BackwardPass& pass) { check_embedded(problem, expected, pass); });
    }
  }
}

TEST_CASE("backward: the forward pass's answer is read alone") {
  for (const core::DType dtype : backward_dtypes()) {
    Problem problem({70, 90, backward_head_dim_of(0), true, dtype, 1, 2, 1});
    forward_of(problem);
    const core::Tensor<4> out = widened(problem.out.any());
    const auto* const lse = problem.lse.view<float>().data;
    const std::vector<float> lse_before(lse, lse + problem.lse.size());
    for_each_backward(problem, [&](const BackwardPass& pass) {
      pass.run(problem.params());
      const core::Tensor<4> after = widened(problem.out.any());
      CHECK(std::memcmp(after.data(), out.data(), out.bytes()) == 0);
      CHECK(std::memcmp(lse, lse_before.data(), problem.lse.bytes()) == 0);
    });
  }
}

}  // namespace ashlar::flashattention2::testing
