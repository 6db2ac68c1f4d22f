#include "impls/core/random.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::core {
namespace {

using Words = std::array<std::uint32_t, 4>;

Tensor<1> filled(Distribution distribution, DType dtype, Index count, std::uint64_t seed = 42,
                 std::uint32_t tensor_id = 7) {
  Tensor<1> tensor(dtype, {count});
  fill_random(tensor.any(), distribution, seed, tensor_id);
  return tensor;
}

std::uint64_t hash_of(const Tensor<1>& tensor) {
  return fnv1a_bytes(tensor.data(), tensor.bytes());
}

TEST_CASE("Philox 4x32-10 gives the published answers", "[random]") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("FNV-1a gives the published answers", "[random]") {
  CHECK(fnv1a("") == 0xcbf29ce484222325u);
  CHECK(fnv1a("a") == 0xaf63dc4c8601ec8cu);
  CHECK(fnv1a("foobar") == 0x85944171f73967e8u);
  CHECK(fnv1a_bytes("foobar", 6) == fnv1a("foobar"));
}

TEST_CASE("inputs are the same bits on every machine", "[random]") {
  // Written down once; a change here changes every recorded problem.
  CHECK(hash_of(filled(Distribution::uniform, DType::f32, 100003)) == 0xc766f80448a402ddu);
  CHECK(hash_of(filled(Distribution::normal, DType::f32, 100003)) == 0xd7b3874846bbe2ccu);
  CHECK(hash_of(filled(Distribution::normal, DType::f16, 100003)) == 0x266d45c1445db45au);
  CHECK(hash_of(filled(Distribution::normal, DType::bf16, 100003)) == 0xc2e6248ca21d4933u);
  CHECK(hash_of(filled(Distribution::normal, DType::f64, 100003)) == 0xcd832ce152954e46u);
  CHECK(hash_of(filled(Distribution::outliers, DType::f32, 100003)) == 0xef69a5ecb6db4c31u);
  CHECK(seed_of(0, "") == 0x2fbf9146fb777a05u);
  CHECK(seed_of(42, "flashattention2/forward/seqlen=1024") == 0x0d551237bab987eau);
}

TEST_CASE("the thread count does not change inputs", "[random]") {
  const int before = thread_count();
  std::set<std::uint64_t> hashes;
  for (const int threads : {1, 2, 3, 7}) {
    set_thread_count(threads);
    hashes.insert(hash_of(filled(Distribution::normal, DType::f32, 70001)));
  }
  set_thread_count(before);
  CHECK(hashes.size() == 1);
}

TEST_CASE("any element can be made alone", "[random]") {
  const auto distribution =
      GENERATE(Distribution::uniform, Distribution::normal, Distribution::outliers);
  const Tensor<1> tensor = filled(distribution, DType::f32, 1000, 5, 6);
  const auto view = tensor.view<float>();
  for (Index i = 0; i < 1000; ++i) {
    REQUIRE(view(i) == random_element(distribution, 5, 6, static_cast<std::uint64_t>(i)));
  }
  // Far beyond 32 bits of index.
  CHECK(random_element(distribution, 5, 6, 1ull << 40) != random_element(distribution, 5, 6, 0));
}

TEST_CASE("strided tensors get the elements of dense ones", "[random]") {
  Tensor<4> dense(DType::f32, {2, 3, 5, 7});
  fill_normal(dense.any(), 1, 2);
  Tensor<1> memory(DType::f32, {1000});
  const View<float, 4> strided(memory.view<float>().data, {2, 3, 5, 7}, {7, 14 * 8, 14, 1});
  fill_normal(AnyView<4>(strided), 1, 2);
  const auto expected = dense.view<float>();
  for (Index a = 0; a < 2; ++a) {
    for (Index b = 0; b < 3; ++b) {
      for (Index c = 0; c < 5; ++c) {
        for (Index d = 0; d < 7; ++d) REQUIRE(strided(a, b, c, d) == expected(a, b, c, d));
      }
    }
  }
}

TEST_CASE("16-bit inputs are float inputs rounded once", "[random]") {
  const Tensor<1> wide = filled(Distribution::normal, DType::f32, 5000);
  const Tensor<1> half = filled(Distribution::normal, DType::f16, 5000);
  const Tensor<1> brain = filled(Distribution::normal, DType::bf16, 5000);
  for (Index i = 0; i < 5000; ++i) {
    const float value = wide.view<float>()(i);
    REQUIRE(half.view<Float16>()(i) == to_float16(value));
    REQUIRE(brain.view<BFloat16>()(i) == to_bfloat16(value));
  }
}

TEST_CASE("normals agree with Box-Muller in double", "[random]") {
  constexpr double kTau = 6.283185307179586476925;
  double worst = 0;
  for (std::uint32_t block = 0; block < 50000; ++block) {
    const Words words =
        philox4x32({block, 0, 7, static_cast<std::uint32_t>(Distribution::normal)}, {42, 0});
    for (std::uint32_t pair = 0; pair < 2; ++pair) {
      const double u = ((words[2 * pair] >> 9) + 0.5) * 0x1p-23;
      const double turn = ((words[2 * pair + 1] >> 9) + 0.5) * 0x1p-23;
      const double radius = std::sqrt(-2 * std::log(u));
      const std::uint64_t index = 4ull * block + 2 * pair;
      const double first = random_element(Distribution::normal, 42, 7, index);
      const double second = random_element(Distribution::normal, 42, 7, index + 1);
      worst = std::max(worst, std::abs(first - radius * std::cos(kTau * turn)) / radius);
      worst = std::max(worst, std::abs(second - radius * std::sin(kTau * turn)) / radius);
    }
  }
  CAPTURE(worst);
  CHECK(worst < 4e-7);
}

TEST_CASE("moments of the distributions", "[random]") {
  constexpr Index kCount = 1 << 20;
  const auto moments = [](const Tensor<1>& tensor) {
    std::array<double, 5> sums{};
    for (Index i = 0; i < kCount; ++i) {
      double power = 1;
      for (double& sum : sums) {
        sum += power / kCount;
        power *= tensor.view<float>()(i);
      }
    }
    return sums;
  };
  // Margins are five standard errors of each moment.
  const auto normal = moments(filled(Distribution::normal, DType::f32, kCount));
  CHECK(std::abs(normal[1]) < 0.005);
  CHECK(std::abs(normal[2] - 1) < 0.007);
  CHECK(std::abs(normal[3]) < 0.02);
  CHECK(std::abs(normal[4] - 3) < 0.05);
  const auto uniform = moments(filled(Distribution::uniform, DType::f32, kCount));
  CHECK(std::abs(uniform[1] - 1. / 2) < 0.0015);
  CHECK(std::abs(uniform[2] - 1. / 3) < 0.0015);
  const auto outliers = moments(filled(Distribution::outliers, DType::f32, kCount));
  CHECK(std::abs(outliers[1]) < 0.006);
  CHECK(std::abs(outliers[2] - 1.1) < 0.03);
}

TEST_CASE("streams do not overlap", "[random]") {
  std::set<std::uint64_t> hashes;
  for (const std::uint64_t seed : {0ull, 1ull, 1ull << 32}) {
    for (const std::uint32_t tensor_id : {0u, 1u, 2u}) {
      hashes.insert(hash_of(filled(Distribution::normal, DType::f32, 64, seed, tensor_id)));
    }
  }
  CHECK(hashes.size() == 9);
}

TEST_CASE("uniform values lie strictly inside (0, 1)", "[random]") {
  const Tensor<1> tensor = filled(Distribution::uniform, DType::f32, 200000);
  for (Index i = 0; i < 200000; ++i) {
    const float value = tensor.view<float>()(i);
    if (!(value > 0 && value < 1)) FAIL("not inside: " << value);
  }
}

TEST_CASE("integer and empty tensors", "[random]") {
  Tensor<1> integers(DType::i32, {4});
  CHECK_THROWS_AS(fill_normal(integers.any(), 0, 0), std::invalid_argument);
  Tensor<2> empty(DType::f32, {0, 3});
  CHECK_NOTHROW(fill_normal(empty.any(), 0, 0));
}

}  // namespace
}  // namespace ashlar::core
