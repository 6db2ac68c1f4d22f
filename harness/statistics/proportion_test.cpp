#include "harness/statistics/proportion.hpp"

#include <cmath>

#include <catch2/catch.hpp>

using namespace ashlar::statistics;

TEST_CASE("binomial probabilities are those counted by hand") {
  CHECK(binomial_cdf(0, 4, 0.5) == Approx(1.0 / 16));
  CHECK(binomial_cdf(1, 4, 0.5) == Approx(5.0 / 16));
  CHECK(binomial_cdf(4, 4, 0.5) == 1);
  CHECK(binomial_cdf(2, 3, 0) == 1);
  CHECK(binomial_cdf(2, 3, 1) == 0);
}

TEST_CASE("the interval of a proportion has the textbook's ends") {
  // Clopper-Pearson, 95 %: R's binom.test(45, 50) and binom.test(1, 300).
  const Interval power = proportion_interval(45, 50);
  CHECK(power.estimate == 0.9);
  CHECK(power.low == Approx(0.78186).epsilon(1e-4));
  CHECK(power.high == Approx(0.96672).epsilon(1e-4));
  const Interval alarm = proportion_interval(1, 300);
  CHECK(alarm.low == Approx(8.4389e-05).epsilon(1e-3));
  CHECK(alarm.high == Approx(0.018431).epsilon(1e-3));
}

TEST_CASE("nothing seen leaves the rule of three") {
  const Interval none = proportion_interval(0, 300);
  CHECK(none.low == 0);
  CHECK(none.high == Approx(1 - std::pow(0.05, 1.0 / 300)));
  CHECK(none.high == Approx(3.0 / 300).epsilon(0.01));
  const Interval all = proportion_interval(300, 300);
  CHECK(all.high == 1);
  CHECK(all.low == Approx(1 - none.high));
}

TEST_CASE("the interval is symmetric, and says nothing of nothing") {
  const Interval some = proportion_interval(7, 20);
  const Interval others = proportion_interval(13, 20);
  CHECK(some.low == Approx(1 - others.high));
  CHECK(some.high == Approx(1 - others.low));
  CHECK(proportion_interval(0, 0).coverage == 0);
  CHECK(std::isnan(proportion_interval(0, 0).estimate));
  CHECK_THROWS_AS(proportion_interval(3, 2), std::invalid_argument);
  CHECK_THROWS_AS(proportion_interval(1, 2, 1), std::invalid_argument);
}
