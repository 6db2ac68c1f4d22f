#include "harness/statistics/significance.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "harness/statistics/interval.hpp"
#include "harness/statistics/random.hpp"

namespace ashlar::statistics {
namespace {

using Values = std::vector<double>;

const Values kLower{12.1, 11.7, 13.4, 12.9, 15.2, 11.9, 12.3, 12.0,
                    18.8, 12.2, 12.5, 11.8, 12.6, 13.1, 12.4};
const Values kHigher{12.8, 12.65, 13.9, 13.3, 12.95, 14.1, 13.05, 12.75, 13.6, 13.2};

void check_equal(const Values& found, const Values& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(expected[i]));
}

TEST_CASE("the sign test agrees with SciPy's binomial test") {
  CHECK(sign_test(1, 9) == Approx(0.021484375).epsilon(1e-13));
  CHECK(sign_test(10, 0) == Approx(0.001953125).epsilon(1e-13));
  CHECK(sign_test(5, 5) == 1);
  CHECK(sign_test(3, 12) == Approx(0.03515625).epsilon(1e-13));
  CHECK(sign_test(30, 70) == Approx(7.85013964559367e-05).epsilon(1e-12));
  CHECK(sign_test(400, 600) == Approx(2.728464156065947e-10).epsilon(1e-11));
  CHECK(sign_test(Values{1, 2, 0, -1, 3, 0, 4, 5, 6, 7, 8, 9}) == Approx(0.021484375));
  CHECK(sign_test(Values{0, 0}) == 1);
  CHECK(sign_test(Values{}) == 1);
  CHECK(std::isnan(sign_test(Values{1, kNaN})));
}

TEST_CASE("Mann-Whitney agrees with SciPy, exact") {
  const MannWhitney large = mann_whitney(kLower, kHigher);
  CHECK(large.exact);
  CHECK(large.u == 35);
  CHECK(large.p == Approx(0.02641613333496494).epsilon(1e-12));
  const MannWhitney small = mann_whitney(Values{1, 2, 3}, Values{4, 5, 6, 7});
  CHECK(small.exact);
  CHECK(small.u == 0);
  CHECK(small.p == Approx(2.0 / 35).epsilon(1e-13));
  CHECK(mann_whitney(Values{1}, Values{2}).p == 1);
}

TEST_CASE("Mann-Whitney agrees with SciPy, approximate") {
  const MannWhitney ties =
      mann_whitney(Values{1, 2, 2, 3, 5, 5, 5, 8}, Values{2, 4, 5, 6, 6, 9, 9});
  CHECK_FALSE(ties.exact);
  CHECK(ties.u == 14.5);
  CHECK(ties.p == Approx(0.1269048744424945).epsilon(1e-12));
  Values a;
  Values b;
  for (int i = 0; i < 25; ++i) a.push_back(((i * 37) % 101) / 7.0);
  for (int i = 0; i < 22; ++i) b.push_back(((i * 53 + 11) % 103) / 6.5);
  const MannWhitney many = mann_whitney(a, b);
  CHECK_FALSE(many.exact);
  CHECK(many.u == 229);
  CHECK(many.p == Approx(0.33201496110198303).epsilon(1e-12));
}

TEST_CASE("Mann-Whitney is symmetric, and blind to monotone maps") {
  const MannWhitney forth = mann_whitney(kLower, kHigher);
  const MannWhitney back = mann_whitney(kHigher, kLower);
  CHECK(forth.p == Approx(back.p));
  CHECK(forth.u + back.u == 150);
  Values a = kLower;
  Values b = kHigher;
  for (double& value : a) value = std::exp(value);
  for (double& value : b) value = std::exp(value);
  CHECK(mann_whitney(a, b).p == forth.p);
}

TEST_CASE("Mann-Whitney's p-values are uniform without a difference") {
  SplitMix64 random(9);
  int below = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    Values a(9);
    Values b(9);
    for (double& value : a) value = static_cast<double>(random.next() >> 11);
    for (double& value : b) value = static_cast<double>(random.next() >> 11);
    below += mann_whitney(a, b).p <= 0.05 ? 1 : 0;
  }
  // The exact test rejects 4.0 % at this size (U is discrete), standard error 0.4 %.
  CHECK(below > 0.025 * kTrials);
  CHECK(below < 0.055 * kTrials);
}

TEST_CASE("bad input of Mann-Whitney") {
  CHECK(std::isnan(mann_whitney(Values{}, kLower).p));
  CHECK(std::isnan(mann_whitney(kLower, Values{kNaN}).p));
  CHECK(mann_whitney(Values{1, 1, 1}, Values{1, 1}).p == 1);
}

TEST_CASE("corrections for many cases agree with SciPy and with Holm's definition") {
  const Values p{0.01, 0.02, 0.03, 0.04, 0.05, 0.001, 0.8, 0.04};
  const double third = 0.16 / 3;
  check_equal(benjamini_hochberg(p), {0.04, third, third, third, 0.4 / 7, 0.008, 0.8, third});
  check_equal(holm(p), {0.07, 0.12, 0.15, 0.16, 0.16, 0.008, 0.8, 0.16});
  check_equal(holm(Values{0.5, 0.6}), {1, 1});
  check_equal(benjamini_hochberg(Values{0.5, 0.6}), {0.6, 0.6});
  check_equal(benjamini_hochberg(Values{0.02, kNaN}), {0.04, 1});
  check_equal(holm(Values{0.02, kNaN}), {0.04, 1});
  CHECK(holm(Values{}).empty());
  CHECK(benjamini_hochberg(Values{}).empty());
  CHECK_THROWS_AS(holm(Values{1.5}), std::invalid_argument);
  CHECK_THROWS_AS(benjamini_hochberg(Values{-0.1}), std::invalid_argument);
}

}  // namespace
}  // namespace ashlar::statistics
