// Softcap and dropout, for every forward pass of the program's table that has them.
#include "impls/flashattention2/test_forward_checks.hpp"

#include <cmath>

#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::testing {
namespace {

Shape capped(Shape shape, float softcap) {
  shape.softcap = softcap;
  return shape;
}

Shape dropped(Shape shape, float probability, std::uint64_t seed = 7, std::uint32_t offset = 3) {
  shape.dropout = {probability, seed, offset};
  return shape;
}

/// Of the first element of all rows of the first batch entry.
double mean_of(const core::Tensor<4>& tensor) {
  double sum = 0;
  for (Index b = 0; b < tensor.shape()[1]; ++b) {
    for (Index c = 0; c < tensor.shape()[2]; ++c) sum += read(tensor.any(), 0, b, c, 0);
  }
  return sum / static_cast<double>(tensor.shape()[1] * tensor.shape()[2]);
}

}  // namespace

TEST_CASE("forward: softcap: lengths and masks") {
  for (const core::DType dtype : all_dtypes()) {
    std::size_t n = 0;
    for (const Lengths& lengths : {Lengths{1, 1}, Lengths{3, 799}, Lengths{113, 203},
                                   Lengths{108, 256}, Lengths{5, 2}, Lengths{64, 0}}) {
      for (const float softcap : {0.5f, 2.0f, 30.0f}) {
        ++n;
        const Shape shape =
            capped({lengths.q, lengths.k, head_dim_of(n), n % 2 == 0, dtype}, softcap);
        INFO(describe(shape));
        Problem problem(shape);
        check_all(problem);
      }
    }
  }
}

TEST_CASE("forward: softcap: a large one is none") {
  for (const core::DType dtype : all_dtypes()) {
    Problem problem({70, 210, head_dim_of(0), true, dtype});
    const Expected without = expect(problem.params());
    // Scores are below 6 in magnitude, so that a cap of 20000 moves them by 6^3 / (3 * 20000^2).
    problem.softcap = 2e4f;
    Expected expected = expect(problem.params());
    for (std::size_t r = 0; r < expected.exact.size(); ++r) {
      REQUIRE(expected.plain[r].capped < 6);
      expected.exact[r] = without.exact[r];
    }
    check_all(problem, expected);
  }
}

TEST_CASE("forward: softcap: overflow-size scores saturate at the cap") {
  for (const core::DType dtype : all_dtypes()) {
    Problem problem(capped({33, 300, head_dim_of(0), true, dtype}, 10));
    for (auto* tensor : {&problem.q, &problem.k}) {
      assign(tensor->any(), [&](Index a, Index b, Index c, Index d) {
        return 64 * read(tensor->any(), a, b, c, d);
      });
    }
    const Expected expected = expect(problem.params());
    // 267 keys are seen by the first row, half of them with a score of +10.
    REQUIRE(std::abs(expected.exact[0].lse - 10 - std::log(134.0)) < 0.5);
    check_all(problem, expected);
  }
}

TEST_CASE("forward: softcap: NaN in a query is in its row, and in no other") {
  for (const core::DType dtype : all_dtypes()) {
    Problem problem(capped({20, 300, head_dim_of(0), true, dtype}, 5));
    write(problem.q.any(), 0, 7, 0, 3, std::numeric_limits<double>::quiet_NaN());
    for_each_able_pass(problem, [&](const ForwardPass& pass) {
      problem.poison();
      pass.run(problem.params());
      bool only_there = true;
      for (Index r = 0; r < 20; ++r) {
        const bool nan = std::isnan(read(problem.out.any(), 0, r, 0, 5)) &&
                         std::isnan(problem.lse.view<float>()(0, 0, r));
        only_there = only_there && nan == (r == 7);
      }
      CHECK(only_there);
    });
  }
}

TEST_CASE("forward: softcap and windows: fully masked rows, groups of heads") {
  for (const core::DType dtype : all_dtypes()) {
    Shape shape = capped({150, 61, head_dim_of(1), false, dtype, 2, 4, 2}, 3);
    shape.window = {17, 5};
    INFO(describe(shape));
    Problem problem(shape);
    check_all(problem);
    for_each_able_pass(problem, [&](const ForwardPass& pass) {
      problem.poison();
      pass.run(problem.params());
      CHECK(blind_rows(problem.params()).exact);
    });
  }
}

TEST_CASE("forward: dropout: the mask of the definition, for all lengths") {
  for (const core::DType dtype : all_dtypes()) {
    std::size_t n = 0;
    for (const Lengths& lengths :
         {Lengths{1, 1}, Lengths{1, 239}, Lengths{3, 799}, Lengths{113, 203}, Lengths{108, 256},
          Lengths{257, 129}, Lengths{5, 2}, Lengths{64, 0}}) {
      for (const float probability : {0.1f, 0.5f, 0.95f}) {
        ++n;
        const Shape shape =
            dropped({lengths.q, lengths.k, head_dim_of(n), n % 2 == 0, dtype}, probability,
                    (std::uint64_t{1} << 40) + n, static_cast<std::uint32_t>(n));
        INFO(describe(shape));
        Problem problem(shape);
        check_all(problem);
      }
    }
  }
}

TEST_CASE("forward: dropout: the same mask for any tile size and thread count") {
  const int before = core::thread_count();
  for (const core::DType dtype : all_dtypes()) {
    Problem problem(dropped({150, 400, head_dim_of(0), true, dtype, 1, 2, 1}, 0.3f));
    const Expected expected = expect(problem.params());
    for_each_able_pass(problem, [&](const ForwardPass& pass) {
      for (const int threads : {1, 2, 3}) {
        INFO(threads << " threads");
        core::set_thread_count(threads);
        problem.poison();
        pass.run(problem.params());
        check_judgement(judge(problem.params(), expected, pass.bounds));
      }
      core::set_thread_count(before);
      for (const Index key_block : {64, 128, 256, 512}) {
        if (!pass.run_tiled) continue;
        INFO("key block " << key_block);
        problem.poison();
        pass.run_tiled(problem.params(), key_block);
        check_judgement(judge(problem.params(), expected, pass.bounds));
      }
    });
  }
}

TEST_CASE("forward: dropout: the kept fraction within 1 %") {
  for (const core::DType dtype : all_dtypes()) {
    for (const float probability : {0.1f, 0.5f, 0.9f}) {
      // Equal weights and values of one: every row of out is its kept fraction / keep probability.
      Problem problem(dropped({256, 512, head_dim_of(0), false, dtype, 1, 2, 1}, probability));
      fill(problem.q.any(), 0);
      fill(problem.v.any(), 1);
      const AttentionParams params = problem.params();
      const double keep = params.dropout_mask(params.sequence(0), 0).keep_probability();
      for_each_able_pass(problem, [&](const ForwardPass& pass) {
        INFO("probability " << probability);
        problem.poison();
        pass.run(params);
        const double kept = keep * mean_of(problem.out);
        CHECK(std::abs(kept - (1 - static_cast<double>(probability))) <= 0.01);
        CHECK(problem.lse.view<float>()(0, 1, 200) == Approx(std::log(512.0)));
      });
    }
  }
}

TEST_CASE("forward: dropout: the mean over seeds is the answer without dropout") {
  constexpr int kSeeds = 300;
  for (const core::DType dtype : all_dtypes()) {
    Problem problem({8, 40, head_dim_of(0), true, dtype});
    const Expected exact = expect(problem.params());
    AttentionParams params = problem.params();
    params.dropout = {0.25f, 0, 0};
    problem.dropout = params.dropout;
    const double keep = static_cast<double>(keep_threshold(0.25f)) / 256;
    for_each_able_pass(problem, [&](const ForwardPass& pass) {
      core::Tensor<4> sum(core::DType::f64, problem.out.shape());
      for (int seed = 0; seed < kSeeds; ++seed) {
        params.dropout.seed = static_cast<std::uint64_t>(seed);
        pass.run(params);
        assign(sum.any(), [&](Index a, Index b, Index c, Index d) {
          return read(sum.any(), a, b, c, d) + read(params.out, a, b, c, d);
        });
      }
      // Each weight's variance is (1 - keep) / keep of its square. Five standard deviations.
      double worst = 0;
      double squares = 0;
      for (Index r = 0; r < 8; ++r) {
        for (Index i = 0; i < params.head_dim(); ++i) {
          double variance = 0;
          for (Index c = 0; c <= r + 32; ++c) {
            const RowResult& row = exact.exact[static_cast<std::size_t>(r)];
            const double weight = weight_of(params, params.sequence(0), 0, r, c, row.lse);
            const double value = weight * read(params.v, 0, c, 0, i);
            variance += value * value * (1 - keep) / keep / kSeeds;
          }
          const double wanted =
              exact.exact[static_cast<std::size_t>(r)].out[static_cast<std::size_t>(i)];
          const double off = std::abs(read(sum.any(), 0, r, 0, i) / kSeeds - wanted);
          const double rounding = 4 * unit(dtype) * std::max(1.0, std::abs(wanted));
          worst = std::max(worst, off / (5 * std::sqrt(variance) + rounding));
          squares += off * off / variance;
        }
      }
      CHECK(worst <= 1);
      // And it is a mean of answers that differ: deviations are as large as chance has them.
      CHECK(squares / static_cast<double>(8 * params.head_dim()) > 0.3);
    });
  }
}

TEST_CASE("forward: dropout: probability 0 is none, and seeds, offsets and heads differ") {
  for (const core::DType dtype : all_dtypes()) {
    Problem problem(dropped({40, 90, head_dim_of(0), true, dtype, 1, 2, 1}, 0.5f, 1, 1));
    for_each_able_pass(problem, [&](const ForwardPass& pass) {
      const auto bits = [&](const Dropout& dropout) {
        AttentionParams params = problem.params();
        params.dropout = dropout;
        problem.poison();
        pass.run(params);
        return bytes_of(problem);
      };
      const auto original = bits({0.5f, 1, 1});
      const bool seed_counts = bits({0.5f, 2, 1}) != original;
      const bool high_seed_counts = bits({0.5f, (std::uint64_t{1} << 32) + 1, 1}) != original;
      const bool offset_counts = bits({0.5f, 1, 2}) != original;
      const bool none_is_none = bits({0, 1, 1}) == bits({});
      CHECK(seed_counts);
      CHECK(high_seed_counts);
      CHECK(offset_counts);
      CHECK(none_is_none);
    });
  }
}

TEST_CASE("forward: dropout and windows: fully masked rows, groups of heads") {
  for (const core::DType dtype : all_dtypes()) {
    Shape shape = dropped({150, 61, head_dim_of(1), false, dtype, 2, 4, 2}, 0.4f);
    shape.window = {17, 5};
    INFO(describe(shape));
    Problem problem(shape);
    check_all(problem);
    for_each_able_pass(problem, [&](const ForwardPass& pass) {
      problem.poison();
      pass.run(problem.params());
      CHECK(blind_rows(problem.params()).exact);
    });
  }
}

}  // namespace ashlar::flashattention2::testing
