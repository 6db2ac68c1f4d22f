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

TEST_CASE("weights from lse are those of the softmax", "[softmax]") {
  const auto isa = GENERATE(core::Isa::avx2, core::Isa::avx512);
  if (isa > core::hardware_isa()) return;
  const core::ScopedIsaLimit limit(isa);
  const Index width = GENERATE(1, 15, 16, 33, 100, 1000);
  const Index hidden_part = GENERATE(1, 3, 0);
  const Index visible = hidden_part == 0 ? 0 : (width + hidden_part - 1) / hidden_part;
  CAPTURE(core::highway_target(), width, visible);
  const std::vector<float> scores = random_scores(width, 3.0f);
  const Expected expected = in_double(scores, visible, 0.7f);
  const auto lse =
      visible == 0 ? std::numeric_limits<float>::infinity() : static_cast<float>(expected.lse);
  std::vector<float> weights = scores;
  weights_row(weights.data(), visible, width, 0.7f, lse);
  std::vector<float> scratch = scores;
  std::vector<BFloat16> narrow(scores.size(), BFloat16{0x7fc0});
  weights_row(scratch.data(), narrow.data(), visible, width, 0.7f, lse);
  for (Index c = 0; c < width; ++c) {
    const auto at = static_cast<std::size_t>(c);
    if (c >= visible) REQUIRE(weights[at] == 0.0f);
    REQUIRE(static_cast<double>(weights[at]) == Approx(expected.weights[at]).margin(3e-6));
    REQUIRE(narrow[at] == core::to_bfloat16(weights[at]));
  }
}

TEST_CASE("the gradient of a row agrees with double, in float and in bfloat16", "[softmax]") {
  const auto isa = GENERATE(core::Isa::avx2, core::Isa::avx512);
  if (isa > core::hardware_isa()) return;
  const core::ScopedIsaLimit limit(isa);
  const Index width = GENERATE(1, 15, 17, 100);
  std::vector<float> weights = random_scores(width, 0.1f);
  std::vector<float> gradients = random_scores(width, 5.0f);
  const bool nan = GENERATE(false, true);
  if (nan) gradients[0] = std::bit_cast<float>(0x7fffffffu);
  std::vector<BFloat16> narrow(weights.size());
  for (std::size_t c = 0; c < weights.size(); ++c) {
    narrow[c] = core::to_bfloat16(weights[c]);
    weights[c] = core::to_float(narrow[c]);
  }
  std::vector<float> exact(weights.size());
  for (std::size_t c = 0; c < weights.size(); ++c) {
    exact[c] = weights[c] * 0.25f * (gradients[c] - 1.5f);
  }
  std::vector<BFloat16> rounded(weights.size());
  gradient_row(narrow.data(), gradients.data(), rounded.data(), width, 1.5f, 0.25f);
  gradient_row(weights.data(), gradients.data(), width, 1.5f, 0.25f);
  for (std::size_t c = 0; c < static_cast<std::size_t>(width); ++c) {
    if (nan && c == 0) {
      REQUIRE(std::isnan(gradients[c]));
      REQUIRE(std::isnan(core::to_float(rounded[c])));
      continue;
    }
    REQUIRE(gradients[c] == exact[c]);
    REQUIRE(rounded[c] == core::to_bfloat16(exact[c]));
  }
}

TEST_CASE("products of rows end where the rows do", "[softmax]") {
  const Index count = GENERATE(1, 7, 8, 16, 17, 64, 111);
  std::vector<float> a = random_scores(count, 1.0f);
  std::vector<float> b = random_scores(count, 2.0f);
  a.resize(static_cast<std::size_t>(count) + 1, std::numeric_limits<float>::quiet_NaN());
  b.resize(static_cast<std::size_t>(count) + 1, std::numeric_limits<float>::quiet_NaN());
  std::vector<BFloat16> narrow_a(a.size());
  std::vector<BFloat16> narrow_b(b.size());
  double exact = 0;
  double exact_narrow = 0;
  for (std::size_t c = 0; c < a.size(); ++c) {
    narrow_a[c] = core::to_bfloat16(a[c]);
    narrow_b[c] = core::to_bfloat16(b[c]);
    if (c + 1 == a.size()) break;
    exact += static_cast<double>(a[c]) * static_cast<double>(b[c]);
    exact_narrow += static_cast<double>(core::to_float(narrow_a[c])) *
                    static_cast<double>(core::to_float(narrow_b[c]));
  }
  CHECK(static_cast<double>(dot_row(a.data(), b.data(), count)) == Approx(exact).epsilon(1e-5));
  CHECK(static_cast<double>(dot_row(narrow_a.data(), narrow_b.data(), count)) ==
        Approx(exact_narrow).epsilon(1e-5));
}

}  // namespace
}  // namespace ashlar::flashattention2::baselines
