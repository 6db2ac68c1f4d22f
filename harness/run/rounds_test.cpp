#include "harness/run/rounds.hpp"

#include <cmath>

#include <catch2/catch.hpp>

using namespace ashlar::run;

namespace {

/// Rounds whose every sample takes so many milliseconds.
Times rounds(const std::vector<double>& each) {
  Times times;
  for (std::size_t i = 0; i < each.size(); ++i)
    times[static_cast<int>(i)] = std::vector<double>(5, 1e6 * each[i]);
  return times;
}

const std::vector<std::string> kBase = {"base"};

}  // namespace

TEST_CASE("the interval is Student's over the rounds' median log ratios") {
  // Log ratios 0 and 0.01: mean 0.005, sd 0.0070711, times t(0.975, 1) = 12.7062 over sqrt 2.
  const PointTimes two = {{"base", rounds({100, 100})},
                          {"other", rounds({100, 100 * std::exp(0.01)})}};
  const auto width = widest_ratio(two, 2, kBase);
  REQUIRE(width);
  CHECK(width->implementation == "other");
  CHECK(width->baseline == "base");
  CHECK(width->half == Approx(std::expm1(12.7062 * 0.0070711 / std::sqrt(2.0))).epsilon(1e-4));
  // A drift that both sides share is no uncertainty of the ratio.
  const PointTimes drifting = {{"base", rounds({100, 130})}, {"other", rounds({50, 65})}};
  CHECK(widest_ratio(drifting, 2, kBase)->half == Approx(0).margin(1e-6));
}

TEST_CASE("only rounds below the limit count, so a decision can be made again later") {
  PointTimes times = {{"base", rounds({100, 100, 100})}, {"other", rounds({50, 50, 90})}};
  CHECK(widest_ratio(times, 2, kBase)->half == Approx(0).margin(1e-6));
  CHECK(widest_ratio(times, 3, kBase)->half > 0.5);
  CHECK(std::isinf(widest_ratio(times, 1, kBase)->half));
  CHECK_FALSE(widest_ratio(times, 0, kBase));
}

TEST_CASE("the widest of several ratios counts, over the declared baseline or else the fastest") {
  const PointTimes times = {
      {"a", rounds({10, 10.1})}, {"b", rounds({20, 20})}, {"c", rounds({30, 33})}};
  CHECK(widest_ratio(times, 2, {"none", "b"})->baseline == "b");
  CHECK(widest_ratio(times, 2, {"none", "b"})->implementation == "c");
  CHECK(widest_ratio(times, 2, {})->baseline == "a");
  CHECK(widest_ratio(times, 2, {"none"})->baseline == "a");
}

TEST_CASE("who lacks a round of the baseline is passed over; one alone has no ratio") {
  PointTimes times = {
      {"base", rounds({10, 10})}, {"steady", rounds({20, 20})}, {"crashed", rounds({30})}};
  CHECK(widest_ratio(times, 2, kBase)->implementation == "steady");
  times.erase("steady");
  CHECK_FALSE(widest_ratio(times, 2, kBase));
  times.erase("crashed");
  CHECK_FALSE(widest_ratio(times, 2, kBase));
  CHECK_FALSE(widest_ratio({}, 2, kBase));
}

TEST_CASE("pairs are cut to the shorter side; a time of zero is never tight") {
  const PointTimes uneven = {{"base", {{0, {1e7, 1e7, 1e7, 9e7}}, {1, {1e7, 1e7, 1e7}}}},
                             {"other", {{0, {2e7, 2e7, 2e7}}, {1, {2e7, 2e7}}}}};
  CHECK(widest_ratio(uneven, 2, kBase)->half == Approx(0).margin(1e-6));
  const PointTimes zero = {{"base", rounds({10, 10})}, {"other", rounds({0, 0})}};
  CHECK(std::isinf(widest_ratio(zero, 2, kBase)->half));
}

TEST_CASE("whole nanoseconds that agree are no certainty") {
  const PointTimes coarse = {{"base", {{0, {20, 20}}, {1, {20, 20}}}},
                             {"other", {{0, {50, 50}}, {1, {50, 50}}}}};
  CHECK(widest_ratio(coarse, 2, kBase)->half == Approx(0.5 / 20 + 0.5 / 50));
}

TEST_CASE("another round follows until tight, and not beyond the most") {
  const RoundRule rule{2, 4, 0.02};
  const auto wide = Width{"a", "b", 0.05};
  const auto tight = Width{"a", "b", 0.02};
  CHECK_FALSE(enough(rule, 0, std::nullopt));
  CHECK_FALSE(enough(rule, 1, tight));
  CHECK(enough(rule, 2, tight) == Stop::tight);
  CHECK_FALSE(enough(rule, 2, wide));
  CHECK_FALSE(enough(rule, 3, wide));
  CHECK(enough(rule, 4, wide) == Stop::max_rounds);
  CHECK(enough(rule, 4, tight) == Stop::tight);
  CHECK(enough(rule, 2, std::nullopt) == Stop::no_ratio);
  CHECK(enough({2, 1, 0.02}, 1, Width{"a", "b", INFINITY}) == Stop::max_rounds);
  for (const Stop stop :
       {Stop::tight, Stop::max_rounds, Stop::budget, Stop::interrupted, Stop::no_ratio})
    CHECK(name_of(stop) != "unknown");
}

TEST_CASE("open points come widest first, equal ones in the order of the plan") {
  CHECK(widest_first({{0, 0.03}, {1, 0.5}, {4, 0.03}, {7, INFINITY}}) ==
        std::vector<std::size_t>{7, 1, 0, 4});
  CHECK(widest_first({}).empty());
}
