#include "harness/statistics/bootstrap.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "harness/statistics/order.hpp"
#include "harness/statistics/random.hpp"

namespace ashlar::statistics {
namespace {

using Values = std::vector<double>;
using Spans = std::vector<std::span<const double>>;

const Values kA{12.1, 11.7, 13.4, 12.9, 15.2, 11.9, 12.3, 12.0,
                18.8, 12.2, 12.5, 11.8, 12.6, 13.1, 12.4};
const Values kB{12.8, 12.65, 13.9, 13.3, 12.95, 14.1, 13.05, 12.75, 13.6, 13.2};

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// Sum of twelve uniforms minus six: close enough to a normal for coverage tests.
double normal(SplitMix64& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random.next() >> 11) * 0x1p-53;
  return sum;
}

Values scaled(Values values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

/// Samples of `rounds` processes, each with a random offset of its own.
std::vector<Values> drifting_rounds(SplitMix64& random, int rounds, int samples, double drift) {
  std::vector<Values> result;
  for (int r = 0; r < rounds; ++r) {
    const double offset = drift * normal(random);
    Values values;
    for (int i = 0; i < samples; ++i) values.push_back(offset + 0.1 * normal(random));
    result.push_back(values);
  }
  return result;
}

TEST_CASE("the generator gives the published SplitMix64 stream") {
  SplitMix64 random(1234567);
  CHECK(random.next() == 6457827717110365317ull);
  CHECK(random.next() == 3203168211198807973ull);
  CHECK(random.next() == 9817491932198370423ull);
  SplitMix64 indices(7);
  std::vector<int> counts(10);
  for (int i = 0; i < 100000; ++i) ++counts[indices.index(10)];
  for (const int count : counts) CHECK(std::abs(count - 10000) < 500);
}

TEST_CASE("seeds of case ids are fixed and unrelated") {
  CHECK(seed_of("") == mix64(0xcbf29ce484222325ull));
  CHECK(seed_of("a") == mix64(0xaf63dc4c8601ec8cull));
  CHECK(seed_of("suite/experiment/n=1") != seed_of("suite/experiment/n=2"));
}

TEST_CASE("percentile intervals agree with SciPy's bootstrap") {
  // 200 000 resamples there, 20 000 here: equal up to the noise of the resampling.
  const BootstrapOptions options{.resamples = 20000, .seed = 3};
  const Interval of_mean = bootstrap(kA, mean, options);
  CHECK(of_mean.low == Approx(12.2733).margin(0.02));
  CHECK(of_mean.high == Approx(14.0067).margin(0.04));
  CHECK(of_mean.estimate == Approx(mean(kA)));
  CHECK(of_mean.coverage == 0.95);
  const Interval of_median = bootstrap(kA, median, options);
  CHECK(of_median.low == 12.0);
  CHECK(of_median.high == 13.1);
  const Interval ratio = ratio_of_medians(kA, kB, options);
  CHECK(ratio.low == Approx(0.90109).margin(0.003));
  CHECK(ratio.high == Approx(0.99614).margin(0.003));
  CHECK(ratio.estimate == Approx(0.9447619047619048).epsilon(1e-14));
}

TEST_CASE("the same seed gives the same interval, another seed another") {
  const BootstrapOptions one{.seed = seed_of("case")};
  CHECK(bootstrap(kA, mean, one) == bootstrap(kA, mean, one));
  CHECK_FALSE(bootstrap(kA, mean, one) == bootstrap(kA, mean, {.seed = seed_of("other")}));
  CHECK(ratio_of_medians(kA, kB, one) == ratio_of_medians(kA, kB, one));
}

TEST_CASE("ratios follow scale and exchange of the sides") {
  const Interval ratio = ratio_of_medians(kA, kB);
  const Interval tripled = ratio_of_medians(scaled(kA, 3), kB);
  CHECK(tripled.low == Approx(3 * ratio.low));
  CHECK(tripled.high == Approx(3 * ratio.high));
  const Interval paired = paired_ratio(scaled(kA, 1.1), kA);
  CHECK(paired.low == Approx(1.1));
  CHECK(paired.estimate == Approx(1.1));
  CHECK(paired.high == Approx(1.1));
  const Values a(kA.begin(), kA.begin() + 10);
  const Interval forth = paired_ratio(a, kB);
  const Interval back = paired_ratio(kB, a);
  CHECK(forth.low == Approx(1 / back.high));
  CHECK(forth.coverage == median_rank(10).coverage);
}

TEST_CASE("pairing cancels a drift that both sides share") {
  SplitMix64 random(5);
  Values numerator;
  Values denominator;
  for (int i = 0; i < 40; ++i) {
    const double drift = 1 + 0.05 * i;
    numerator.push_back(1.2 * drift * (1 + 0.002 * normal(random)));
    denominator.push_back(drift * (1 + 0.002 * normal(random)));
  }
  const Interval paired = paired_ratio(numerator, denominator);
  const Interval independent = ratio_of_medians(numerator, denominator);
  CHECK(paired.estimate == Approx(1.2).epsilon(0.005));
  CHECK(paired.high - paired.low < 0.1 * (independent.high - independent.low));
}

TEST_CASE("a clustered interval is wider where processes differ, and alike where they do not") {
  SplitMix64 random(11);
  const auto same = drifting_rounds(random, 8, 10, 0);
  const auto different = drifting_rounds(random, 8, 10, 1);
  const auto width = [](const Interval& interval) { return interval.high - interval.low; };
  for (const auto* rounds : {&same, &different}) {
    const Spans spans(rounds->begin(), rounds->end());
    Values all;
    for (const auto& round : *rounds) all.insert(all.end(), round.begin(), round.end());
    const double ratio = width(clustered_bootstrap(spans, mean)) / width(bootstrap(all, mean));
    if (rounds == &same) CHECK(ratio < 2);
    if (rounds == &different) CHECK(ratio > 2);
  }
}

TEST_CASE("intervals over rounds cover about as often as documented") {
  SplitMix64 random(17);
  int naive = 0;
  int clustered = 0;
  int student = 0;
  constexpr int kTrials = 300;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto rounds = drifting_rounds(random, 10, 8, 0.5);
    const Spans spans(rounds.begin(), rounds.end());
    Values all;
    for (const auto& round : rounds) all.insert(all.end(), round.begin(), round.end());
    const BootstrapOptions options{.resamples = 300, .seed = random.next()};
    const auto holds_zero = [](const Interval& i) { return i.low <= 0 && 0 <= i.high ? 1 : 0; };
    naive += holds_zero(bootstrap(all, mean, options));
    clustered += holds_zero(clustered_bootstrap(spans, mean, options));
    student += holds_zero(round_median_interval(spans));
  }
  CHECK(naive < 0.65 * kTrials);
  CHECK(clustered > 0.85 * kTrials);
  CHECK(student > 0.91 * kTrials);
}

TEST_CASE("clustered ratios") {
  SplitMix64 random(23);
  std::vector<Values> slow;
  std::vector<Values> fast;
  for (int r = 0; r < 6; ++r) {
    const double process = 1 + 0.2 * normal(random);
    Values a;
    Values b;
    for (int i = 0; i < 8; ++i) {
      b.push_back(process * (1 + 0.01 * normal(random)));
      a.push_back(2 * process * (1 + 0.01 * normal(random)));
    }
    slow.push_back(a);
    fast.push_back(b);
  }
  const Spans above(slow.begin(), slow.end());
  const Spans below(fast.begin(), fast.end());
  const Interval paired = clustered_paired_ratio(above, below);
  const Interval independent = clustered_ratio_of_medians(above, below);
  CHECK(paired.low < 2);
  CHECK(paired.high > 2);
  CHECK(paired.high - paired.low < 0.05);
  CHECK(independent.low < 2);
  CHECK(independent.high > 2);
  CHECK(independent.high - independent.low > paired.high - paired.low);
  const Spans one_above{above[0]};
  const Spans one_below{below[0]};
  CHECK(clustered_paired_ratio(one_above, one_below) == paired_ratio(above[0], below[0]));
  CHECK_THROWS_AS(clustered_paired_ratio(above, one_below), std::invalid_argument);
}

TEST_CASE("empty rounds are ignored") {
  const Spans with{kA, {}, kB};
  const Spans without{kA, kB};
  CHECK(clustered_bootstrap(with, median) == clustered_bootstrap(without, median));
}

TEST_CASE("bootstrap p-values") {
  const auto distribution = bootstrap_distribution(kA, mean);
  CHECK(distribution.size() == 2000);
  CHECK(bootstrap_p_value(distribution, 0) == Approx(2.0 / 2001));
  CHECK(bootstrap_p_value(distribution, median(distribution)) > 0.99);
  CHECK(std::isnan(bootstrap_p_value({}, 0)));
}

TEST_CASE("Student's t agrees with SciPy") {
  CHECK(student_t_quantile(0.975, 1) == Approx(12.706204736174694).epsilon(1e-12));
  CHECK(student_t_quantile(0.975, 2) == Approx(4.302652729749462).epsilon(1e-12));
  CHECK(student_t_quantile(0.975, 3) == Approx(3.1824463052837078).epsilon(1e-12));
  CHECK(student_t_quantile(0.975, 4) == Approx(2.7764451051977934).epsilon(1e-12));
  CHECK(student_t_quantile(0.975, 9) == Approx(2.262157162798205).epsilon(1e-12));
  CHECK(student_t_quantile(0.995, 30) == Approx(2.7499956535672254).epsilon(1e-12));
  CHECK(student_t_quantile(0.1, 7) == Approx(-1.4149239276505086).epsilon(1e-12));
  const Values a{1, 1, 1};
  const Values b{2, 2, 2};
  const Interval two = round_median_interval(Spans{a, b});
  CHECK(two.estimate == 1.5);
  CHECK(two.high == Approx(1.5 + 0.5 * 12.706204736174694));
}

TEST_CASE("bad input of the bootstrap") {
  for (const Values& bad : {Values{}, Values{1, kNaN, 2}}) {
    const Spans spans{bad};
    for (const Interval& interval :
         {bootstrap(bad, mean), ratio_of_medians(bad, kA), ratio_of_medians(kA, bad),
          paired_ratio(bad, bad), clustered_bootstrap(spans, mean),
          clustered_ratio_of_medians(spans, spans), clustered_paired_ratio(spans, spans),
          round_median_interval(spans)}) {
      CHECK(std::isnan(interval.low));
      CHECK(std::isnan(interval.estimate));
      CHECK(std::isnan(interval.high));
      CHECK(interval.coverage == 0);
    }
  }
  CHECK(bootstrap(Values{3}, mean) == Interval{3, 3, 3, 0});
  CHECK(ratio_of_medians(Values{3}, Values{2, 2}) == Interval{1.5, 1.5, 1.5, 0});
  CHECK(std::isnan(ratio_of_medians(Values{1, 2}, Values{0, 1}).estimate));
  CHECK(std::isnan(log_ratios(Values{-1}, Values{1})[0]));
  CHECK_THROWS_AS(log_ratios(kA, kB), std::invalid_argument);
  CHECK_THROWS_AS(bootstrap(kA, mean, {.resamples = 10}), std::invalid_argument);
  CHECK_THROWS_AS(bootstrap(kA, mean, {.level = 1.0}), std::invalid_argument);
  CHECK_THROWS_AS(student_t_quantile(0.9, 0), std::invalid_argument);
  const auto often_undefined = [](std::span<const double> v) { return v[0] == 1 ? 1.0 : kNaN; };
  CHECK(bootstrap(Values{1, 2, 3, 4}, often_undefined) == Interval{1, 1, 1, 0});
}

}  // namespace
}  // namespace ashlar::statistics
