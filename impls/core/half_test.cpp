#include "impls/core/half.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

#ifdef __F16C__
#include <immintrin.h>
#endif

namespace ashlar::core {
namespace {

struct Format {
  int mantissa_bits;
  int min_exponent;  // of the smallest normal number
  double overflow;   // what rounds to infinity, from here on
};
constexpr Format kHalf{10, -14, 65520.0};
constexpr Format kBrain{7, -126, 0x1.ffp127};

/// An independent oracle: rounds on the grid of the format by nearbyint in double.
double round_to_format(double value, const Format& format) {
  if (value == 0 || std::isnan(value) || std::isinf(value)) return value;
  if (std::abs(value) >= format.overflow) {
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  }
  int exponent = 0;
  std::frexp(value, &exponent);  // value = m 2^exponent with 0.5 <= |m| < 1
  const int lowest = std::max(exponent - 1, format.min_exponent) - format.mantissa_bits;
  return std::ldexp(std::nearbyint(std::ldexp(value, -lowest)), lowest);
}

template <class T>
T from_bits(std::uint32_t bits) {
  return T{static_cast<std::uint16_t>(bits)};
}

bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && std::signbit(a) == std::signbit(b);
}

template <class T>
void check_against_oracle(float value, const Format& format) {
  const double expected = round_to_format(static_cast<double>(value), format);
  const double actual = to_float(from_float<T>(value));
  if (!same(actual, expected)) {  // an assertion for each would take most of the time
    CAPTURE(value, std::bit_cast<std::uint32_t>(value), actual, expected);
    FAIL("conversion differs from the oracle");
  }
}

/// All values of the format, all midpoints between neighbours and what lies just beside those.
template <class T>
void check_every_value(const Format& format) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto value = from_bits<T>(bits);
    const float wide = to_float(value);
    const T back = from_float<T>(wide);
    if (std::isnan(wide)) {
      if (!std::isnan(to_float(back))) FAIL("NaN lost: " << bits);
      continue;
    }
    if (back.bits != bits) FAIL("does not round trip: " << bits);
    const float next = to_float(from_bits<T>(bits + 1));
    if (std::isfinite(wide) && std::isfinite(next)) {
      const float middle = wide + (next - wide) / 2;
      check_against_oracle<T>(middle, format);
      check_against_oracle<T>(std::nextafter(middle, wide), format);
      check_against_oracle<T>(std::nextafter(middle, next), format);
    }
  }
}

/// About a million floats over all exponents, NaN and infinities among them.
template <class Check>
void for_many_floats(const Check& check) {
  for (std::uint64_t bits = 0; bits < 0x100000000u; bits += 4099) {
    check(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
}

TEST_CASE("binary16: every value round trips and midpoints go to even", "[half]") {
  check_every_value<Float16>(kHalf);
  for_many_floats([](float value) { check_against_oracle<Float16>(value, kHalf); });
}

TEST_CASE("bfloat16: every value round trips and midpoints go to even", "[half]") {
  check_every_value<BFloat16>(kBrain);
  for_many_floats([](float value) { check_against_oracle<BFloat16>(value, kBrain); });
}

TEST_CASE("binary16: edges by hand", "[half]") {
  CHECK(to_float16(1.0f).bits == 0x3c00);
  CHECK(to_float16(-2.0f).bits == 0xc000);
  CHECK(to_float16(65504.0f).bits == 0x7bff);
  CHECK(to_float16(65519.996f).bits == 0x7bff);
  CHECK(to_float16(65520.0f).bits == 0x7c00);
  CHECK(to_float16(-1e30f).bits == 0xfc00);
  CHECK(to_float16(0x1p-24f).bits == 0x0001);
  CHECK(to_float16(0x1p-25f).bits == 0x0000);  // tie with zero, which is even
  CHECK(to_float16(0x1.000002p-25f).bits == 0x0001);
  CHECK(to_float16(0x1.8p-24f).bits == 0x0002);    // tie between 1 and 2
  CHECK(to_float16(0x1.ffep-15f).bits == 0x0400);  // rounds up to the smallest normal
  CHECK(to_float16(-0.0f).bits == 0x8000);
  CHECK(to_float16(1.00048828125f).bits == 0x3c00);  // tie to even, down
  CHECK(to_float16(1.00146484375f).bits == 0x3c02);  // tie to even, up
  CHECK(to_float(Float16{0x7c00}) == std::numeric_limits<float>::infinity());
  CHECK(to_float(Float16{0x03ff}) == 0x1.ff8p-15f);
}

TEST_CASE("bfloat16: edges by hand", "[half]") {
  CHECK(to_bfloat16(1.0f).bits == 0x3f80);
  CHECK(to_bfloat16(1.00390625f).bits == 0x3f80);  // tie to even, down
  CHECK(to_bfloat16(1.01171875f).bits == 0x3f82);  // tie to even, up
  CHECK(to_bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(to_bfloat16(std::numeric_limits<float>::denorm_min()).bits == 0x0000);
  CHECK(to_bfloat16(-std::numeric_limits<float>::infinity()).bits == 0xff80);
  // The payload of this NaN lies in the lower half alone; cut off, it would become infinity.
  const float low_nan = std::bit_cast<float>(0x7f800001u);
  CHECK(std::isnan(to_float(to_bfloat16(low_nan))));
}

#ifdef __F16C__
TEST_CASE("binary16: agrees with the F16C instructions bit for bit", "[half]") {
  std::uint64_t differences = 0;
  for_many_floats([&](float value) {
    const std::uint16_t expected = _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT);
    differences += to_float16(value).bits != expected;
  });
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float expected = _cvtsh_ss(static_cast<std::uint16_t>(bits));
    const float actual = to_float(from_bits<Float16>(bits));
    differences += !same(static_cast<double>(actual), static_cast<double>(expected));
  }
  CHECK(differences == 0);
}
#endif

TEST_CASE("conversions are usable in constant expressions", "[half]") {
  static_assert(to_float(to_float16(0.5f)) == 0.5f);
  static_assert(to_float(to_bfloat16(-3.0f)) == -3.0f);
  static_assert(from_float<double>(0.25f) == 0.25);
  SUCCEED();
}

}  // namespace
}  // namespace ashlar::core
