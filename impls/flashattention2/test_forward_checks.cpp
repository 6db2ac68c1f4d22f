// What follows from the definition of attention, for every forward pass of the program's table.
#include "impls/flashattention2/test_forward_checks.hpp"

#include <cmath>

#include "impls/core/random.hpp"

namespace ashlar::flashattention2::testing {
namespace {

/// The official tests' lengths, more rows than keys, and no keys at all.
const std::vector<Lengths> kLengths = {{1, 1},     {1, 239},   {3, 799},     {113, 203}, {128, 217},
                                       {108, 256}, {256, 512}, {1023, 1024}, {5, 2},     {64, 0}};

/// Column 0 of q is 1, so that what is added to column 0 of k is added to all scores of a row.
void make_first_column_constant(Problem& problem) {
  assign(problem.q.any(), [&](Index a, Index b, Index c, Index d) {
    return d == 0 ? 1.0 : read(problem.q.any(), a, b, c, d);
  });
}

}  // namespace

TEST_CASE("forward: alignment: lengths and both masks") {
  for (const core::DType dtype : all_dtypes()) {
    for (std::size_t n = 0; n < kLengths.size(); ++n) {
      for (const bool causal : {false, true}) {
        const Shape shape{kLengths[n].q, kLengths[n].k, head_dim_of(n + causal), causal, dtype};
        INFO(describe(shape));
        Problem problem(shape);
        check_all(problem);
      }
    }
  }
}

TEST_CASE("forward: GQA: batches and groups of heads") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Index heads_kv : {1, 2, 6}) {
      const Shape shape{37, 90, head_dim_of(0), heads_kv != 2, dtype, 2, 6, heads_kv};
      INFO(describe(shape) << ", " << heads_kv << " K/V heads");
      Problem problem(shape);
      check_all(problem);
    }
  }
}

TEST_CASE("forward: rows of softmax sum to one: and to nothing where nothing is seen") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Lengths& lengths : {Lengths{37, 700}, Lengths{90, 41}, Lengths{5, 0}}) {
      const Shape shape{lengths.q, lengths.k, head_dim_of(0), true, dtype};
      INFO(describe(shape));
      Problem problem(shape);
      assign(problem.v.any(), [](Index, Index, Index, Index) { return 1.0; });
      const AttentionParams params = problem.params();
      for_each_pass(dtype, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(params);
        double worst = 0;
        bool blind_rows_are_zero = true;
        for (Index r = 0; r < lengths.q; ++r) {
          const bool blind = params.mask(params.sequence(0)).columns(r).empty();
          for (Index i = 0; i < shape.head_dim; ++i) {
            const double value = read(params.out, 0, r, 0, i);
            if (blind) blind_rows_are_zero = blind_rows_are_zero && value == 0;
            if (!blind) worst = std::max(worst, distance(value, 1));
          }
          const bool infinite = params.lse(0, 0, r) == std::numeric_limits<float>::infinity();
          blind_rows_are_zero = blind_rows_are_zero && infinite == blind;
        }
        CHECK(blind_rows_are_zero);
        CHECK(worst <= (dtype == core::DType::f32 ? 2e-6 : unit(dtype)));
      });
    }
  }
}

TEST_CASE("forward: shift invariance: a constant added to a row of scores moves lse alone") {
  for (const core::DType dtype : all_dtypes()) {
    Problem problem({40, 130, head_dim_of(0), true, dtype});
    make_first_column_constant(problem);
    // Multiples of 1/8 below 1, so that adding 8 is exact in every storage type.
    const auto first = [&](Index c) { return static_cast<double>(c % 13 - 6) / 8; };
    const auto set_first = [&](double added) {
      for (Index c = 0; c < 130; ++c) write(problem.k.any(), 0, c, 0, 0, first(c) + added);
    };
    set_first(0);
    const Expected before = expect(problem.params());
    set_first(8);
    Expected after = expect(problem.params());
    for (std::size_t r = 0; r < before.exact.size(); ++r) {
      // The yardstick is that of the shifted problem, whose scores round more coarsely.
      after.exact[r].out = before.exact[r].out;
      after.exact[r].lse = before.exact[r].lse + 8 * static_cast<double>(problem.scale);
    }
    check_all(problem, after);
  }
}

TEST_CASE("forward: permuting keys: their order does not matter without a mask") {
  for (const core::DType dtype : all_dtypes()) {
    const Shape shape{33, 257, head_dim_of(1), false, dtype};
    Problem problem(shape);
    const Problem original(shape);
    const Expected expected = expect(problem.params());
    for (auto* tensor : {&problem.k, &problem.v}) {
      const core::Tensor<4>& from = tensor == &problem.k ? original.k : original.v;
      assign(tensor->any(), [&](Index a, Index b, Index c, Index d) {
        return read(from.any(), a, (b * 100 + 31) % 257, c, d);
      });
    }
    check_all(problem, expected);
  }
}

TEST_CASE("forward: linear in V: sums of values give sums of answers") {
  for (const core::DType dtype : all_dtypes()) {
    const Shape shape{21, 150, head_dim_of(0), true, dtype};
    Problem first(shape);
    Problem second(shape);
    Problem sum(shape);
    // Small integers, so that the combination is exact in every storage type.
    const auto integer = [](Index c, Index d, Index step) {
      return static_cast<double>((c * 7 + d * step) % 9 - 4);
    };
    assign(first.v.any(), [&](Index, Index c, Index, Index d) { return integer(c, d, 5); });
    assign(second.v.any(), [&](Index, Index c, Index, Index d) { return 2 * integer(c, d, 2); });
    assign(sum.v.any(), [&](Index, Index c, Index, Index d) {
      return 2 * integer(c, d, 5) - 0.5 * 2 * integer(c, d, 2);
    });
    for_each_pass(dtype, [&](const ForwardPass& pass) {
      double worst = 0;
      for (Problem* problem : {&first, &second, &sum}) pass.run(problem->params());
      for (Index r = 0; r < shape.seqlen_q; ++r) {
        for (Index i = 0; i < shape.head_dim; ++i) {
          const double combined =
              2 * read(first.out.any(), 0, r, 0, i) - 0.5 * read(second.out.any(), 0, r, 0, i);
          worst = std::max(worst, distance(read(sum.out.any(), 0, r, 0, i), combined));
        }
      }
      // Each of the three answers is rounded, and so are their weights: 2 * 4 + 0.5 * 8 + 12.
      CHECK(worst <= (dtype == core::DType::f32 ? 3e-6 : 2 * 24 * unit(dtype)));
    });
  }
}

TEST_CASE("forward: splitting KV: parts of the keys combine through lse") {
  // With a mask only a right part can be posed: it ends at the same corner.
  constexpr Index kKeys = 150;
  for (const core::DType dtype : all_dtypes()) {
    Problem problem({9, kKeys, head_dim_of(1), false, dtype});
    const AttentionParams whole = problem.params();
    const Expected expected = expect(whole);
    for (const Index cut : {0, 1, 37, 64, 65, 128, 149, 150}) {
      INFO("cut at " << cut);
      for_each_pass(dtype, [&](const ForwardPass& pass) {
        Expected combined = expected;
        for (RowResult& row : combined.exact) std::fill(row.out.begin(), row.out.end(), 0.0);
        std::vector<double> sums(combined.exact.size(), 0.0);
        for (const auto& [begin, end] : {std::pair<Index, Index>{0, cut}, {cut, kKeys}}) {
          problem.poison();
          AttentionParams part = whole;
          part.k = row_slice(whole.k, begin, end - begin);
          part.v = row_slice(whole.v, begin, end - begin);
          pass.run(part);
          for (Index r = 0; r < 9; ++r) {
            const auto at = static_cast<std::size_t>(r);
            // A part without keys has lse +infinity by definition, but weighs nothing.
            const double lse = part.lse(0, 0, r);
            const double weight = begin == end ? 0 : std::exp(lse - expected.exact[at].lse);
            REQUIRE((begin != end || std::isinf(lse)));
            sums[at] += weight;
            for (std::size_t i = 0; i < combined.exact[at].out.size(); ++i) {
              combined.exact[at].out[i] += weight * read(part.out, 0, r, 0, static_cast<Index>(i));
            }
          }
        }
        double worst = 0;
        for (std::size_t r = 0; r < sums.size(); ++r) {
          // lse is a float; that of stored scores is off by their rounding too.
          const double slack = std::max(2e-5, pass.bounds.stored_scores ? 8 * unit(dtype) : 0.0);
          CHECK(std::abs(sums[r] - 1) <= slack);
          for (std::size_t i = 0; i < combined.exact[r].out.size(); ++i) {
            worst = std::max(worst, distance(combined.exact[r].out[i], expected.exact[r].out[i]));
          }
        }
        const double units = pass.bounds.stored_scores ? 16 : 4;
        CHECK(worst <= units * unit(dtype) + 1e-5);
      });
    }
  }
}

TEST_CASE("forward: GQA: grouped heads equal repeated heads bit for bit") {
  for (const core::DType dtype : all_dtypes()) {
    const Shape grouped_shape{25, 140, head_dim_of(0), true, dtype, 2, 6, 2};
    Shape repeated_shape = grouped_shape;
    repeated_shape.heads_kv = 6;
    Problem grouped(grouped_shape);
    Problem repeated(repeated_shape);
    assign(repeated.k.any(), [&](Index a, Index b, Index c, Index d) {
      return read(grouped.k.any(), a, b, c / 3, d);
    });
    assign(repeated.v.any(), [&](Index a, Index b, Index c, Index d) {
      return read(grouped.v.any(), a, b, c / 3, d);
    });
    for_each_pass(dtype, [&](const ForwardPass& pass) {
      if (!pass.bits_depend_on_strides.empty()) return;
      pass.run(grouped.params());
      pass.run(repeated.params());
      const bool same = bytes_of(grouped) == bytes_of(repeated);
      CHECK(same);
    });
  }
}

TEST_CASE("forward: tile-size invariance: every key block gives the answer") {
  for (const core::DType dtype : all_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem({50, 1100, head_dim_of(causal), causal, dtype});
      const Expected expected = expect(problem.params());
      for_each_pass(dtype, [&](const ForwardPass& pass) {
        if (!pass.run_tiled) return;
        for (Index key_block = 64; key_block <= 512; key_block += 64) {
          INFO("key block " << key_block);
          problem.poison();
          pass.run_tiled(problem.params(), key_block);
          const Judgement judgement = judge(problem.params(), expected, pass.bounds);
          CHECK(judgement.out <= 1);
          CHECK(judgement.lse <= 1);
          CHECK(judgement.over_plain <= 1);
        }
      });
    }
  }
}

TEST_CASE("forward: rising-max order: maxima that rise or fall from block to block") {
  for (const core::DType dtype : all_dtypes()) {
    for (const double slope : {0.5, 20.0, -0.5, -20.0}) {
      INFO("slope " << slope);
      Problem problem({20, 640, head_dim_of(0), true, dtype});
      // The first coordinate makes the trend, the others keep their noise.
      for (Index r = 0; r < 20; ++r) write(problem.q.any(), 0, r, 0, 0, 4.0);
      for (Index c = 0; c < 640; ++c) {
        const Index block = c / 64;
        write(problem.k.any(), 0, c, 0, 0, slope * static_cast<double>(block));
      }
      check_all(problem);
    }
  }
}

TEST_CASE("forward: accuracy: inputs with outliers stay within twice the plain error") {
  for (const core::DType dtype : all_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem({96, 400, head_dim_of(causal), causal, dtype});
      std::uint32_t id = 0;
      for (auto* tensor : {&problem.q, &problem.k, &problem.v}) {
        core::fill_random(tensor->any(), core::Distribution::outliers, 5, id++);
      }
      check_all(problem);
    }
  }
}

}  // namespace ashlar::flashattention2::testing
