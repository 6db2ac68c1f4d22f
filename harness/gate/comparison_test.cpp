// The decisions over a whole gate, from scripted pairs: when to look again, what to confirm, what a
// disturbed machine makes of it.
#include "harness/gate/comparison.hpp"

#include <cmath>
#include <functional>

#include <catch2/catch.hpp>

using namespace ashlar::gate;
using Catch::Contains;

namespace {

/// ln(head / base) and the anchor's, of group `group` of a case in visit number `visit`.
struct Scene {
  double change = 0;
  double anchor = 0;
  bool lost = false;
};
using Script = std::function<Scene(std::size_t index, int visit, int group)>;

class ScriptedPairs final : public Pairs {
 public:
  explicit ScriptedPairs(Script script) : script_(std::move(script)) {}

  std::vector<PairData> visit(const std::vector<std::size_t>& cases, int groups) override {
    ++visits;
    visited.push_back(cases);
    std::vector<PairData> data;
    for (const std::size_t index : cases) {
      PairData& pair = data.emplace_back();
      for (int group = 0; group < groups && visits != stop_at; ++group) {
        const Scene scene = script_(index, visits, group);
        if (scene.lost) break;
        // A little scatter, the same in every visit, so that no interval is a point.
        const double noise = 0.001 * (group % 4 - 1.5);
        pair.groups.push_back(
            {1e6, 1e6 * std::exp(scene.change + noise), 1e5, 1e5 * std::exp(scene.anchor)});
        pair.samples += 10;
        pair.switched += switched;
      }
    }
    return data;
  }
  Metric metric(std::size_t) const override { return used; }
  std::optional<std::string> unquiet() const override { return loud; }
  bool time_left() const override { return time; }
  bool stopping() const override { return stop_at > 0 && visits >= stop_at; }

  Metric used = Metric::cpu_time;
  std::optional<std::string> loud;
  bool time = true;
  std::size_t switched = 0;  // of ten samples
  int stop_at = 0;           // the visit during which the user interrupts
  int visits = 0;
  std::vector<std::vector<std::size_t>> visited;

 private:
  Script script_;
};

std::vector<std::string> names(std::size_t count) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back("case-" + std::to_string(i));
  return ids;
}

Comparison compared(ScriptedPairs& pairs, std::size_t count) {
  return compare(pairs, names(count), Effort());
}

constexpr double kTenth = 0.0953;  // ln 1.10

}  // namespace

TEST_CASE("clear cases take three pairs and no more") {
  ScriptedPairs pairs([](std::size_t, int, int) { return Scene(); });
  const Comparison result = compared(pairs, 4);
  CHECK(pairs.visits == 3);
  for (const Judgement& judgement : result.cases) {
    CHECK(judgement.verdict == Verdict::same);
    CHECK(judgement.first.estimate.groups == 12);
    CHECK_FALSE(judgement.confirmation.has_value());
  }
  CHECK_FALSE(result.disturbed);
  CHECK_FALSE(result.moved_together.has_value());
}

TEST_CASE("a slower case is measured again, alone, with twice the groups, and both must agree") {
  ScriptedPairs pairs([](std::size_t index, int, int) { return Scene{index == 1 ? kTenth : 0.0}; });
  const Comparison result = compared(pairs, 3);
  CHECK(result.cases[1].verdict == Verdict::slower);
  CHECK(result.cases[0].verdict == Verdict::same);
  REQUIRE(result.cases[1].confirmation.has_value());
  CHECK(result.cases[1].confirmation->estimate.groups == 24);
  CHECK(result.cases[1].p_holm.value() < 1e-6);
  CHECK(result.cases[1].p_adjusted < 0.05);
  REQUIRE(pairs.visits == 9);
  for (int visit = 3; visit < 9; ++visit)
    CHECK(pairs.visited[static_cast<std::size_t>(visit)] == std::vector<std::size_t>{1});
}

TEST_CASE("the second measurement overturns the first") {
  ScriptedPairs pairs([](std::size_t, int visit, int) { return Scene{visit <= 3 ? kTenth : 0.0}; });
  const Comparison result = compared(pairs, 1);
  CHECK(result.cases[0].verdict == Verdict::unclear);
  CHECK_THAT(result.cases[0].reason, Contains("+10.0 % at first, +0.0 % when measured again"));
}

TEST_CASE("an unclear case gets more pairs; a clear one beside it does not") {
  // Offsets of whole processes that cancel in the long run.
  ScriptedPairs pairs([](std::size_t index, int visit, int) {
    const double offsets[] = {0.03, -0.03, 0.0};
    return Scene{index == 0 ? offsets[visit % 3] : 0.0};
  });
  const Comparison result = compared(pairs, 2);
  CHECK(result.cases[0].first.pairs.size() > 3);
  CHECK(result.cases[0].first.pairs.size() <= 8);
  CHECK(result.cases[0].verdict == Verdict::same);
  CHECK(result.cases[1].first.pairs.size() == 3);
}

TEST_CASE("without time left an unclear case stays unclear") {
  ScriptedPairs pairs(
      [](std::size_t, int visit, int) { return Scene{visit % 2 == 0 ? 0.1 : -0.1}; });
  pairs.time = false;
  const Comparison result = compared(pairs, 1);
  CHECK(pairs.visits == 3);
  CHECK(result.cases[0].verdict == Verdict::unclear);
  CHECK_THAT(result.cases[0].reason, Contains("wider than the margin"));
}

TEST_CASE("the anchor tells a disturbed case from a slower one") {
  ScriptedPairs pairs([](std::size_t index, int, int) {
    return index == 0 ? Scene{kTenth, 0.05} : Scene{0, 0};
  });
  const Comparison result = compared(pairs, 4);
  CHECK(result.cases[0].verdict == Verdict::disturbed);
  CHECK(result.cases[0].first.pairs.size() == 8);  // it was given more chances
  CHECK(result.cases[1].verdict == Verdict::same);
  CHECK_FALSE(result.disturbed);
}

TEST_CASE("an anchor that is off over the whole run disturbs the run") {
  ScriptedPairs pairs([](std::size_t, int, int) { return Scene{kTenth, 0.05}; });
  const Comparison result = compared(pairs, 3);
  CHECK(result.disturbed);
  for (const Judgement& judgement : result.cases) CHECK(judgement.verdict == Verdict::disturbed);
}

TEST_CASE("a run disturbed by its other cases fails nobody") {
  ScriptedPairs pairs([](std::size_t index, int, int) {
    return index == 0 ? Scene{kTenth, 0} : Scene{0, 0.05};
  });
  const Comparison result = compared(pairs, 4);
  CHECK(result.disturbed);
  CHECK(result.cases[0].verdict == Verdict::disturbed);
}

TEST_CASE("all cases moving together beside a quiet anchor is a finding, not a disturbance") {
  ScriptedPairs pairs([](std::size_t, int, int) { return Scene{kTenth}; });
  const Comparison result = compared(pairs, 6);
  CHECK_FALSE(result.disturbed);
  REQUIRE(result.moved_together.has_value());
  CHECK_THAT(*result.moved_together, Contains("+10.0 %") && Contains("routine that all share"));
  for (const Judgement& judgement : result.cases) CHECK(judgement.verdict == Verdict::slower);
}

TEST_CASE("wall time on a machine that is not quiet calls nothing slower") {
  ScriptedPairs pairs([](std::size_t, int, int) { return Scene{kTenth}; });
  pairs.used = Metric::wall_time;
  pairs.loud = "other processes took 60 % of the machine's CPU time";
  const Comparison loud = compared(pairs, 1);
  CHECK(loud.cases[0].verdict == Verdict::unclear);
  CHECK_THAT(loud.cases[0].reason, Contains("seems slower, but other processes took 60 %"));

  ScriptedPairs interrupted([](std::size_t, int, int) { return Scene{kTenth}; });
  interrupted.used = Metric::wall_time;
  interrupted.switched = 5;
  const Comparison switched = compared(interrupted, 1);
  CHECK(switched.cases[0].verdict == Verdict::unclear);
  CHECK_THAT(switched.cases[0].reason, Contains("interrupted 50 % of its samples"));

  ScriptedPairs quiet([](std::size_t, int, int) { return Scene{kTenth}; });
  quiet.used = Metric::wall_time;
  quiet.switched = 1;
  CHECK(compared(quiet, 1).cases[0].verdict == Verdict::slower);
}

TEST_CASE("CPU time is not held back by other processes") {
  ScriptedPairs pairs([](std::size_t, int, int) { return Scene{kTenth}; });
  pairs.loud = "other processes took 60 % of the machine's CPU time";
  pairs.switched = 5;
  CHECK(compared(pairs, 1).cases[0].verdict == Verdict::slower);
}

TEST_CASE("a lost case is not asked for again and has no verdict") {
  ScriptedPairs pairs([](std::size_t index, int visit, int) {
    return Scene{0, 0, index == 0 && visit >= 2};
  });
  const Comparison result = compared(pairs, 2);
  CHECK_FALSE(result.cases[0].measured);
  CHECK(result.cases[1].measured);
  CHECK(pairs.visited.back() == std::vector<std::size_t>{1});
}

TEST_CASE("a real slow-down of many cases among many passes the correction for many") {
  // 120 of 400 cases at +50 %: with p-values of a bootstrap of 2000 resamples Holm could reject
  // none of them.
  ScriptedPairs pairs([](std::size_t index, int, int) { return Scene{index < 120 ? 0.405 : 0.0}; });
  const Comparison result = compared(pairs, 400);
  for (std::size_t i = 0; i < 400; ++i) {
    CHECK(result.cases[i].verdict == (i < 120 ? Verdict::slower : Verdict::same));
    if (i < 120) CHECK(result.cases[i].p_holm.value() < 0.001);
  }
}

TEST_CASE("an interrupt keeps what was measured and calls nothing slower") {
  ScriptedPairs pairs([](std::size_t, int, int) { return Scene{kTenth}; });
  pairs.stop_at = 5;  // in the confirmation
  const Comparison result = compared(pairs, 2);
  CHECK(pairs.visits == 5);
  for (const Judgement& judgement : result.cases) {
    CHECK(judgement.measured);
    CHECK(judgement.first.estimate.groups == 12);
    CHECK(judgement.verdict != Verdict::slower);
  }
  ScriptedPairs early([](std::size_t, int, int) { return Scene(); });
  early.stop_at = 1;
  const Comparison nothing = compared(early, 1);
  CHECK(nothing.cases[0].verdict == Verdict::unclear);
  CHECK_THAT(nothing.cases[0].reason, Contains("interrupted"));
}
