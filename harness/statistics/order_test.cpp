#include "harness/statistics/order.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "harness/statistics/random.hpp"

namespace ashlar::statistics {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
using Values = std::vector<double>;

const Values kSample{12.1, 11.7, 13.4, 12.9, 15.2, 11.9, 12.3, 12.0,
                     18.8, 12.2, 12.5, 11.8, 12.6, 13.1, 12.4};

Values shuffled(Values values, std::uint64_t seed) {
  SplitMix64 random(seed);
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.index(i)]);
  return values;
}

Values transformed(Values values, double factor, double offset) {
  for (double& value : values) value = factor * value + offset;
  return values;
}

/// P(rank <= Bin(n, 1/2) <= n - rank), summed term by term.
double coverage_by_definition(std::size_t n, std::size_t rank) {
  double term = std::pow(0.5, static_cast<double>(n));
  double sum = 0;
  for (std::size_t k = 0; k <= n; ++k) {
    if (k >= rank && k + rank <= n) sum += term;
    term *= static_cast<double>(n - k) / static_cast<double>(k + 1);
  }
  return sum;
}

TEST_CASE("summaries agree with SciPy") {
  CHECK(median(kSample) == 12.4);
  CHECK(median(Values{4, 1, 3, 2}) == 2.5);
  CHECK(quantile(kSample, 0) == 11.7);
  CHECK(quantile(kSample, 0.1) == Approx(11.84).epsilon(1e-14));
  CHECK(quantile(kSample, 0.333) == Approx(12.1662).epsilon(1e-14));
  CHECK(quantile(kSample, 0.75) == Approx(13.0).epsilon(1e-14));
  CHECK(quantile(kSample, 1) == 18.8);
  CHECK(mdape(kSample) == Approx(0.04032258064516129).epsilon(1e-14));
  CHECK(geometric_mean(kSample) == Approx(12.893407975843381).epsilon(1e-14));
  CHECK(geometric_mean(Values{2, 8}) == Approx(4).epsilon(1e-15));
}

TEST_CASE("the rank of the median's interval is the largest that covers") {
  CHECK(median_rank(15).rank == 4);
  CHECK(median_rank(15).coverage == Approx(0.96484375).epsilon(1e-14));
  CHECK(median_rank(6).rank == 1);
  CHECK(median_rank(6).coverage == Approx(0.96875).epsilon(1e-14));
  CHECK(median_rank(31).rank == 10);
  CHECK(median_rank(200).rank == 86);
  CHECK(median_rank(200).coverage == Approx(0.9599628083866004).epsilon(1e-12));
  CHECK(median_rank(10000).rank == 4902);
  CHECK(median_rank(10000).coverage == Approx(0.9511670501036188).epsilon(1e-10));
  CHECK(median_rank(5, 0.9375).rank == 1);
  for (std::size_t n = 2; n <= 60; ++n) {
    const MedianRank found = median_rank(n);
    INFO("n = " << n);
    CHECK(found.coverage == Approx(coverage_by_definition(n, found.rank)).epsilon(1e-12));
    if (n >= 6) CHECK(found.coverage >= 0.95);
    if (2 * (found.rank + 1) <= n) CHECK(coverage_by_definition(n, found.rank + 1) < 0.95);
  }
}

TEST_CASE("few values give the whole range and the coverage it has") {
  const Interval five = median_interval(Values{5, 1, 4, 2, 3});
  CHECK(five == Interval{1, 3, 5, 0.9375});
  const Interval two = median_interval(Values{2, 1});
  CHECK(two == Interval{1, 1.5, 2, 0.5});
  CHECK(median_interval(Values{7}) == Interval{7, 7, 7, 0});
  const Interval fifteen = median_interval(kSample);
  CHECK(fifteen.low == 12.0);
  CHECK(fifteen.high == 13.1);
}

TEST_CASE("summaries follow shift, scale and permutation") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Values mixed = shuffled(kSample, seed);
    CHECK(median(mixed) == median(kSample));
    CHECK(quantile(mixed, 0.37) == quantile(kSample, 0.37));
    CHECK(mdape(mixed) == mdape(kSample));
    CHECK(geometric_mean(mixed) == Approx(geometric_mean(kSample)).epsilon(1e-14));
    CHECK(median_interval(mixed) == median_interval(kSample));
  }
  const Values moved = transformed(kSample, 4, -3);
  CHECK(median(moved) == Approx(4 * median(kSample) - 3));
  CHECK(quantile(moved, 0.2) == Approx(4 * quantile(kSample, 0.2) - 3));
  CHECK(median_interval(moved).low == Approx(4 * median_interval(kSample).low - 3));
  CHECK(mdape(transformed(kSample, 1e6, 0)) == Approx(mdape(kSample)));
  CHECK(geometric_mean(transformed(kSample, 8, 0)) == Approx(8 * geometric_mean(kSample)));
  const Interval mirrored = median_interval(transformed(kSample, -1, 0));
  CHECK(mirrored.low == -median_interval(kSample).high);
}

TEST_CASE("the interval of the median covers as often as it says") {
  SplitMix64 random(1);
  int covered = 0;
  constexpr int kTrials = 4000;
  for (int trial = 0; trial < kTrials; ++trial) {
    Values values(15);
    // Squared uniform: skewed, median 1/4.
    for (double& value : values) {
      const double uniform = static_cast<double>(random.next() >> 11) * 0x1p-53;
      value = uniform * uniform;
    }
    const Interval interval = median_interval(values);
    covered += interval.low <= 0.25 && 0.25 <= interval.high ? 1 : 0;
  }
  // 96.5 % expected, standard error 0.3 %.
  CHECK(covered > 0.953 * kTrials);
  CHECK(covered < 0.976 * kTrials);
}

TEST_CASE("bad input of summaries is answered with NaN, mistakes with an exception") {
  for (const Values& bad : {Values{}, Values{1, kNaN, 2}}) {
    CHECK(std::isnan(median(bad)));
    CHECK(std::isnan(quantile(bad, 0.5)));
    CHECK(std::isnan(mdape(bad)));
    CHECK(std::isnan(geometric_mean(bad)));
    const Interval interval = median_interval(bad);
    CHECK(std::isnan(interval.low));
    CHECK(std::isnan(interval.estimate));
    CHECK(std::isnan(interval.high));
    CHECK(interval.coverage == 0);
  }
  CHECK(median(Values{1, 2, kInf}) == 2);
  CHECK(median(Values{1, kInf, kInf}) == kInf);
  CHECK(median(Values{kInf, kInf}) == kInf);
  CHECK(quantile(Values{1, 2, kInf}, 0.5) == 2);
  CHECK(median(Values{1e308, 1.5e308}) == Approx(1.25e308));
  CHECK(std::isnan(mdape(Values{-1, 0, 1})));
  CHECK(std::isnan(geometric_mean(Values{1, 0})));
  CHECK(std::isnan(geometric_mean(Values{1, -1})));
  CHECK_THROWS_AS(quantile(kSample, 1.5), std::invalid_argument);
  CHECK_THROWS_AS(quantile(kSample, kNaN), std::invalid_argument);
  CHECK_THROWS_AS(median_interval(kSample, 1.0), std::invalid_argument);
}

}  // namespace
}  // namespace ashlar::statistics
