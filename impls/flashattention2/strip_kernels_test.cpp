// The exponential inside the strip kernels, on every instruction set: seen through softmax(), where
// a row that sees one score of maximum 0 has the sum 2^score.
#include "impls/flashattention2/strip_kernels.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <memory>

namespace ashlar::flashattention2 {
namespace {

/// Every table of kernels that this machine can run.
std::vector<const StripKernels*> all_kernels() { return usable_strip_kernels(core::DType::bf16); }

/// Statistics of rows whose maximum is 0 already, so that softmax() subtracts nothing.
StripStatistics zero_maxima() {
  StripStatistics statistics{};
  std::fill_n(statistics.max, kStripRows, 0.0f);
  return statistics;
}

/// 2^x of six scores at once, before any rounding to 16 bits.
std::array<float, kStripRows> exp2_of(const StripKernels& kernels, StripScratch& scratch,
                                      const std::array<float, kStripRows>& scores) {
  std::array<Range<Index>, kStripRows> visible{};
  for (std::size_t r = 0; r < kStripRows; ++r) {
    scratch.scores[static_cast<Index>(r) * kScoreStride] = scores[r];
    visible[r] = {0, 1};
  }
  StripStatistics statistics = zero_maxima();
  kernels.softmax(scratch, 1.0f, kernels.key_panel, 1, visible.data(), statistics);
  std::array<float, kStripRows> answer{};
  std::copy_n(statistics.sum, kStripRows, answer.begin());
  return answer;
}

}  // namespace

TEST_CASE("the kernels' exponential is within two units of double on [-126, 0]", "[strip]") {
  constexpr std::uint32_t kLeast = std::bit_cast<std::uint32_t>(-126.0f);
  constexpr std::uint32_t kZero = std::bit_cast<std::uint32_t>(-0.0f);
  constexpr std::uint32_t kStep = 1009;  // every one takes minutes; a prime meets all low bits
  const auto scratch = std::make_unique<StripScratch>();
  for (const StripKernels* kernels : all_kernels()) {
    INFO(name_of(kernels->isa));
    double worst = 0;
    for (std::uint32_t bits = kZero; bits <= kLeast; bits += kStripRows * kStep) {
      std::array<float, kStripRows> scores{};
      for (std::uint32_t r = 0; r < kStripRows; ++r) {
        scores[r] = std::bit_cast<float>(std::min(bits + r * kStep, kLeast));
      }
      const auto powers = exp2_of(*kernels, *scratch, scores);
      for (std::size_t r = 0; r < kStripRows; ++r) {
        const double exact = std::exp2(static_cast<double>(scores[r]));
        worst = std::max(worst, std::abs(static_cast<double>(powers[r]) / exact - 1));
      }
    }
    // 1.1e-7 of the polynomial and half a unit of its last operation.
    CHECK(worst < 1.8e-7);
  }
}

TEST_CASE("the kernels' exponential is exact at integers", "[strip]") {
  const auto scratch = std::make_unique<StripScratch>();
  for (const StripKernels* kernels : all_kernels()) {
    INFO(name_of(kernels->isa));
    for (int n = -126; n <= 0; ++n) {
      const auto x = static_cast<float>(n);
      CHECK(exp2_of(*kernels, *scratch, {x, x, x, x, x, x})[5] == std::ldexp(1.0f, n));
    }
  }
}

TEST_CASE("the kernels' exponential keeps a NaN, whatever its sign and payload", "[strip]") {
  const auto scratch = std::make_unique<StripScratch>();
  const auto nan = std::bit_cast<float>(GENERATE(0x7fc00000u, 0x7fc00001u, 0x7fffffffu, 0xffffffffu,
                                                 0xffc00000u, 0x7f800001u, 0xff800001u));
  for (const StripKernels* kernels : all_kernels()) {
    INFO(name_of(kernels->isa) << ", NaN " << std::hex << std::bit_cast<std::uint32_t>(nan));
    const auto powers = exp2_of(*kernels, *scratch, {nan, 0, nan, -1, 0, nan});
    CHECK(std::isnan(powers[0]));
    CHECK(powers[1] == 1.0f);
    CHECK(std::isnan(powers[2]));
    CHECK(powers[3] == 0.5f);
    CHECK(std::isnan(powers[5]));
  }
}

TEST_CASE("whole rows of scores: weights and sums, with and without NaN", "[strip]") {
  const auto scratch = std::make_unique<StripScratch>();
  const float nan = std::bit_cast<float>(0x7fc00001u);
  for (const StripKernels* kernels : all_kernels()) {
    INFO(name_of(kernels->isa));
    std::array<Range<Index>, kStripRows> visible{};
    visible.fill({0, kMaxKeyBlock});
    double expected = 0;
    for (Index c = 0; c < kMaxKeyBlock; ++c) {
      const float score = -0.05f * static_cast<float>(c);
      expected += std::exp2(static_cast<double>(score));
      for (Index r = 0; r < kStripRows; ++r) scratch->scores[r * kScoreStride + c] = score;
    }
    scratch->scores[2 * kScoreStride + 100] = nan;
    std::fill_n(scratch->lane_max, kStripRows * 16, 0.0f);
    StripStatistics statistics = zero_maxima();
    kernels->softmax(*scratch, 1.0f, kMaxKeyBlock, kMaxKeyBlock, visible.data(), statistics);
    for (Index r = 0; r < kStripRows; ++r) {
      INFO("row " << r);
      if (r == 2) {
        CHECK(std::isnan(statistics.sum[r]));
      } else {
        CHECK(static_cast<double>(statistics.sum[r]) == Approx(expected).epsilon(1e-6));
      }
    }
    if (kernels->step == 1) CHECK(std::isnan(scratch->scores[2 * kScoreStride + 100]));
  }
}

TEST_CASE("the kernels' tanh is within a few units of double, and keeps a NaN", "[strip]") {
  constexpr std::uint32_t kStep = 10007;
  const auto scratch = std::make_unique<StripScratch>();
  for (const StripKernels* kernels : all_kernels()) {
    INFO(name_of(kernels->isa));
    const StripFeatures& features = strip_features(*kernels);
    double worst = 0;
    std::array<float, kMaxKeyBlock> x{};
    for (std::uint32_t bits = 0; bits < std::bit_cast<std::uint32_t>(50.0f);
         bits += kMaxKeyBlock * kStep) {
      for (std::uint32_t c = 0; c < kMaxKeyBlock; ++c) {
        x[c] = std::bit_cast<float>(bits + c * kStep) * (c % 2 == 0 ? 1.0f : -1.0f);
        scratch->scores[5 * kScoreStride + c] = 0.5f * x[c];
      }
      features.softcap(*scratch, 2.0f, kMaxKeyBlock);
      for (std::size_t c = 0; c < kMaxKeyBlock; ++c) {
        if (std::abs(x[c]) < std::numeric_limits<float>::min()) continue;
        const double exact = std::tanh(static_cast<double>(x[c]));
        const auto actual = static_cast<double>(scratch->scores[5 * kScoreStride + c]);
        worst = std::max(worst, std::abs(actual / exact - 1));
      }
    }
    CHECK(worst < 3e-7);
    scratch->scores[0] = std::numeric_limits<float>::quiet_NaN();
    scratch->scores[1] = 1e30f;
    scratch->scores[2] = 0.0f;
    features.softcap(*scratch, 1.0f, kernels->key_panel);
    CHECK(std::isnan(scratch->scores[0]));
    CHECK(scratch->scores[1] == 1.0f);
    CHECK(scratch->scores[2] == 0.0f);
  }
}

TEST_CASE("softcap leaves the lanes' maxima of what it made", "[strip]") {
  const auto scratch = std::make_unique<StripScratch>();
  for (const StripKernels* kernels : all_kernels()) {
    INFO(name_of(kernels->isa));
    for (Index r = 0; r < kStripRows; ++r) {
      for (Index c = 0; c < kernels->key_panel; ++c) {
        scratch->scores[r * kScoreStride + c] = -1.0f - static_cast<float>((c * 7 + r) % 64);
      }
    }
    strip_features(*kernels).softcap(*scratch, 0.02f, kernels->key_panel);
    std::array<Range<Index>, kStripRows> visible{};
    visible.fill({0, kernels->key_panel});
    std::array<float, kStripRows> tops{};
    kernels->row_max(*scratch, kernels->key_panel, visible.data(), tops.data());
    for (Index r = 0; r < kStripRows; ++r) {
      const float* row = scratch->scores + r * kScoreStride;
      CHECK(tops[static_cast<std::size_t>(r)] == *std::max_element(row, row + kernels->key_panel));
    }
  }
}

TEST_CASE("dropout zeroes exactly the weights that the mask drops", "[strip]") {
  const DropoutMask mask({0.4f, 0xfedcba9876543210ull, 5}, 11);
  const auto scratch = std::make_unique<StripScratch>();
  const Index first_row = GENERATE(0, 6, 1002);
  const Index first_column = GENERATE(0, 16, 1072);
  const auto keys = GENERATE(Range<Index>{0, 512}, Range<Index>{0, 1}, Range<Index>{38, 301});
  for (const StripKernels* kernels : all_kernels()) {
    INFO(name_of(kernels->isa) << ", row " << first_row << ", column " << first_column);
    const bool pairs = kernels->step == 2;
    const auto weight = [&](Index r, Index c) {
      return pairs ? scratch->pairs[r * kScoreStride + c / 2] >> (c % 2 * 16) & 0xffffu
                   : std::bit_cast<std::uint32_t>(scratch->scores[r * kScoreStride + c]);
    };
    std::fill_n(scratch->scores, kStripRows * kScoreStride, 1.0f);
    std::fill_n(scratch->pairs, kStripRows * kScoreStride, 0x3f803f80u);
    const auto drop =
        pairs ? strip_features(*kernels).drop_pairs : strip_features(*kernels).drop_floats;
    drop(*scratch, mask, first_row, first_column, keys);
    int wrong = 0;
    for (Index r = 0; r < kStripRows; ++r) {
      for (Index c = keys.begin; c < keys.end; ++c) {
        const bool kept = mask.keeps(static_cast<std::uint32_t>(first_row + r),
                                     static_cast<std::uint32_t>(first_column + c));
        if ((weight(r, c) != 0) != kept) ++wrong;
      }
    }
    CHECK(wrong == 0);
  }
}

}  // namespace ashlar::flashattention2
