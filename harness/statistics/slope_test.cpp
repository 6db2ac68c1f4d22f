#include "harness/statistics/slope.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "harness/statistics/random.hpp"

namespace ashlar::statistics {
namespace {

using Values = std::vector<double>;
const Values kX{256, 512, 1024, 2048, 4096};

TEST_CASE("power fits agree with SciPy's line through logarithms") {
  const PowerFit fit = fit_power(kX, Values{1.1, 4.0, 17.5, 66.0, 270.0});
  CHECK(fit.slope == Approx(1.9923018265960248).epsilon(1e-13));
  CHECK(fit.log_factor == Approx(-10.98320751471894).epsilon(1e-13));
  CHECK(fit.r_squared == Approx(0.9996778288372286).epsilon(1e-13));
}

TEST_CASE("power fits follow scale and permutation, and find exact powers") {
  Values cubes;
  for (const double x : kX) cubes.push_back(5 * x * x * x);
  CHECK(fit_power(kX, cubes).slope == Approx(3).epsilon(1e-13));
  CHECK(std::exp(fit_power(kX, cubes).log_factor) == Approx(5).epsilon(1e-10));
  for (double& y : cubes) y *= 1000;
  CHECK(fit_power(kX, cubes).slope == Approx(3).epsilon(1e-13));
  const Values x(kX.rbegin(), kX.rend());
  const Values y(cubes.rbegin(), cubes.rend());
  CHECK(fit_power(x, y).slope == Approx(3).epsilon(1e-13));
  CHECK(fit_power(kX, Values(5, 2.0)).slope == Approx(0).margin(1e-14));
  CHECK(fit_power(kX, Values(5, 2.0)).r_squared == 1);
}

TEST_CASE("the interval of a slope holds the slope and repeats") {
  SplitMix64 random(2);
  std::vector<Values> samples;
  for (const double x : kX) {
    Values at_x;
    for (int i = 0; i < 15; ++i) {
      const double noise = static_cast<double>(random.next() >> 11) * 0x1p-53;
      at_x.push_back(x * x * (1 + 0.1 * noise));
    }
    samples.push_back(at_x);
  }
  const std::vector<std::span<const double>> spans(samples.begin(), samples.end());
  const Interval slope = power_slope(kX, spans);
  CHECK(slope.low < 2);
  CHECK(slope.high > 2);
  CHECK(slope.low <= slope.estimate);
  CHECK(slope.estimate <= slope.high);
  CHECK(slope.high - slope.low < 0.1);
  CHECK(slope.coverage == 0.95);
  CHECK(power_slope(kX, spans) == slope);
}

TEST_CASE("bad input of slopes") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(fit_power(Values{}, Values{}).slope));
  CHECK(std::isnan(fit_power(Values{3}, Values{1}).slope));
  CHECK(std::isnan(fit_power(Values{3, 3, 3}, Values{1, 2, 3}).slope));
  CHECK(std::isnan(fit_power(Values{1, 2}, Values{1, 0}).slope));
  CHECK(std::isnan(fit_power(Values{1, 2}, Values{1, nan}).slope));
  CHECK_THROWS_AS(fit_power(Values{1, 2}, Values{1}), std::invalid_argument);
  const Values one{1};
  const Values four{4};
  const std::vector<std::span<const double>> single{one, four};
  CHECK(power_slope(Values{1, 2}, single) == Interval{2, 2, 2, 0});
  const std::vector<std::span<const double>> hole{one, {}};
  CHECK(std::isnan(power_slope(Values{1, 2}, hole).estimate));
  const std::vector<std::span<const double>> twice{kX, kX};
  CHECK_THROWS_AS(power_slope(Values{1, 2}, twice, {.resamples = 1}), std::invalid_argument);
}

}  // namespace
}  // namespace ashlar::statistics
