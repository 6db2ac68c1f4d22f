// Windows, softcap, dropout and packed sequences, for every backward pass of the program's table
// that has them.
#include "impls/flashattention2/test_backward_checks.hpp"

#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::testing {
namespace {

constexpr Index kFarAway = Index{1} << 40;  // more than an int holds

/// Short, long, without queries, without keys, without either, more queries than keys.
const std::vector<Lengths> kSequences = {{5, 7},    {0, 3},    {4, 0},   {0, 0}, {1, 1},
                                         {50, 110}, {110, 50}, {33, 33}, {0, 0}, {1, 150},
                                         {150, 1},  {0, 70},   {17, 200}};

Shape packed(core::DType dtype, bool causal, Window window = {}) {
  Shape shape{0, 0, backward_head_dim_of(causal), causal, dtype, 1, 4, 2};
  shape.window = window;
  return packed_shape(shape, kSequences);
}

/// The gradients and bounds of the sequences one by one, as tensors of their own.
ExpectedGradients expect_alone(Problem& problem) {
  const AttentionParams params = problem.params();
  ExpectedGradients all;
  const auto sets = [](ExpectedGradients& expected) {
    return std::array{&expected.given,  &expected.exact, &expected.plain,
                      &expected.floats, &expected.tanh,  &expected.roundings};
  };
  for (Gradients* one : sets(all)) *one = Gradients(params);
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    AttentionParams alone = params;
    alone.cu_seqlens_q = alone.cu_seqlens_k = {};
    for (const auto tensor : {&AttentionParams::q, &AttentionParams::dout}) {
      alone.*tensor = row_slice(params.*tensor, sequence.first_q, sequence.seqlen_q);
    }
    alone.out = row_slice(params.out, sequence.first_q, sequence.seqlen_q);
    for (const auto tensor : {&AttentionParams::k, &AttentionParams::v}) {
      alone.*tensor = row_slice(params.*tensor, sequence.first_k, sequence.seqlen_k);
    }
    alone.lse.data += sequence.first_q * params.lse.strides[2];
    alone.lse.shape[2] = sequence.seqlen_q;
    ExpectedGradients one = expect_gradients(alone);
    for (std::size_t set = 0; set < 6; ++set) {
      const auto copy = [&](core::Tensor<4> Gradients::*which, Index first) {
        const core::Tensor<4>& from = sets(one)[set]->*which;
        assign(row_slice((sets(all)[set]->*which).any(), first, from.shape()[1]),
               [&](Index a, Index b, Index c, Index d) { return read(from.any(), a, b, c, d); });
      };
      copy(&Gradients::dq, sequence.first_q);
      copy(&Gradients::dk, sequence.first_k);
      copy(&Gradients::dv, sequence.first_k);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("backward: alignment: windows on unequal lengths") {
  for (const core::DType dtype : backward_dtypes()) {
    std::size_t n = 0;
    for (const Lengths& lengths :
         {Lengths{1, 1}, Lengths{3, 299}, Lengths{113, 203}, Lengths{108, 156}, Lengths{5, 2},
          Lengths{64, 0}, Lengths{200, 90}}) {
      for (const Window& window : {Window{0, 0}, Window{7, -1}, Window{-1, 5}, Window{3, 4},
                                   Window{64, 0}, Window{50, 30}}) {
        Shape shape{lengths.q, lengths.k, backward_head_dim_of(n), n % 4 == 3, dtype};
        shape.window = window;
        ++n;
        INFO(describe(shape));
        Problem problem(shape);
        check_all_backward(problem);
      }
    }
  }
}

TEST_CASE("backward: alignment: windows that cross many tiles") {
  for (const core::DType dtype : backward_dtypes()) {
    Shape shape{500, 600, backward_head_dim_of(0), false, dtype};
    shape.window = {130, 100};
    INFO(describe(shape));
    Problem problem(shape);
    check_all_backward(problem);
  }
}

TEST_CASE("backward: alignment: a wide window is none, causal is a window that ends in place") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem({90, 133, backward_head_dim_of(causal), causal, dtype});
      forward_of(problem);
      const ExpectedGradients expected = expect_gradients(problem.params());
      problem.causal = false;
      for (const Index left : {Index{-1}, Index{133}, kFarAway}) {
        INFO("window (" << left << ", " << (causal ? 0 : left) << ")");
        problem.window = {left, causal ? 0 : left};
        check_all_backward(problem, expected);
      }
    }
  }
}

TEST_CASE("backward: softcap: derivative, masks, groups of heads") {
  for (const core::DType dtype : backward_dtypes()) {
    std::size_t n = 0;
    for (const float softcap : {0.5f, 2.0f, 30.0f}) {
      for (const Lengths& lengths : {Lengths{3, 299}, Lengths{113, 103}, Lengths{5, 2}}) {
        Shape shape{lengths.q, lengths.k, backward_head_dim_of(n), n % 2 == 0, dtype, 1, 2, 1};
        shape.softcap = softcap;
        if (n % 3 == 1) shape.window = {20, 7};
        ++n;
        INFO(describe(shape));
        Problem problem(shape);
        check_all_backward(problem);
      }
    }
  }
}

TEST_CASE("backward: softcap: a large one is none") {
  for (const core::DType dtype : backward_dtypes()) {
    Problem problem({50, 110, backward_head_dim_of(0), true, dtype});
    forward_of(problem);
    const ExpectedGradients without = expect_gradients(problem.params());
    problem.softcap = 2e4f;  // moves scores by 2e-7 and slopes by 1e-7, as rounding does
    ExpectedGradients expected = expect_gradients(problem.params());
    expected.given = Gradients(problem.params());
    for (const auto which : {&Gradients::dq, &Gradients::dk, &Gradients::dv}) {
      assign((expected.given.*which).any(), [&](Index a, Index b, Index c, Index d) {
        return read((without.given.*which).any(), a, b, c, d);
      });
    }
    check_all_backward(problem, expected);
  }
}

TEST_CASE("backward: dropout: the forward pass's mask, for all lengths") {
  for (const core::DType dtype : backward_dtypes()) {
    std::size_t n = 0;
    for (const float probability : {0.1f, 0.5f, 0.95f}) {
      for (const Lengths& lengths :
           {Lengths{1, 1}, Lengths{3, 299}, Lengths{113, 203}, Lengths{157, 129}, Lengths{5, 2}}) {
        Shape shape{lengths.q, lengths.k, backward_head_dim_of(n), n % 2 == 0, dtype, 1, 2, 1};
        shape.dropout = {probability, (std::uint64_t{1} << 40) + n, static_cast<std::uint32_t>(n)};
        if (n % 3 == 1) shape.window = {40, 17};
        ++n;
        INFO(describe(shape));
        Problem problem(shape);
        forward_of(problem);
        // With one key dq and dk are zero. What D from the rounded out leaves of them is granted by
        // the bounds, but unknown to the yardstick, which has its own out.
        check_all_backward(problem, expect_gradients(problem.params()), lengths.k > 1);
      }
    }
  }
}

TEST_CASE("backward: dropout: the same mask for any tile size and thread count") {
  const int before = core::thread_count();
  for (const core::DType dtype : backward_dtypes()) {
    Shape shape{150, 210, backward_head_dim_of(0), true, dtype, 2, 2, 1};
    shape.dropout = {0.3f, 7, 3};
    Problem problem(shape);
    forward_of(problem);
    const ExpectedGradients expected = expect_gradients(problem.params());
    for_each_backward(problem, [&](const BackwardPass& pass) {
      for (const int threads : {1, 3}) {
        INFO(threads << " threads");
        core::set_thread_count(threads);
        problem.poison_gradients();
        pass.run(problem.params());
        check_gradients(problem.params(), expected, pass);
      }
      core::set_thread_count(before);
      if (!pass.run_tiled) return;
      for (const auto& [row_block, key_block] :
           {std::pair<Index, Index>{96, 16}, {64, 48}, {16, 96}, {84, 128}}) {
        INFO("tiles of " << row_block << " x " << key_block);
        problem.poison_gradients();
        pass.run_tiled(problem.params(), row_block, key_block);
        check_gradients(problem.params(), expected, pass);
      }
    });
  }
}

TEST_CASE("backward: varlen: packed sequences equal a loop over sequences, empty ones included") {
  // Keys shorter than queries under a causal mask: where NaN in dq was known once.
  for (const core::DType dtype : backward_dtypes()) {
    for (const Window& window : {Window{}, Window{0, 0}, Window{20, 13}, Window{-1, 2}}) {
      Shape shape = packed(dtype, window.left == -1, window);
      shape.softcap = window.left == 20 ? 2.0f : 0.0f;
      INFO(describe(shape));
      Problem problem(shape);
      forward_of(problem);
      check_all_backward(problem, expect_alone(problem));
    }
    Problem full(packed(dtype, false));
    forward_of(full);
    check_all_backward(full, expect_alone(full));
  }
}

TEST_CASE("backward: varlen: with dropout, whose mask hangs on the sequence") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const Window& window : {Window{}, Window{20, 13}}) {
      Shape shape = packed(dtype, window == Window{}, window);
      shape.dropout = {0.3f, 11, 2};
      INFO(describe(shape));
      Problem problem(shape);
      check_all_backward(problem);
    }
  }
}

TEST_CASE("backward: varlen: nothing but empty sequences") {
  for (const core::DType dtype : backward_dtypes()) {
    for (const std::vector<Lengths>& sequences :
         {std::vector<Lengths>{{0, 0}, {0, 0}}, std::vector<Lengths>{{0, 5}},
          std::vector<Lengths>{{6, 0}, {0, 4}}}) {
      Problem problem(
          packed_shape({0, 0, backward_head_dim_of(0), true, dtype, 1, 2, 1}, sequences));
      check_all_backward(problem);
    }
  }
}

}  // namespace ashlar::flashattention2::testing
