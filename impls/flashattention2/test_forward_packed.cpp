// Packed sequences, for every forward pass of the program's table that takes them.
#include "impls/flashattention2/test_forward_checks.hpp"

#include <cmath>

namespace ashlar::flashattention2::testing {
namespace {

/// Short, long, without queries, without keys, without either, more queries than keys.
const std::vector<Lengths> kSequences = {{5, 7},    {0, 3},    {4, 0},   {0, 0},   {1, 1},
                                         {70, 130}, {130, 70}, {33, 33}, {0, 0},   {1, 200},
                                         {200, 1},  {64, 128}, {0, 70},  {17, 300}};

/// What the sequences give one by one, as tensors of their own.
Expected expect_alone(Problem& problem) {
  Expected all;
  const AttentionParams params = problem.params();
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    AttentionParams alone = params;
    alone.cu_seqlens_q = alone.cu_seqlens_k = {};
    alone.q = row_slice(params.q, sequence.first_q, sequence.seqlen_q);
    alone.k = row_slice(params.k, sequence.first_k, sequence.seqlen_k);
    alone.v = row_slice(params.v, sequence.first_k, sequence.seqlen_k);
    Expected one = expect(alone);
    all.largest_value = std::max(all.largest_value, one.largest_value);
    std::move(one.exact.begin(), one.exact.end(), std::back_inserter(all.exact));
    std::move(one.plain.begin(), one.plain.end(), std::back_inserter(all.plain));
  }
  return all;
}

Shape shape_of(core::DType dtype, bool causal, Window window = {}) {
  Shape shape{0, 0, head_dim_of(causal), causal, dtype, 1, 4, 2};
  shape.window = window;
  return packed_shape(shape, kSequences);
}

}  // namespace

TEST_CASE("forward: varlen: packed sequences equal a loop over sequences, empty ones included") {
  for (const core::DType dtype : all_dtypes()) {
    for (const bool causal : {false, true}) {
      const Shape shape = shape_of(dtype, causal);
      INFO(describe(shape));
      Problem problem(shape);
      check_all(problem, expect_alone(problem));
    }
  }
}

TEST_CASE("forward: varlen: with windows and softcap") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Window& window : {Window{0, 0}, Window{20, 13}, Window{-1, 2}, Window{64, -1}}) {
      Shape shape = shape_of(dtype, window.left == -1, window);
      shape.softcap = window.left == 20 ? 2.0f : 0.0f;
      INFO(describe(shape));
      Problem problem(shape);
      check_all(problem, expect_alone(problem));
    }
  }
}

TEST_CASE("forward: varlen: with dropout, whose mask hangs on the sequence") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Window& window : {Window{}, Window{20, 13}}) {
      Shape shape = shape_of(dtype, window == Window{}, window);
      shape.dropout = {0.3f, 11, 2};
      INFO(describe(shape));
      Problem problem(shape);
      check_all(problem);
      // Rows count from the beginning of their sequence, and equal sequences get unequal masks.
      const AttentionParams params = problem.params();
      const DropoutMask first = params.dropout_mask(params.sequence(5), 1);
      const DropoutMask second = params.dropout_mask(params.sequence(6), 1);
      CHECK(first.head_id() != second.head_id());
    }
  }
}

TEST_CASE("forward: varlen: fully masked rows are exactly zero, with infinite lse") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Window& window : {Window{}, Window{3, 1}}) {
      Problem problem(shape_of(dtype, true, window));
      for_each_able_pass(problem, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(problem.params());
        // 4 rows without keys, 60 of (130, 70), 199 of (200, 1), in each of 4 heads.
        CHECK(blind_rows(problem.params()).exact);
        CHECK(blind_rows(problem.params()).count == 4 * (4 + 60 + 199));
      });
    }
  }
}

TEST_CASE("forward: varlen: NaN in the keys of one sequence is in no other") {
  for (const core::DType dtype : all_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem(shape_of(dtype, causal));
      const Expected expected = expect_alone(problem);
      const AttentionParams params = problem.params();
      const Sequence poisoned = params.sequence(6);
      for (core::Tensor<4>* tensor : {&problem.k, &problem.v}) {
        assign(row_slice(tensor->any(), poisoned.first_k, poisoned.seqlen_k),
               [](Index, Index, Index, Index) { return std::numeric_limits<double>::quiet_NaN(); });
      }
      for_each_able_pass(problem, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(params);
        // The answer of the poisoned sequence is judged as if it were right.
        std::size_t at = 0;
        bool nan_there = true;
        for_each_row(params, [&](const Sequence& sequence, Index head, Index row) {
          const RowResult& exact = expected.exact[at++];
          if (sequence.id != poisoned.id) return;
          const bool sees = !params.mask(sequence).columns(row).empty();
          const Index r = sequence.first_q + row;
          nan_there = nan_there && std::isnan(params.lse(0, head, r)) == sees;
          params.lse(0, head, r) = static_cast<float>(exact.lse);
          for (Index i = 0; i < params.head_dim(); ++i) {
            write(params.out, 0, r, head, i, exact.out[static_cast<std::size_t>(i)]);
          }
        });
        CHECK(nan_there);
        check_judgement(judge(params, expected, pass.bounds));
      });
    }
  }
}

TEST_CASE("forward: varlen: one sequence alone is what it is unpacked, bit for bit") {
  for (const core::DType dtype : all_dtypes()) {
    const Shape plain{70, 150, head_dim_of(0), true, dtype, 1, 4, 2};
    Problem unpacked(plain);
    Problem packed(packed_shape(plain, {{70, 150}}));
    for_each_able_pass(packed, [&](const ForwardPass& pass) {
      pass.run(unpacked.params());
      pass.run(packed.params());
      const bool same = bytes_of(packed) == bytes_of(unpacked);
      CHECK(same);
    });
  }
}

TEST_CASE("forward: varlen: nothing but empty sequences") {
  for (const core::DType dtype : all_dtypes()) {
    for (const std::vector<Lengths>& sequences :
         {std::vector<Lengths>{{0, 0}, {0, 0}}, std::vector<Lengths>{{0, 5}},
          std::vector<Lengths>{{6, 0}, {0, 4}}}) {
      Problem problem(packed_shape({0, 0, head_dim_of(0), true, dtype, 1, 2, 1}, sequences));
      for_each_able_pass(problem, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(problem.params());
        CHECK(blind_rows(problem.params()).exact);
      });
    }
  }
}

}  // namespace ashlar::flashattention2::testing
