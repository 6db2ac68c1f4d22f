// The rule that joins partial answers, against double precision; and how keys are split.
#include "impls/flashattention2/combine.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "impls/core/random.hpp"
#include "impls/core/tensor.hpp"
#include "impls/flashattention2/split.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::Index;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Whole {
  double lse;
  double value;
};

Whole in_double(const std::vector<float>& lse, const std::vector<float>& values) {
  double top = -std::numeric_limits<double>::infinity();
  for (const float one : lse) top = std::max(top, static_cast<double>(one));
  if (std::isinf(top)) return {-top, 0};
  double sum = 0;
  double value = 0;
  for (std::size_t k = 0; k < lse.size(); ++k) {
    const double weight = std::exp(static_cast<double>(lse[k]) - top);
    sum += weight;
    if (weight > 0) value += weight * static_cast<double>(values[k]);
  }
  return {top + std::log(sum), value / sum};
}

/// Parts lie three floats apart, as they would in a buffer of three rows.
void check_parts(const std::vector<float>& lse, const std::vector<float>& values) {
  std::vector<float> spread_lse(lse.size() * 3, kNan);
  std::vector<float> spread_values(lse.size() * 3, kNan);
  double largest = 0;
  double size = 0;
  for (std::size_t k = 0; k < lse.size(); ++k) {
    spread_lse[3 * k] = lse[k];
    spread_values[3 * k] = values[k];
    if (!std::isinf(lse[k])) {
      largest = std::max(largest, std::abs(static_cast<double>(lse[k])));
      size = std::max(size, std::abs(static_cast<double>(values[k])));
    }
  }
  const Whole expected = in_double(lse, values);
  const auto parts = static_cast<int>(lse.size());
  const float whole = combined_lse(spread_lse.data(), 3, parts);
  const float value = combined_value(spread_lse.data(), 3, whole, spread_values.data(), 3, parts);
  if (std::isinf(expected.lse)) {
    CHECK(static_cast<double>(whole) == expected.lse);
    CHECK(value == 0.0F);
    return;
  }
  // L is rounded where it is stored, and so is its distance to each part.
  const double of_lse = 0x1p-22 * (1 + largest);
  CHECK(std::abs(static_cast<double>(whole) - expected.lse) <= of_lse);
  CHECK(std::abs(static_cast<double>(value) - expected.value) <= 2 * of_lse * size);
}

}  // namespace

TEST_CASE("partial answers combine as in double precision", "[combine]") {
  core::Tensor<1> noise(core::DType::f32, {64});
  core::fill_normal(noise.any(), 5, 0);
  const auto at = [&](std::size_t i) { return noise.view<float>()(static_cast<Index>(i % 64)); };
  for (const float center : {0.0F, -80.0F, 90.0F, 1e4F, -1e4F, 3e6F}) {
    for (const float width : {0.0F, 1.0F, 30.0F, 1000.0F}) {
      for (const std::size_t parts : {1U, 2U, 3U, 17U, 128U}) {
        std::vector<float> lse;
        std::vector<float> values;
        for (std::size_t k = 0; k < parts; ++k) {
          lse.push_back(center + width * at(k));
          values.push_back(at(k + 31));
        }
        INFO("center " << center << " width " << width << " parts " << parts);
        check_parts(lse, values);
        lse[parts / 2] = -kInfinity;
        values[parts / 2] = kNan;  // never read
        check_parts(lse, values);
      }
    }
  }
}

TEST_CASE("parts that saw nothing are neutral, and alone give what a blind row gives",
          "[combine]") {
  check_parts({}, {});
  check_parts({-kInfinity}, {kNan});
  check_parts({-kInfinity, -kInfinity}, {kNan, kNan});
  check_parts({-kInfinity, 2.5F, -kInfinity}, {kNan, 7.0F, kNan});
  CHECK(part_lse(kInfinity) == -kInfinity);
  CHECK(part_lse(-3.0F) == -3.0F);
  CHECK(part_weight(-kInfinity, 1.0F) == 0.0F);
}

TEST_CASE("one part is the whole, exactly", "[combine]") {
  for (const float lse : {0.0F, -87.25F, 1234.5F, 3e38F, -3e38F}) {
    CHECK(combined_lse(&lse, 1, 1) == lse);
    const float value = 0.3F;
    CHECK(combined_value(&lse, 1, lse, &value, 1, 1) == value);
  }
}

TEST_CASE("numbers near the ends of float neither overflow nor vanish", "[combine]") {
  check_parts({3e38F, -3e38F}, {2.0F, 5.0F});
  check_parts({-3e38F, -3e38F}, {2.0F, 4.0F});
  check_parts({88.0F, 89.0F, 90.0F}, {1.0F, 1.0F, 1.0F});  // e^90 is more than a float holds
}

TEST_CASE("a NaN in a part is in the whole", "[combine]") {
  for (const std::vector<float>& lse :
       {std::vector<float>{kNan}, {kNan, -kInfinity}, {1.0F, kNan}, {kNan, 1.0F}}) {
    const float whole = combined_lse(lse.data(), 1, static_cast<int>(lse.size()));
    CHECK(std::isnan(whole));
    const std::vector<float> values(lse.size(), 1.0F);
    CHECK(std::isnan(
        combined_value(lse.data(), 1, whole, values.data(), 1, static_cast<int>(lse.size()))));
  }
}

TEST_CASE("splits of keys are a partition, equal to one key", "[split]") {
  for (int length = 0; length < 40; ++length) {
    for (int splits = 1; splits < 50; ++splits) {
      int end = 0;
      for (int s = 0; s < splits; ++s) {
        const Range<int> part = split_keys(length, splits, s);
        REQUIRE(part.begin == end);
        REQUIRE(part.size() >= length / splits);
        REQUIRE(part.size() <= (length + splits - 1) / splits);
        const Range<int> blocks = split_blocks<int>({7, 7 + length}, splits, s);
        REQUIRE(blocks == Range<int>{7 + part.begin, 7 + part.end});
        end = part.end;
      }
      REQUIRE(end == length);
    }
  }
}

namespace {

/// The rule in floating point, as it is told: efficiencies first, then the first good one.
int told_splits(int blocks, int slots, int key_blocks, int most) {
  const int limit = std::min(key_blocks, most);
  std::vector<double> efficiency;
  for (int s = 1; s <= limit; ++s) {
    const bool finer = s == 1 || (key_blocks + s - 1) / s != (key_blocks + s - 2) / (s - 1);
    const double waves = static_cast<double>(blocks) * s / slots;
    efficiency.push_back(finer ? waves / std::ceil(waves) : 0);
  }
  if (efficiency.empty()) return 1;
  const double best = *std::max_element(efficiency.begin(), efficiency.end());
  for (int s = 1; s <= limit; ++s) {
    if (efficiency[static_cast<std::size_t>(s - 1)] >= 0.85 * best - 1e-12) return s;
  }
  return 1;
}

}  // namespace

TEST_CASE("the number of splits follows the rule", "[split]") {
  for (const int slots : {1, 2, 3, 16, 216, 264}) {
    for (int blocks = 1; blocks < 3 * slots; blocks += 1 + slots / 40) {
      for (const int key_blocks : {0, 1, 2, 7, 64, 65, 500}) {
        INFO(blocks << " blocks, " << slots << " slots, " << key_blocks << " key blocks");
        REQUIRE(even_splits(blocks, slots, key_blocks, kMostSplits) ==
                told_splits(blocks, slots, key_blocks, kMostSplits));
      }
    }
  }
  // 8 blocks on 264 places: 33 splits fill all of them, 29 are the first to fill 85 %.
  CHECK(device_splits(8, 132, 512) == 29);
  CHECK(device_splits(212, 132, 512) == 1);  // four fifths of 264 is 211.2
  CHECK(device_splits(211, 132, 512) == told_splits(211, 264, 512, 128));
  CHECK(device_splits(1, 132, 1) == 1);
  CHECK(device_splits(1, 132, 100000) == 109);  // 85 % of 128
  CHECK(even_splits(1, 2, 100, 128) == 2);
  CHECK(even_splits(3, 2, 100, 128) == 2);
  CHECK(even_splits(8, 2, 100, 128) == 1);
}

TEST_CASE("partial answers have a place each", "[split]") {
  const PartialLayout layout{3, 4, 5, 8};
  std::vector<int> uses(static_cast<std::size_t>(layout.lse_floats()), 0);
  for (int split = 0; split < 3; ++split) {
    for (int head = 0; head < 4; ++head) {
      for (int row = 0; row < 5; ++row) {
        ++uses.at(static_cast<std::size_t>(layout.at(split, head, row)));
        CHECK(layout.at(split, head, row) ==
              layout.at(0, head, row) + split * layout.split_stride());
      }
    }
  }
  CHECK(std::all_of(uses.begin(), uses.end(), [](int count) { return count == 1; }));
  CHECK(layout.out_floats() == 3 * 4 * 5 * 8);
}

}  // namespace ashlar::flashattention2
