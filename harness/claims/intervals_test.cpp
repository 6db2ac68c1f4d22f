// How many samples decide, and what the intervals of several rounds cover.
#include <catch2/catch.hpp>

#include "harness/claims/testing.hpp"

namespace ashlar::claims {
namespace {

using testing::ratio;
using testing::Records;
using testing::verdict_of;

/// naive takes twice as long as fast, within 1 %, in every round.
void put(Records& records, const Point& point, int rounds, std::size_t samples) {
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> naive;
    std::vector<double> fast;
    for (std::size_t i = 0; i < samples; ++i) {
      const double drift = 1 + 0.001 * static_cast<double>((i * 7 + 3) % 5) + 0.001 * round;
      naive.push_back(2000 * drift);
      fast.push_back(1000 * drift * (i % 2 == 0 ? 1.001 : 0.999));
    }
    records.timed(point, "naive", round, naive);
    records.timed(point, "fast", round, fast);
  }
}

Verdict of_rounds(int rounds, std::size_t samples, const std::string& check) {
  Records records;
  records.run("r1");
  put(records, Records::point(1), rounds, samples);
  return verdict_of(records, check);
}

const std::string kWithin =
    "form = \"within\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
    "of = { implementation = \"fast\" }\nexpect = [0.9e-3, 1.1e-3]";

TEST_CASE("one round of few samples decides nothing, neither for nor against") {
  for (const std::size_t samples : {2u, 3u, 5u}) {
    INFO(samples);
    for (const std::string& check :
         {ratio("expect = [1.9, 2.1]"), ratio("expect = [3, 4]"), kWithin}) {
      const Verdict verdict = of_rounds(1, samples, check);
      CHECK(verdict.outcome == Outcome::inconclusive);
      CHECK_THAT(verdict.reason, Catch::Contains(fmt::format("few samples ({})", samples)));
      CHECK(verdict.measured->estimate > 0);  // what there is can be read all the same
    }
  }
  CHECK(of_rounds(1, 6, ratio("expect = [1.9, 2.1]")).outcome == Outcome::reproduced);
  CHECK(of_rounds(1, 6, ratio("expect = [3, 4]")).outcome == Outcome::contradicted);
  CHECK(of_rounds(1, 6, kWithin).outcome == Outcome::reproduced);
}

TEST_CASE("a slow case of three rounds with three samples each can be judged") {
  CHECK(of_rounds(3, 3, ratio("expect = [1.9, 2.1]")).outcome == Outcome::reproduced);
  CHECK(of_rounds(3, 3, ratio("expect = [3, 4]")).outcome == Outcome::contradicted);
  CHECK(of_rounds(3, 3, kWithin).outcome == Outcome::reproduced);
  CHECK(of_rounds(1, 3, kWithin).outcome == Outcome::inconclusive);

  // Among many cells too, although 99.8 % for each of them are out of its reach.
  Records records;
  records.run("r1");
  for (int n = 1; n <= 24; ++n) put(records, Records::point(n), 3, 3);
  const Verdict many = verdict_of(records, ratio("expect = [1.9, 2.1]"));
  CHECK(many.outcome == Outcome::reproduced);
  CHECK(many.cells_reproduced == 24);
  // Two rounds of three reach 96.9 %, enough for one interval and not for five.
  Records fewer;
  fewer.run("r1");
  for (int n = 1; n <= 5; ++n) put(fewer, Records::point(n), 2, 3);
  CHECK(verdict_of(fewer, ratio("expect = [1.9, 2.1]")).outcome == Outcome::inconclusive);
  CHECK(verdict_of(fewer, ratio("where = { n = 1 }\nexpect = [1.9, 2.1]")).outcome ==
        Outcome::reproduced);
}

TEST_CASE("the ratio of two points needs both medians") {
  const std::string causal =
      "form = \"ratio\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
      "of = { implementation = \"naive\", causal = false }\n"
      "to = { implementation = \"naive\", causal = true }\nexpect = [0.9, 1.1]";
  const auto with = [&](int rounds, std::size_t samples) {
    Records records;
    records.run("r1");
    for (const bool mask : {false, true}) put(records, Records::point(1, mask), rounds, samples);
    return verdict_of(records, causal).outcome;
  };
  CHECK(with(1, 6) == Outcome::inconclusive);
  CHECK(with(1, 7) == Outcome::reproduced);
  CHECK(with(3, 3) == Outcome::reproduced);
}

TEST_CASE("several rounds: never narrower than their samples, nor than their medians") {
  Records noisy;  // rounds that agree, of samples that do not
  noisy.run("r1");
  for (const int round : {0, 1, 2})
    noisy.timed(Records::point(1), "fast", round, {500, 1000, 1000, 1000, 1500});
  const std::string within =
      "form = \"within\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
      "of = { implementation = \"fast\" }\nexpect = [0.99e-3, 1.01e-3]";
  CHECK(verdict_of(noisy, within).outcome == Outcome::reproduced);
  for (const int round : {0, 1, 2})
    noisy.timed(Records::point(2), "fast", round, {500, 500, 1000, 1500, 1500});
  const Verdict wide = verdict_of(noisy, within + "\nwhere = { n = 2 }");
  CHECK(wide.outcome == Outcome::inconclusive);
  CHECK(wide.measured->low == Approx(0.5e-3));
  CHECK(wide.measured->high == Approx(1.5e-3));

  Records apart;  // samples that agree within a round, and rounds that do not
  apart.run("r1");
  for (const int round : {0, 1, 2})
    apart.timed(Records::point(1), "fast", round, std::vector<double>(15, 1000 + 100.0 * round));
  const Verdict verdict = verdict_of(apart, within);
  CHECK(verdict.measured->low == Approx(1.0e-3));
  CHECK(verdict.measured->high == Approx(1.2e-3));
}

TEST_CASE("the slope of times follows from the interval at every point") {
  Records records;
  records.run("r1");
  for (const int n : {1, 2, 4})
    for (const int round : {0, 1, 2})
      records.timed(Records::point(n), "fast", round, {900.0 * n, 1000.0 * n, 1100.0 * n});
  const std::string slope =
      "form = \"slope\"\nexperiment = \"sum\"\nmetric = \"time\"\nalong = \"n\"\n"
      "of = { implementation = \"fast\" }\n";
  const Verdict verdict = verdict_of(records, slope + "expect = [0.8, 1.2]");
  CHECK(verdict.outcome == Outcome::reproduced);
  CHECK(verdict.measured->estimate == Approx(1));
  // ln(1.1 / 0.9) / ln 4 where the ends lie farthest apart.
  CHECK(verdict.measured->high == Approx(1 + 0.1448).epsilon(0.001));
  for (auto& one : records.set.cases) one.samples_ns.resize(1);
  CHECK(verdict_of(records, slope + "expect = [0.8, 1.2]").outcome == Outcome::inconclusive);
}

}  // namespace
}  // namespace ashlar::claims
