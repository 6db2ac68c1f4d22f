#include "impls/flashattention2/dropout.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace ashlar::flashattention2 {
namespace {

/// The words of a patch, by which patches are told apart.
std::array<std::uint32_t, 4> words_of(const DropoutMask& mask, std::uint32_t row,
                                      std::uint32_t column) {
  const core::PhiloxWords words = mask.patch(row, column);
  return {words.word[0], words.word[1], words.word[2], words.word[3]};
}

/// Kept weights of rows x columns.
int kept(const DropoutMask& mask, std::uint32_t rows, std::uint32_t columns) {
  int count = 0;
  for (std::uint32_t row = 0; row < rows; ++row) {
    for (std::uint32_t column = 0; column < columns; ++column) count += mask.keeps(row, column);
  }
  return count;
}

/// Weights of rows x columns on which two masks differ.
int differing(const DropoutMask& a, const DropoutMask& b, std::uint32_t rows,
              std::uint32_t columns) {
  int count = 0;
  for (std::uint32_t row = 0; row < rows; ++row) {
    for (std::uint32_t column = 0; column < columns; ++column) {
      count += a.keeps(row, column) != b.keeps(row, column);
    }
  }
  return count;
}

}  // namespace

TEST_CASE("dropout: every byte of every patch serves one weight", "[dropout]") {
  const DropoutMask mask({0.5f, 3, 1}, 2);
  std::map<std::array<std::uint32_t, 4>, std::set<int>> patches;
  constexpr std::uint32_t kRows = 48;
  constexpr std::uint32_t kColumns = 96;
  bool new_byte = true;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    for (std::uint32_t column = 0; column < kColumns; ++column) {
      const int byte = DropoutMask::byte_of(row, column);
      new_byte = new_byte && byte >= 0 && byte < 16 &&
                 patches[words_of(mask, row, column)].insert(byte).second;
    }
  }
  CHECK(new_byte);
  CHECK(patches.size() == kRows * kColumns / 16);
  bool all_used = true;
  for (const auto& [words, bytes] : patches) all_used = all_used && bytes.size() == 16;
  CHECK(all_used);
}

TEST_CASE("dropout: a patch is what a thread of a tensor core holds of 16 x 32", "[dropout]") {
  const DropoutMask mask({0.5f, 3, 1}, 2);
  std::set<std::array<std::uint32_t, 4>> patches;
  bool one_patch = true;
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    const auto own = words_of(mask, 16 + lane / 4, 32 + lane % 4 * 2);
    patches.insert(own);
    for (std::uint32_t tile = 0; tile < 4; ++tile) {
      for (std::uint32_t register_index = 0; register_index < 4; ++register_index) {
        const std::uint32_t row = 16 + lane / 4 + register_index / 2 * 8;
        const std::uint32_t column = 32 + tile * 8 + lane % 4 * 2 + register_index % 2;
        one_patch = one_patch && words_of(mask, row, column) == own;
      }
    }
  }
  CHECK(one_patch);
  CHECK(patches.size() == 32);
}

TEST_CASE("dropout: known answers", "[dropout]") {
  // Philox 4x32-10 of counter 0 under key 0, from the generator's published test vectors:
  // 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
  const std::array<std::tuple<std::uint32_t, std::uint32_t, int>, 8> bytes{{{0, 0, 0xd5},
                                                                            {0, 1, 0xe8},
                                                                            {0, 8, 0x27},
                                                                            {0, 9, 0x66},
                                                                            {0, 16, 0x8d},
                                                                            {0, 25, 0xe1},
                                                                            {8, 0, 0x4c},
                                                                            {8, 25, 0x9b}}};
  for (const auto& [row, column, value] : bytes) {
    CAPTURE(row, column);
    // Kept from the threshold above the byte on.
    const float last_dropped = 1 - static_cast<float>(value) / 256;
    const float first_kept = 1 - static_cast<float>(value + 1) / 256;
    CHECK_FALSE(DropoutMask({last_dropped, 0, 0}, 0).keeps(row, column));
    CHECK(DropoutMask({first_kept, 0, 0}, 0).keeps(row, column));
  }
  // Column 75 and row 37: 75 / 32 * 4 + 75 % 8 / 2 and 37 / 16 * 8 + 37 % 8; seed in two halves.
  const DropoutMask mask({0.5f, 0x299f31d0'a4093822u, 0x03707344u}, 0x13198a2eu);
  const core::PhiloxWords words =
      core::philox({{9, 21, 0x13198a2eu, 0x03707344u}}, 0xa4093822u, 0x299f31d0u);
  CHECK(words_of(mask, 37, 75) ==
        std::array<std::uint32_t, 4>{words.word[0], words.word[1], words.word[2], words.word[3]});
}

TEST_CASE("dropout: thresholds out of 256", "[dropout]") {
  CHECK(keep_threshold(0) == 256);
  CHECK(keep_threshold(1e-9f) == 256);
  CHECK(keep_threshold(0.001f) == 256);
  CHECK(keep_threshold(0.003f) == 255);
  CHECK(keep_threshold(0.1f) == 230);
  CHECK(keep_threshold(0.5f) == 128);
  CHECK(keep_threshold(0.995f) == 1);
  CHECK(keep_threshold(0.999999f) == 1);
  CHECK_FALSE(Dropout{}.active());
  CHECK(Dropout{1e-9f, 0, 0}.active());
  // What hardly drops drops nothing, and what keeps little keeps one in 256.
  CHECK(kept(DropoutMask({1e-9f, 5, 0}, 0), 64, 64) == 64 * 64);
  const int few = kept(DropoutMask({0.999999f, 5, 0}, 0), 512, 512);
  CHECK(std::abs(few - 1024) < 5 * 32);
}

TEST_CASE("dropout: the kept fraction, and its inverse", "[dropout]") {
  for (const float probability : {0.05f, 0.1f, 0.25f, 0.5f, 0.9f}) {
    CAPTURE(probability);
    const DropoutMask mask({probability, 11, 4}, 3);
    const double keep = mask.keep_probability();
    CHECK(std::abs(keep - (1 - static_cast<double>(probability))) <= 0.5 / 256 + 1e-7);
    CHECK(mask.keep_factor() * mask.keep_probability() == Approx(1));
    constexpr int kCount = 512 * 512;
    const double deviation = std::sqrt(keep * (1 - keep) * kCount);
    CHECK(std::abs(kept(mask, 512, 512) - keep * kCount) <= 5 * deviation);
  }
}

TEST_CASE("dropout: seeds, offsets, heads and places are independent", "[dropout]") {
  const DropoutMask base({0.5f, 1, 1}, 1);
  constexpr int kCount = 256 * 256;
  constexpr double kDeviation = 128;  // sqrt(kCount) / 2
  for (const DropoutMask& other :
       {DropoutMask({0.5f, 2, 1}, 1), DropoutMask({0.5f, (std::uint64_t{1} << 32) + 1, 1}, 1),
        DropoutMask({0.5f, 1, 2}, 1), DropoutMask({0.5f, 1, 1}, 2)}) {
    // Independent masks of 1/2 differ in half of all places.
    CHECK(std::abs(differing(base, other, 256, 256) - kCount / 2) <= 5 * kDeviation);
  }
  CHECK(differing(base, DropoutMask({0.5f, 1, 1}, 1), 256, 256) == 0);
  for (const auto& [down, right] : {std::pair<std::uint32_t, std::uint32_t>{1, 0},
                                    {8, 0},
                                    {16, 0},
                                    {0, 1},
                                    {0, 2},
                                    {0, 8},
                                    {0, 32},
                                    {3, 5}}) {
    CAPTURE(down, right);
    int count = 0;
    for (std::uint32_t row = 0; row < 256; ++row) {
      for (std::uint32_t column = 0; column < 256; ++column) {
        count += base.keeps(row, column) != base.keeps(row + down, column + right);
      }
    }
    CHECK(std::abs(count - kCount / 2) <= 5 * kDeviation);
  }
}

}  // namespace ashlar::flashattention2
