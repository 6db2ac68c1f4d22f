// Sliding windows, for every forward pass of the program's table that has them.
#include "impls/flashattention2/test_forward_checks.hpp"

#include <cmath>

namespace ashlar::flashattention2::testing {
namespace {

constexpr Index kFarAway = Index{1} << 40;  // more than an int holds

/// Windows that cut, that end inside and at the edges of tiles, and that leave rows blind.
const std::vector<Window> kWindows = {{0, 0},  {7, -1},   {-1, 5},  {3, 4},
                                      {64, 0}, {100, 70}, {0, 127}, {63, 1}};

const std::vector<Lengths> kMaskedLengths = {{1, 1},     {1, 239}, {3, 799}, {113, 203}, {128, 217},
                                             {108, 256}, {5, 2},   {64, 0},  {200, 90}};

/// Largest difference of row r and value row `place`, over the head's elements.
double difference_to_value(Problem& problem, Index row, Index place) {
  double worst = 0;
  for (Index i = 0; i < problem.q.shape()[3]; ++i) {
    const double value = read(problem.v.any(), 0, place, 0, i);
    worst = std::max(worst, distance(read(problem.out.any(), 0, row, 0, i), value));
  }
  return worst;
}

}  // namespace

TEST_CASE("forward: alignment: windows on unequal lengths") {
  for (const core::DType dtype : all_dtypes()) {
    std::size_t n = 0;
    for (const Lengths& lengths : kMaskedLengths) {
      for (const Window& window : kWindows) {
        Shape shape{lengths.q, lengths.k, head_dim_of(n), n % 4 == 3, dtype};
        shape.window = window;
        ++n;
        INFO(describe(shape));
        Problem problem(shape);
        check_all(problem);
      }
    }
  }
}

TEST_CASE("forward: alignment: windows that cross many tiles") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Window& window : {Window{300, 0}, Window{130, 200}}) {
      Shape shape{700, 900, head_dim_of(window.right == 0), false, dtype};
      shape.window = window;
      INFO(describe(shape));
      Problem problem(shape);
      check_all(problem);
    }
  }
}

TEST_CASE("forward: alignment: a window of (0, 0) gives the value at the row's own place") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Lengths& lengths : {Lengths{90, 90}, Lengths{70, 200}, Lengths{200, 70}}) {
      Shape shape{lengths.q, lengths.k, head_dim_of(0), false, dtype};
      shape.window = {0, 0};
      INFO(describe(shape));
      Problem problem(shape);
      const Index offset = lengths.k - lengths.q;
      for_each_able_pass(problem, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(problem.params());
        double worst = 0;
        for (Index r = std::max<Index>(0, -offset); r < lengths.q; ++r) {
          worst = std::max(worst, difference_to_value(problem, r, r + offset));
        }
        // One weight, of exactly 1; a sum of exponentials may be off by a unit in float.
        CHECK(worst <= (dtype == core::DType::f32 ? 1e-6 : 0));
      });
    }
  }
}

TEST_CASE("forward: alignment: a window wider than the keys is none") {
  for (const core::DType dtype : all_dtypes()) {
    for (const bool causal : {false, true}) {
      Problem problem({130, 333, head_dim_of(causal), causal, dtype});
      const Expected without = expect(problem.params());
      for (const Window& window :
           {Window{333, 333}, Window{-1, 333}, Window{kFarAway, kFarAway}, Window{332, -1}}) {
        INFO("window (" << window.left << ", " << window.right << ")");
        problem.window = window;
        check_all(problem, without);
      }
    }
  }
}

TEST_CASE("forward: alignment: causal is a window that ends at the row's own place") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Lengths& lengths : {Lengths{113, 203}, Lengths{203, 113}, Lengths{128, 128}}) {
      Problem problem({lengths.q, lengths.k, head_dim_of(0), true, dtype});
      const Expected causal = expect(problem.params());
      problem.causal = false;
      for (const Index left : {Index{-1}, lengths.k, kFarAway}) {
        INFO("window (" << left << ", 0)");
        problem.window = {left, 0};
        check_all(problem, causal);
      }
      // And with both, the mask is causal whatever the window allows on the right.
      problem.causal = true;
      problem.window = {-1, 9};
      INFO("causal, window (-1, 9)");
      check_all(problem, causal);
    }
  }
}

TEST_CASE("forward: fully masked rows of windows are exactly zero, with infinite lse") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Window& window : {Window{0, 0}, Window{5, 2}, Window{-1, 3}}) {
      Shape shape{190, 67, head_dim_of(1), false, dtype, 2, 2, 1};
      shape.window = window;
      INFO(describe(shape));
      Problem problem(shape);
      for_each_able_pass(problem, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(problem.params());
        CHECK(blind_rows(problem.params()).exact);
        CHECK(blind_rows(problem.params()).count == 4 * (190 - 67 - window.right));
      });
    }
  }
}

TEST_CASE("forward: GQA: windows over groups of heads and batches") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Index heads_kv : {1, 2, 6}) {
      Shape shape{77, 190, head_dim_of(0), heads_kv == 2, dtype, 2, 6, heads_kv};
      shape.window = {30, 11};
      INFO(describe(shape));
      Problem problem(shape);
      check_all(problem);
    }
  }
}

TEST_CASE("forward: out of bounds: NaN in a key that a window shows is in the rows that see it") {
  for (const core::DType dtype : all_dtypes()) {
    Shape shape{200, 200, head_dim_of(0), false, dtype};
    shape.window = {40, 25};
    Problem problem(shape);
    constexpr Index kKey = 100;
    write(problem.k.any(), 0, kKey, 0, 3, std::numeric_limits<double>::quiet_NaN());
    for_each_able_pass(problem, [&](const ForwardPass& pass) {
      problem.poison();
      pass.run(problem.params());
      bool every = true;
      for (Index r = kKey - 25; r <= kKey + 40; ++r) {
        every = every && std::isnan(read(problem.out.any(), 0, r, 0, 5)) &&
                std::isnan(problem.lse.view<float>()(0, 0, r));
      }
      CHECK(every);
    });
  }
}

TEST_CASE("forward: out of bounds: windows never read behind the last key") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Index seqlen_k : {1, 63, 70, 129}) {
      Shape shape{90, seqlen_k, head_dim_of(0), false, dtype, 2, 2, 1};
      shape.window = {20, 30};
      INFO(describe(shape));
      Problem problem(shape);
      const Expected expected = expect(problem.params());
      const Tailed keys(problem.k, 128);
      const Tailed values(problem.v, 128);
      for_each_able_pass(problem, [&](const ForwardPass& pass) {
        problem.poison();
        AttentionParams params = problem.params();
        params.k = keys.view();
        params.v = values.view();
        pass.run(params);
        check_judgement(judge(params, expected, pass.bounds), false);
      });
    }
  }
}

}  // namespace ashlar::flashattention2::testing
