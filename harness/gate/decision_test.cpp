#include "harness/gate/decision.hpp"

#include <cmath>

#include <catch2/catch.hpp>

#include "harness/statistics/random.hpp"

using namespace ashlar;
using namespace ashlar::gate;

namespace {

const double kMargin = std::log(1.05);

/// Three pairs of four groups whose log changes scatter by up to `spread` around `change`.
std::vector<PairData> made_up(double change, double spread, std::uint64_t seed = 1,
                              double base_ns = 1e9) {
  statistics::SplitMix64 random(seed);
  std::vector<PairData> pairs(3);
  for (PairData& pair : pairs) {
    for (int group = 0; group < 4; ++group) {
      const double noise = spread * (static_cast<double>(random.next() >> 11) * 0x1p-52 - 1);
      pair.groups.push_back({base_ns, base_ns * std::exp(change + noise), 2e5, 2e5});
    }
  }
  return pairs;
}

std::vector<PairData> swapped(std::vector<PairData> pairs) {
  for (PairData& pair : pairs) {
    for (Group& group : pair.groups) {
      std::swap(group.base_ns, group.head_ns);
      std::swap(group.anchor_base_ns, group.anchor_head_ns);
    }
  }
  return pairs;
}

}  // namespace

TEST_CASE("the interval decides: above the margin, below it, within it, or none of these") {
  CHECK(verdict_of({0.06, 0.08, 0.10, 0.95}, 0.05) == Verdict::slower);
  CHECK(verdict_of({-0.10, -0.08, -0.06, 0.95}, 0.05) == Verdict::faster);
  CHECK(verdict_of({-0.05, 0.02, 0.05, 0.95}, 0.05) == Verdict::same);
  CHECK(verdict_of({0.04, 0.08, 0.10, 0.95}, 0.05) == Verdict::unclear);
  CHECK(verdict_of({-0.06, 0, 0.01, 0.95}, 0.05) == Verdict::unclear);
  CHECK(verdict_of({}, 0.05) == Verdict::unclear);  // NaN
}

TEST_CASE("a clean change is estimated and decided as it is") {
  const Estimate none = estimate(made_up(0, 0.005), kMargin, 1);
  CHECK(none.change.estimate == Approx(0).margin(0.005));
  CHECK(decide(none, kMargin) == Verdict::same);
  CHECK(none.groups == 12);
  CHECK(none.pairs == 3);
  CHECK(none.p_beyond == 1);
  const Estimate slower = estimate(made_up(std::log(1.10), 0.005), kMargin, 1);
  CHECK(decide(slower, kMargin) == Verdict::slower);
  CHECK(slower.p_beyond == Approx(std::pow(0.5, 12)));
  CHECK(slower.p < 0.01);
  CHECK(slower.head_ns == Approx(1.1e9).epsilon(0.01));
  CHECK(decide(estimate(made_up(-std::log(1.10), 0.005), kMargin, 1), kMargin) == Verdict::faster);
}

TEST_CASE("the same groups and seed give the same estimate, digit for digit") {
  const std::vector<PairData> pairs = made_up(0.03, 0.02);
  CHECK(estimate(pairs, kMargin, 7).change == estimate(pairs, kMargin, 7).change);
  CHECK(estimate(pairs, kMargin, 7).bootstrap_half > 0);
}

TEST_CASE("swapping the sides changes the sign and nothing else") {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const std::vector<PairData> pairs = made_up(0.02, 0.03, seed);
    const Estimate there = estimate(pairs, kMargin, seed);
    const Estimate back = estimate(swapped(pairs), kMargin, seed);
    CHECK(back.change.estimate == Approx(-there.change.estimate));
    CHECK(back.change.low == Approx(-there.change.high));
    CHECK(back.change.high == Approx(-there.change.low));
    CHECK(back.p == Approx(there.p));
  }
}

TEST_CASE("the unit of time does not matter") {
  const Estimate seconds = estimate(made_up(0.02, 0.03, 5, 1e9), kMargin, 1);
  const Estimate hours = estimate(made_up(0.02, 0.03, 5, 3.6e12), kMargin, 1);
  CHECK(hours.change.low == Approx(seconds.change.low).margin(1e-8));
  CHECK(hours.change.high == Approx(seconds.change.high).margin(1e-8));
}

TEST_CASE("groups of one pair are no replication: the spread between pairs widens the interval") {
  std::vector<PairData> pairs = made_up(0, 0.001);
  // Within each pair all groups agree on +8 %, +12 % or +1 %: layout, not the commit.
  const double offsets[] = {std::log(1.08), std::log(1.12), std::log(1.01)};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    for (Group& group : pairs[i].groups) group.head_ns *= std::exp(offsets[i]);
  const Estimate spread = estimate(pairs, kMargin, 1);
  CHECK(spread.process_half > spread.bootstrap_half);
  CHECK(decide(spread, kMargin) == Verdict::unclear);
  // t with 2 degrees of freedom, 97.5 %, is 4.3027.
  double mean = 0;
  double squares = 0;
  for (const double offset : offsets) mean += offset / 3;
  for (const double offset : offsets) squares += (offset - mean) * (offset - mean);
  CHECK(spread.process_half == Approx(4.3027 * std::sqrt(squares / 2 / 3)).epsilon(0.05));
  pairs.resize(1);
  CHECK(std::isinf(estimate(pairs, kMargin, 1).process_half));
  CHECK(decide(estimate(pairs, kMargin, 1), kMargin) == Verdict::unclear);
}

TEST_CASE("fewer than eight groups get the exact interval of the sign test") {
  std::vector<PairData> pairs(3);
  for (int i = 0; i < 3; ++i) {
    for (int group = 0; group < 2; ++group)
      pairs[static_cast<std::size_t>(i)].groups.push_back(
          {1e9, 1e9 * std::exp(0.2 + 1e-4 * (2 * i + group)), 1e5, 1e5});
  }
  const Estimate few = estimate(pairs, kMargin, 1);
  CHECK(few.groups == 6);
  CHECK(few.p == Approx(2 * std::pow(0.5, 6)));
  CHECK(few.change.low <= 0.2);
  CHECK(few.change.high >= 0.2005);
  CHECK(decide(few, kMargin) == Verdict::slower);
}

TEST_CASE("times of whole nanoseconds know no better than half of one") {
  const Estimate coarse = estimate(made_up(0, 0, 1, 10), kMargin, 1);
  CHECK(coarse.rounding_half == Approx(0.1));
  CHECK(decide(coarse, kMargin) == Verdict::unclear);
  CHECK(decide(estimate(made_up(0, 0, 1, 1000), kMargin, 1), kMargin) == Verdict::same);
}

TEST_CASE("a clock that did not move is unclear, not a crash and not the same") {
  std::vector<PairData> pairs = made_up(0, 0.001);
  pairs[1].groups[2].base_ns = 0;
  const Estimate broken = estimate(pairs, kMargin, 1);
  CHECK(std::isnan(broken.change.estimate));
  CHECK(broken.p == 1);
  CHECK(decide(broken, kMargin) == Verdict::unclear);
  const std::vector<PairData> none;
  CHECK(decide(estimate(none, kMargin, 1), kMargin) == Verdict::unclear);
  CHECK(estimate(none, kMargin, 1).groups == 0);
}

TEST_CASE("a difference in the driver's own work is a disturbance, whatever the case says") {
  for (const double change : {0.0, 0.1, -0.1}) {
    std::vector<PairData> pairs = made_up(change, 0.001);
    for (PairData& pair : pairs)
      for (Group& group : pair.groups) group.anchor_head_ns *= 1.03;
    CHECK(decide(estimate(pairs, kMargin, 1), kMargin) == Verdict::disturbed);
    for (PairData& pair : pairs)
      for (Group& group : pair.groups) group.anchor_head_ns *= 1.01 / 1.03;
    CHECK(decide(estimate(pairs, kMargin, 1), kMargin) != Verdict::disturbed);
  }
}

TEST_CASE("a change of nothing has no minus sign") {
  CHECK(percent_text(-1e-9) == "+0.0 %");
  CHECK(percent_text(std::log(1.082)) == "+8.2 %");
  CHECK(percent_text(-0.1) == "-9.5 %");
}

TEST_CASE("short cases have a margin of ten per cent at least") {
  CHECK(margin_for(200'000, kMargin) == kMargin);
  CHECK(margin_for(50'000, kMargin) == Approx(std::log(1.10)));
  CHECK(margin_for(50'000, std::log(1.3)) == Approx(std::log(1.3)));
}
