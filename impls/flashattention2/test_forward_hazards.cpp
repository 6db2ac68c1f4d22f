// Where implementations go wrong: extreme scores, NaN, memory around the tensors, repetition and
// threads. For every forward pass of the program's table.
#include "impls/flashattention2/test_embedded.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

#include <cmath>
#include <cstring>

#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// NaN with payloads: what a kernel takes for a number when it computes on exponent bits, and what
/// memory filled with 0xff reads as.
std::vector<std::uint32_t> nan_bits(core::DType dtype) {
  if (dtype == core::DType::f32) return {0x7fc00001u, 0xffffffffu};
  return {dtype == core::DType::bf16 ? 0x7fc1u : 0x7e01u, 0xffffu};
}

void write_bits(core::Tensor<4>& tensor, Index row, Index element, std::uint32_t bits) {
  const std::size_t size = core::size_of(tensor.dtype());
  const Index at = row * tensor.shape()[2] * tensor.shape()[3] + element;
  std::memcpy(static_cast<std::uint8_t*>(tensor.data()) + static_cast<std::size_t>(at) * size,
              &bits, size);
}

/// Where NaN is in some rows of lse and of one column of out.
struct NanPattern {
  bool every_row = true, every_lse = true, any_lse = false, any_out = false;
};

NanPattern nan_pattern(const AttentionParams& params, Index row_begin, Index row_end,
                       Index element) {
  NanPattern pattern;
  for (Index r = row_begin; r < row_end; ++r) {
    const bool lse = std::isnan(params.lse(0, 0, r));
    const bool out = std::isnan(read(params.out, 0, r, 0, element));
    pattern.every_row = pattern.every_row && out;
    pattern.every_lse = pattern.every_lse && lse;
    pattern.any_lse = pattern.any_lse || lse;
    pattern.any_out = pattern.any_out || out;
  }
  return pattern;
}

}  // namespace

TEST_CASE("forward: overflow: scores of 10000 neither overflow nor lose the largest") {
  for (const core::DType dtype : all_dtypes()) {
    Problem problem({33, 300, head_dim_of(0), true, dtype});
    for (auto* tensor : {&problem.q, &problem.k}) {
      assign(tensor->any(), [&](Index a, Index b, Index c, Index d) {
        return 64 * read(tensor->any(), a, b, c, d);
      });
    }
    // Nearly every row is one value, which the yardstick may give exactly: twice its error is none.
    check_all(problem, expect(problem.params()), false);
  }
}

TEST_CASE("forward: overflow: one dominating key is copied, and lse is its score") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Index winner : {0, 77, 199}) {
      INFO("key " << winner);
      Problem problem({13, 200, head_dim_of(0), false, dtype});
      assign(problem.q.any(), [](Index, Index, Index, Index) { return 30.0; });
      assign(problem.k.any(),
             [winner](Index, Index c, Index, Index) { return c == winner ? 30.0 : -30.0; });
      const Expected expected = expect(problem.params());
      check_all(problem, expected);
      CHECK(expected.exact[0].lse == Approx(900.0 * static_cast<double>(problem.scale) *
                                            static_cast<double>(problem.q.shape()[3])));
      for_each_pass(dtype, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(problem.params());
        double worst = 0;
        for (Index i = 0; i < problem.q.shape()[3]; ++i) {
          const double value = read(problem.v.any(), 0, winner, 0, i);
          worst = std::max(worst, distance(read(problem.out.any(), 0, 12, 0, i), value));
        }
        CHECK(worst <= (dtype == core::DType::f32 ? 5e-7 : 0));
      });
    }
  }
}

TEST_CASE("forward: overflow: equal scores give the mean of the values") {
  for (const core::DType dtype : all_dtypes()) {
    Problem problem({8, 600, head_dim_of(0), false, dtype});
    assign(problem.q.any(), [](Index, Index, Index, Index) { return 0.0; });
    check_all(problem);
    for_each_pass(dtype, [&](const ForwardPass& pass) {
      pass.run(problem.params());
      CHECK(problem.lse.view<float>()(0, 0, 7) == Approx(std::log(600.0)));
    });
  }
}

TEST_CASE("forward: determinism: fifty runs agree bit for bit, whatever was in the answer before") {
  for (const core::DType dtype : all_dtypes()) {
    Problem problem({33, 150, head_dim_of(0), true, dtype, 1, 2, 1});
    for_each_pass(dtype, [&](const ForwardPass& pass) {
      std::vector<std::uint8_t> first;
      bool same = true;
      for (int repeat = 0; repeat < 50; ++repeat) {
        problem.poison();
        if (repeat % 2 == 1) {
          assign(problem.out.any(), [](Index, Index, Index, Index) { return 3e4; });
          std::fill_n(problem.lse.view<float>().data, problem.lse.size(), -3e4f);
        }
        pass.run(problem.params());
        if (repeat == 0) first = bytes_of(problem);
        same = same && bytes_of(problem) == first;
      }
      CHECK(same);
    });
  }
}

TEST_CASE("forward: determinism: one, two and three threads give the same bits") {
  const int before = core::thread_count();
  for (const core::DType dtype : all_dtypes()) {
    for (const Index heads : {1, 2, 3}) {
      Problem problem({150, 170, head_dim_of(0), true, dtype, 1, heads, heads});
      const Expected expected = expect(problem.params());
      for_each_pass(dtype, [&](const ForwardPass& pass) {
        std::vector<std::uint8_t> first;
        for (const int threads : {1, 2, 3}) {
          INFO(heads << " heads, " << threads << " threads");
          core::set_thread_count(threads);
          problem.poison();
          pass.run(problem.params());
          if (threads == 1) first = bytes_of(problem);
          const bool same = bytes_of(problem) == first;
          CHECK((same || !pass.bits_depend_on_threads.empty()));
          const Judgement judgement = judge(problem.params(), expected, pass.bounds);
          CHECK(judgement.out <= 1);
          CHECK(judgement.lse <= 1);
        }
        core::set_thread_count(before);
      });
    }
  }
}

TEST_CASE("forward: out of bounds: NaN in a query is in its rows, and in no other") {
  for (const core::DType dtype : all_dtypes()) {
    for (const std::uint32_t bits : nan_bits(dtype)) {
      INFO(std::hex << bits << std::dec);
      Problem problem({20, 300, head_dim_of(0), true, dtype});
      write_bits(problem.q, 7, 3, bits);
      for_each_pass(dtype, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(problem.params());
        for (Index element = 0; element < 8; ++element) {
          const NanPattern row = nan_pattern(problem.params(), 7, 8, element);
          CHECK(row.every_row);
          CHECK(row.every_lse);
          for (const auto& [begin, end] : {std::pair<Index, Index>{0, 7}, {8, 20}}) {
            const NanPattern others = nan_pattern(problem.params(), begin, end, element);
            CHECK_FALSE(others.any_out);
            CHECK_FALSE(others.any_lse);
          }
        }
      });
    }
  }
}

TEST_CASE("forward: out of bounds: NaN in a key is in every row, wherever the key lies") {
  for (const core::DType dtype : all_dtypes()) {
    for (const std::uint32_t bits : nan_bits(dtype)) {
      for (const Index key : {0, 1, 130, 298, 299}) {
        INFO(std::hex << bits << std::dec << " in key " << key);
        Problem problem({20, 300, head_dim_of(0), false, dtype});
        write_bits(problem.k, key, 3, bits);
        for_each_pass(dtype, [&](const ForwardPass& pass) {
          problem.poison();
          pass.run(problem.params());
          const NanPattern rows = nan_pattern(problem.params(), 0, 20, 5);
          CHECK(rows.every_row);
          CHECK(rows.every_lse);
        });
      }
    }
  }
}

TEST_CASE("forward: out of bounds: NaN in a value is in its column of every row, and not in lse") {
  for (const core::DType dtype : all_dtypes()) {
    for (const std::uint32_t bits : nan_bits(dtype)) {
      for (const Index key : {0, 1, 130, 299}) {
        INFO(std::hex << bits << std::dec << " in value " << key);
        Problem problem({20, 300, head_dim_of(0), false, dtype});
        write_bits(problem.v, key, 3, bits);
        for_each_pass(dtype, [&](const ForwardPass& pass) {
          problem.poison();
          pass.run(problem.params());
          const NanPattern column = nan_pattern(problem.params(), 0, 20, 3);
          CHECK(column.every_row);
          CHECK_FALSE(column.any_lse);
          CHECK_FALSE(nan_pattern(problem.params(), 0, 20, 2).any_out);
          CHECK_FALSE(nan_pattern(problem.params(), 0, 20, 4).any_out);
        });
      }
    }
  }
}

TEST_CASE("forward: out of bounds: under a mask NaN is in the rows that see it") {
  // Of the others attention.hpp promises nothing: a hidden value may be multiplied by zero.
  for (const core::DType dtype : all_dtypes()) {
    for (const bool in_key : {true, false}) {
      INFO((in_key ? "key" : "value"));
      Problem problem({200, 300, head_dim_of(0), true, dtype});
      write_bits(in_key ? problem.k : problem.v, 170, 3, nan_bits(dtype)[0]);
      for_each_pass(dtype, [&](const ForwardPass& pass) {
        problem.poison();
        pass.run(problem.params());
        const NanPattern seeing = nan_pattern(problem.params(), 70, 200, 3);
        CHECK(seeing.every_row);
        CHECK(seeing.every_lse == in_key);
      });
    }
  }
}

TEST_CASE("forward: out of bounds: rows behind the last key are never read") {
  for (const core::DType dtype : all_dtypes()) {
    for (const Index seqlen_k : {1, 63, 70, 129}) {
      for (const bool causal : {false, true}) {
        const Shape shape{40, seqlen_k, head_dim_of(causal), causal, dtype, 2, 2, 1};
        INFO(describe(shape));
        Problem problem(shape);
        const Expected expected = expect(problem.params());
        const Tailed keys(problem.k, 128);
        const Tailed values(problem.v, 128);
        for_each_pass(dtype, [&](const ForwardPass& pass) {
          problem.poison();
          AttentionParams params = problem.params();
          params.k = keys.view();
          params.v = values.view();
          pass.run(params);
          const Judgement judgement = judge(params, expected, pass.bounds);
          CHECK(judgement.out <= 1);
          CHECK(judgement.lse <= 1);
        });
      }
    }
  }
}

TEST_CASE(
    "forward: out of bounds: strided tensors, NaN around what is read, nothing written around") {
  for (const core::DType dtype : all_dtypes()) {
    for (const bool causal : {false, true}) {
      const Shape shape{29, 67, head_dim_of(causal), causal, dtype, 2, 4, 2};
      Problem problem(shape);
      const Expected expected = expect(problem.params());
      const Embedded q(problem.q.any(), kNan);
      const Embedded k(problem.k.any(), kNan);
      const Embedded v(problem.v.any(), kNan);
      for_each_pass(dtype, [&](const ForwardPass& pass) {
        problem.poison();
        Embedded out(problem.out.any(), 77.0);
        EmbeddedLse lse(problem.lse.shape());
        AttentionParams params = problem.params();
        params.q = q.view();
        params.k = k.view();
        params.v = v.view();
        params.out = out.view();
        params.lse = lse.view();
        pass.run(params);
        const Judgement judgement = judge(params, expected, pass.bounds);
        CHECK(judgement.out <= 1);
        CHECK(judgement.lse <= 1);
        CHECK(out.untouched());
        CHECK(lse.untouched());
      });
    }
  }
}

}  // namespace ashlar::flashattention2::testing
