#include "impls/flashattention2/decode.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "impls/core/simd.hpp"
#include "impls/flashattention2/test_paths.hpp"
#include "impls/flashattention2/test_problem.hpp"
#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::DType;
using testing::packed_shape;
using testing::Path;
using testing::Problem;
using testing::Shape;

std::vector<Path> paths() { return testing::paths_of(decode_isas); }

void run(const AttentionParams& params, const DecodeOptions& options) {
  DecodeWorkspace workspace(params, options);
  decode_forward(params, workspace);
}

/// Every number of splits of the list against double precision, outputs poisoned before each.
void check(Shape shape, const std::vector<Index>& splits = {1, 3}) {
  for (const Path& path : paths()) {
    shape.dtype = path.dtype;
    Problem problem(shape);
    const testing::Expected expected = testing::expect(problem.params());
    for (const Index count : splits) {
      INFO(describe(path) << ", " << shape.seqlen_q << " x " << shape.seqlen_k << ", d "
                          << shape.head_dim << ", splits " << count);
      problem.poison();
      run(problem.params(), {.splits = count, .isa = path.isa});
      const testing::Judgement judgement = testing::judge(problem.params(), expected);
      CHECK(judgement.out <= 1);
      CHECK(judgement.lse <= 1);
      CHECK(judgement.over_plain <= 1);
    }
  }
}

std::vector<std::uint8_t> bytes_of(const Problem& problem) {
  const auto* out = static_cast<const std::uint8_t*>(problem.out.data());
  const auto* lse = static_cast<const std::uint8_t*>(problem.lse.data());
  std::vector<std::uint8_t> bytes(out, out + problem.out.bytes());
  bytes.insert(bytes.end(), lse, lse + problem.lse.bytes());
  return bytes;
}

/// The same keys and values with heads outside of the sequence, as caches are often laid out.
class HeadsFirst {
 public:
  explicit HeadsFirst(const core::Tensor<4>& source)
      : shape_(source.shape()),
        storage_(source.dtype(), {shape_[0], shape_[2], shape_[1], shape_[3]}) {
    testing::assign(storage_.any(), [&](Index a, Index b, Index c, Index d) {
      return testing::read(source.any(), a, c, b, d);
    });
  }
  core::ConstAnyView<4> view() const {
    const auto strides = core::contiguous_strides(storage_.shape());
    return {storage_.data(),
            storage_.dtype(),
            shape_,
            {strides[0], strides[2], strides[1], strides[3]}};
  }

 private:
  std::array<Index, 4> shape_;
  core::Tensor<4> storage_;
};

}  // namespace

TEST_CASE("decoding agrees with double precision for any split", "[decode]") {
  for (const Index keys : {1, 2, 31, 32, 33, 64, 65, 100, 257}) {
    check({.seqlen_q = 1, .seqlen_k = keys, .head_dim = 64}, {1, 2, 3, 5, keys, keys + 3, 128});
  }
}

TEST_CASE("an answer that misses one key is rejected", "[decode]") {
  for (const Path& path : paths()) {
    INFO(describe(path));
    Problem problem({.seqlen_q = 1, .seqlen_k = 40, .head_dim = 64, .dtype = path.dtype});
    AttentionParams params = problem.params();
    const testing::Expected expected = testing::expect(params);
    params.k = testing::row_slice(params.k, 0, 39);
    params.v = testing::row_slice(params.v, 0, 39);
    run(params, {.splits = 2, .isa = path.isa});
    const testing::Judgement judgement = testing::judge(problem.params(), expected);
    CHECK(judgement.out > 1);
    CHECK(judgement.lse > 1);
  }
}

TEST_CASE("decoding takes any head_dim", "[decode]") {
  for (const Index head_dim :
       {1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 59, 64, 72, 80, 96, 111, 128, 192, 256, 300}) {
    check({.seqlen_q = 3, .seqlen_k = 71, .head_dim = head_dim, .causal = true}, {2});
  }
}

TEST_CASE("decoding takes any group of heads, and rows by the hundred", "[decode]") {
  for (const Index heads_q : {2, 4, 6, 8, 10, 14, 16, 22}) {
    check({.seqlen_q = 1,
           .seqlen_k = 150,
           .head_dim = 40,
           .batch = 2,
           .heads_q = heads_q,
           .heads_kv = 2});
  }
  check({.seqlen_q = 16,
         .seqlen_k = 150,
         .head_dim = 64,
         .causal = true,
         .heads_q = 16,
         .heads_kv = 2});
  check({.seqlen_q = 140,
         .seqlen_k = 150,
         .head_dim = 24,
         .causal = true,
         .heads_q = 3,
         .heads_kv = 1});
}

TEST_CASE("decoding masks rows and windows", "[decode]") {
  for (const Index rows : {1, 5, 16, 40}) {
    for (const Index keys : {0, 1, 5, 16, 70, 200}) {
      check({.seqlen_q = rows, .seqlen_k = keys, .head_dim = 16, .causal = true});
      check({.seqlen_q = rows, .seqlen_k = keys, .head_dim = 16, .window = {9, 0}});
      check({.seqlen_q = rows, .seqlen_k = keys, .head_dim = 16, .window = {40, 3}}, {4});
      check({.seqlen_q = rows, .seqlen_k = keys, .head_dim = 16, .window = {-1, 2}}, {4});
    }
  }
}

TEST_CASE("decoding caps scores and drops weights", "[decode]") {
  for (const float softcap : {0.5F, 2.0F, 50.0F, 1e4F}) {
    check({.seqlen_q = 4, .seqlen_k = 130, .head_dim = 64, .softcap = softcap});
  }
  for (const float probability : {0.1F, 0.5F}) {
    check({.seqlen_q = 18,
           .seqlen_k = 130,
           .head_dim = 32,
           .causal = true,
           .heads_q = 4,
           .heads_kv = 2,
           .dropout = {probability, 11, 3}},
          {1, 7});
  }
}

TEST_CASE("decoding finds packed sequences, empty ones too", "[decode]") {
  const std::vector<testing::Lengths> sequences{{0, 0}, {1, 90}, {3, 0}, {0, 17}, {2, 300},
                                                {1, 1}, {4, 2},  {0, 0}, {1, 33}};
  check(packed_shape({.head_dim = 40, .causal = true, .heads_q = 4, .heads_kv = 2}, sequences),
        {1, 2, 9});
  check(packed_shape({.head_dim = 64, .window = {20, 0}}, sequences), {3});
  check(packed_shape({.head_dim = 64}, {{0, 0}, {0, 0}}), {3});
}

TEST_CASE("rows that see nothing are zero with an infinite lse", "[decode]") {
  for (const Path& path : paths()) {
    INFO(describe(path));
    Problem problem(
        {.seqlen_q = 9, .seqlen_k = 4, .head_dim = 24, .causal = true, .dtype = path.dtype});
    run(problem.params(), {.splits = 3, .isa = path.isa});
    for (Index r = 0; r < 9; ++r) {
      const bool blind = r < 5;
      CHECK(std::isinf(problem.lse.view<float>()(0, 0, r)) == blind);
      if (blind) CHECK(testing::read(problem.out.any(), 0, r, 0, 7) == 0);
    }
  }
}

TEST_CASE("threads change no bit of decoding at a given number of splits", "[decode]") {
  for (const Path& path : paths()) {
    for (const Index splits : {1, 4, 11}) {
      INFO(describe(path) << ", splits " << splits);
      Problem problem({.seqlen_q = 2,
                       .seqlen_k = 400,
                       .head_dim = 64,
                       .dtype = path.dtype,
                       .batch = 2,
                       .heads_q = 6,
                       .heads_kv = 2});
      run(problem.params(), {.threads = 1, .splits = splits, .isa = path.isa});
      const auto expected = bytes_of(problem);
      for (const int threads : {2, 3, 7}) {
        problem.poison();
        run(problem.params(), {.threads = threads, .splits = splits, .isa = path.isa});
        CHECK(bytes_of(problem) == expected);
      }
    }
  }
}

TEST_CASE("decoding reads keys and values in either order of axes, with the same bits",
          "[decode]") {
  for (const Path& path : paths()) {
    INFO(describe(path));
    Problem problem({.seqlen_q = 1,
                     .seqlen_k = 203,
                     .head_dim = 40,
                     .dtype = path.dtype,
                     .batch = 2,
                     .heads_q = 12,
                     .heads_kv = 3});
    run(problem.params(), {.splits = 2, .isa = path.isa});
    const auto expected = bytes_of(problem);
    const HeadsFirst k(problem.k);
    const HeadsFirst v(problem.v);
    AttentionParams params = problem.params();
    params.k = k.view();
    params.v = v.view();
    problem.poison();
    run(params, {.splits = 2, .isa = path.isa});
    CHECK(bytes_of(problem) == expected);
  }
}

TEST_CASE("a decoding workspace may be used again, also for other sequences", "[decode]") {
  const Shape shape =
      packed_shape({.head_dim = 24, .causal = true, .heads_q = 2}, {{1, 50}, {2, 0}, {1, 9}});
  Problem problem(shape);
  DecodeWorkspace workspace(problem.params(), {.splits = 3});
  decode_forward(problem.params(), workspace);
  problem.cu_seqlens_q = {0, 0, 3, 4};
  problem.cu_seqlens_k = {0, 3, 59, 59};
  const testing::Expected expected = testing::expect(problem.params());
  problem.poison();
  decode_forward(problem.params(), workspace);
  const testing::Judgement judgement = testing::judge(problem.params(), expected);
  CHECK(judgement.out <= 1);
  CHECK(judgement.lse <= 1);
}

TEST_CASE("splits are chosen by the shape", "[decode]") {
  const auto splits_of = [](const Shape& shape) {
    Problem problem(shape);
    return DecodeWorkspace(problem.params(), {.threads = 4}).splits();
  };
  CHECK(splits_of({.seqlen_k = 100}) == 1);
  CHECK(splits_of({.seqlen_k = 8192, .head_dim = 16}) == 4);
  CHECK(splits_of({.seqlen_k = 2048, .head_dim = 16, .batch = 4}) == 1);
  CHECK(splits_of({.seqlen_k = 0}) == 1);
}

TEST_CASE("misuse of decoding is refused with a reason", "[decode]") {
  Problem problem({.seqlen_q = 2, .seqlen_k = 8, .head_dim = 8});
  CHECK(!decode_unsupported(problem.params()));
  DecodeWorkspace workspace(problem.params());
  Problem longer({.seqlen_q = 2, .seqlen_k = 9, .head_dim = 8});
  CHECK_THROWS_WITH(decode_forward(longer.params(), workspace), Catch::Contains("another shape"));
  CHECK_THROWS_AS(DecodeWorkspace(problem.params(), {.splits = -1}), std::invalid_argument);
  CHECK_THROWS_AS(DecodeWorkspace(problem.params(), {.threads = -1}), std::invalid_argument);

  Problem doubles({.seqlen_q = 2, .seqlen_k = 8, .head_dim = 8, .dtype = DType::f64});
  REQUIRE(decode_unsupported(doubles.params()));
  CHECK_THAT(*decode_unsupported(doubles.params()), Catch::Contains("f64"));
  CHECK_THROWS_AS(DecodeWorkspace(doubles.params()), std::invalid_argument);
}

TEST_CASE("the instruction set of decoding can be limited by option and by process", "[decode]") {
  Problem problem({.seqlen_q = 1, .seqlen_k = 8, .head_dim = 8});
  CHECK(DecodeWorkspace(problem.params(), {.isa = core::Isa::avx2}).isa() == core::Isa::avx2);
  CHECK(DecodeWorkspace(problem.params()).isa() == decode_isas(DType::f32).front());
  const core::ScopedIsaLimit limit(core::Isa::avx2);
  CHECK(decode_isas(DType::f32) == std::vector<core::Isa>{core::Isa::avx2});
}

}  // namespace ashlar::flashattention2
