#include <cmath>
#include <limits>
#include <vector>

#include <catch2/catch.hpp>

#include "harness/statistics/bootstrap.hpp"
#include "harness/statistics/order.hpp"
#include "harness/statistics/random.hpp"

namespace ashlar::statistics {
namespace {

using Values = std::vector<double>;
using Spans = std::vector<std::span<const double>>;

double uniform(SplitMix64& random) { return static_cast<double>(random.next() >> 11) * 0x1p-53; }

/// Rounds of different size, each with an offset of its own, with a long tail above.
std::vector<Values> made(std::uint64_t seed, std::size_t rounds, double drift) {
  SplitMix64 random(seed);
  std::vector<Values> all(rounds);
  for (Values& round : all) {
    const double offset = 10 + drift * uniform(random);
    round.resize(5 + random.index(20));
    for (double& value : round) value = offset - std::log(1 - uniform(random));
  }
  return all;
}

/// The share of the drawn medians that are at most x, ties as one half.
double share(const Values& drawn, double x) {
  double below = 0;
  for (const double value : drawn) below += value < x ? 1 : value == x ? 0.5 : 0;
  return below / static_cast<double>(drawn.size());
}

TEST_CASE("with many rounds the computed interval is that of very many resamples") {
  for (const std::size_t count : {kManyRounds, std::size_t{50}}) {
    for (const double drift : {0.0, 1.0, 8.0}) {
      const auto rounds = made(count + static_cast<std::uint64_t>(10 * drift), count, drift);
      const Spans spans(rounds.begin(), rounds.end());
      const Interval computed = clustered_median(spans);
      const Values drawn = clustered_bootstrap_distribution(spans, median, {.resamples = 20000});
      CAPTURE(count, drift, computed.low, computed.high);
      CHECK(share(drawn, computed.low) == Approx(0.025).margin(0.012));
      CHECK(share(drawn, computed.high) == Approx(0.975).margin(0.012));
      Values all;
      for (const Values& round : rounds) all.insert(all.end(), round.begin(), round.end());
      CHECK(computed.estimate == median(all));
      CHECK(computed.coverage == 0.95);
    }
  }
}

TEST_CASE("fewer rounds are resampled as ever") {
  const auto rounds = made(1, kManyRounds - 1, 1);
  Spans spans(rounds.begin(), rounds.end());
  spans.emplace_back();  // an empty round is none
  CHECK(clustered_median(spans, {.seed = 3}) == clustered_bootstrap(spans, median, {.seed = 3}));
}

TEST_CASE("a wider level gives a wider interval, and scaling scales it") {
  auto rounds = made(2, 30, 2);
  const Spans spans(rounds.begin(), rounds.end());
  const Interval narrow = clustered_median(spans, {.level = 0.8});
  const Interval wide = clustered_median(spans, {.level = 0.9999});
  CHECK(wide.low < narrow.low);
  CHECK(narrow.low < narrow.estimate);
  CHECK(narrow.estimate < narrow.high);
  CHECK(narrow.high < wide.high);
  for (Values& round : rounds)
    for (double& value : round) value *= 4;
  CHECK(clustered_median(spans, {.level = 0.8}).high == 4 * narrow.high);
}

TEST_CASE("equal samples, and samples that are no numbers") {
  std::vector<Values> rounds(25, Values(3, 7.0));
  const Spans spans(rounds.begin(), rounds.end());
  CHECK(clustered_median(spans) == Interval{7, 7, 7, 0.95});
  rounds[4][1] = std::numeric_limits<double>::quiet_NaN();
  CHECK(clustered_median(spans).coverage == 0);
  CHECK(std::isnan(clustered_median(spans).estimate));
  CHECK_THROWS_AS(clustered_median(spans, {.level = 1}), std::invalid_argument);
}

}  // namespace
}  // namespace ashlar::statistics
