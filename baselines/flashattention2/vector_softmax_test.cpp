#include "baselines/flashattention2/vector_softmax.hpp"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/core/random.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::BFloat16;
using core::Index;

struct Expected {
  std::vector<double> weights;
  double lse = 0;
};

Expected in_double(const std::vector<float>& scores, Index visible, float scale) {
  double largest = -std::numeric_limits<double>::infinity();
  const auto scaled = [&](Index c) {
    return static_cast<double>(scores[static_cast<std::size_t>(c)]) * static_cast<double>(scale);
  };
  for (Index c = 0; c < visible; ++c) largest = std::max(largest, scaled(c));
  double sum = 0;
  for (Index c = 0; c < visible; ++c) sum += std::exp(scaled(c) - largest);
  Expected expected{std::vector<double>(scores.size(), 0.0), largest + std::log(sum)};
  for (Index c = 0; c < visible; ++c) {
    expected.weights[static_cast<std::size_t>(c)] = std::exp(scaled(c) - largest) / sum;
  }
  return expected;
}

std::vector<float> random_scores(Index width, float spread) {
  std::vector<float> scores(static_cast<std::size_t>(padded_width(width)),
                            std::numeric_limits<float>::quiet_NaN());
  for (Index c = 0; c < width; ++c) {
    scores[static_cast<std::size_t>(c)] =
        spread *
        core::random_element(core::Distribution::normal, 3, 1, static_cast<std::uint64_t>(c));
  }
  return scores;
}

TEST_CASE("the vector softmax agrees with double on every instruction set", "[softmax]") {
  const auto isa = GENERATE(core::Isa::avx2, core::Isa::avx512);
  if (isa > core::hardware_isa()) return;
  const core::ScopedIsaLimit limit(isa);
  const Index width = GENERATE(1, 2, 15, 16, 17, 31, 33, 64, 100, 1000);
  const Index hidden_part = GENERATE(1, 2, 1000);
  const Index visible = (width + hidden_part - 1) / hidden_part;
  const float spread = GENERATE(0.01f, 1.0f, 50.0f);
  CAPTURE(core::highway_target(), width, visible, spread);
  const std::vector<float> scores = random_scores(width, spread);
  const Expected expected = in_double(scores, visible, 0.7f);

  std::vector<float> weights = scores;
  const float lse = softmax_row(weights.data(), visible, width, 0.7f);
  CHECK(static_cast<double>(lse) == Approx(expected.lse).epsilon(1e-6).margin(1e-6));
  double worst = 0;
  for (Index c = 0; c < width; ++c) {
    const auto at = static_cast<std::size_t>(c);
    if (c >= visible) REQUIRE(weights[at] == 0.0f);
    worst = std::max(worst, std::abs(static_cast<double>(weights[at]) - expected.weights[at]));
  }
  CHECK(worst < 2e-6);

  std::vector<float> scratch = scores;
  std::vector<BFloat16> narrow(scores.size(), BFloat16{0x7fc0});
  CHECK(softmax_row(scratch.data(), narrow.data(), visible, width, 0.7f) == lse);
  for (Index c = 0; c < width; ++c) {
    const auto at = static_cast<std::size_t>(c);
    REQUIRE(narrow[at] == core::to_bfloat16(weights[at]));
  }
}

TEST_CASE("a NaN among the scores reaches weights and lse, whatever its sign and payload",
          "[softmax]") {
  const auto isa = GENERATE(core::Isa::avx2, core::Isa::avx512);
  if (isa > core::hardware_isa()) return;
  const core::ScopedIsaLimit limit(isa);
  const auto nan = std::bit_cast<float>(
      GENERATE(0x7fc00000u, 0x7fc00001u, 0x7fffffffu, 0xffffffffu, 0x7f800001u));
  const bool everywhere = GENERATE(false, true);
  CAPTURE(core::highway_target(), std::bit_cast<std::uint32_t>(nan), everywhere);
  std::vector<float> scores = random_scores(70, 1.0f);
  scores[everywhere ? 0 : 41] = nan;
  if (everywhere) std::fill_n(scores.begin(), 60, nan);
  std::vector<float> scratch = scores;
  CHECK(std::isnan(softmax_row(scores.data(), 60, 70, 1.0f)));
  std::vector<BFloat16> narrow(scores.size());
  CHECK(std::isnan(softmax_row(scratch.data(), narrow.data(), 60, 70, 1.0f)));
  for (std::size_t c = 0; c < 60; ++c) {
    REQUIRE(std::isnan(scores[c]));
    REQUIRE(std::isnan(core::to_float(narrow[c])));
  }
}

TEST_CASE("a dominating score takes all the weight", "[softmax]") {
  std::vector<float> scores(48, 0.0f);
  scores[33] = 1e4f;
  const float lse = softmax_row(scores.data(), 48, 48, 1.0f);
  CHECK(lse == Approx(1e4));
  for (std::size_t c = 0; c < 48; ++c) CHECK(scores[c] == (c == 33 ? 1.0f : 0.0f));
}

TEST_CASE("a row that sees nothing is zero", "[softmax]") {
  std::vector<float> scores(16, 5.0f);
  CHECK(softmax_row(scores.data(), 0, 16, 1.0f) == std::numeric_limits<float>::infinity());
  for (const float weight : scores) CHECK(weight == 0.0f);
  std::vector<BFloat16> narrow(16, BFloat16{1});
  softmax_row(scores.data(), narrow.data(), 0, 16, 1.0f);
  for (const BFloat16 weight : narrow) CHECK(weight == BFloat16{});
}

}  // namespace
}  // namespace ashlar::flashattention2::baselines
