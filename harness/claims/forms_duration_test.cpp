// Form duration: what one round of some experiments takes.
#include <catch2/catch.hpp>

#include "harness/claims/testing.hpp"

namespace ashlar::claims {
namespace {

using testing::claims_of;
using testing::Records;
using testing::verdict_of;

const std::string kTenSeconds =
    "form = \"duration\"\nmode = \"full\"\nexperiments = [\"sum\", \"fit\"]\nexpect = [0, 10]";

class TimedRun : public Records {
 public:
  explicit TimedRun(const std::string& id = "r1", const std::string& mode = "full") {
    next(id, mode);
  }

  TimedRun& next(const std::string& id, const std::string& mode) {
    run(id);
    set.runs.back().mode = mode;
    return *this;
  }
  TimedRun& finished(const char* experiment, int point, int round, double seconds) {
    return event("point-finished", {{"suite", "toy"},
                                    {"experiment", experiment},
                                    {"point", {{"n", point}}},
                                    {"round", round},
                                    {"seconds", seconds}});
  }
  TimedRun& dropped(const char* experiment, int point, int round, const char* why) {
    return event("dropped", {{"suite", "toy"},
                             {"experiment", experiment},
                             {"point", {{"n", point}}},
                             {"round", round},
                             {"why", why}});
  }
  TimedRun& ends(bool interrupted = false) {
    return event("finished", {{"interrupted", interrupted}});
  }

  TimedRun& event(const char* name, model::Json details) {
    record::EventRecord one;
    one.run_id = set.runs.back().run_id;
    one.event = name;
    one.details = std::move(details);
    set.events.push_back(std::move(one));
    return *this;
  }
};

TimedRun whole_run() {
  TimedRun run;
  run.finished("sum", 1, 0, 2).finished("fit", 1, 0, 1).ends();
  return run;
}

TEST_CASE("the first rounds of all points are summed") {
  TimedRun run;
  run.finished("sum", 1, 0, 2.5).finished("sum", 2, 0, 3.0).finished("fit", 1, 0, 1.5);
  run.finished("sum", 1, 1, 100).finished("other", 1, 0, 100).ends();
  const Verdict verdict = verdict_of(run, kTenSeconds);
  CHECK(verdict.outcome == Outcome::reproduced);
  REQUIRE(verdict.measured);
  CHECK(verdict.measured->estimate == Approx(7));
  CHECK(verdict.unit == "s");
  CHECK_THAT(verdict.reason, Catch::Contains("3 points"));
  run.finished("fit", 2, 0, 3.5);
  CHECK(verdict_of(run, kTenSeconds).outcome == Outcome::contradicted);
  CHECK(verdict_of(run, kTenSeconds + "\ndirection = [0, 11]").outcome == Outcome::direction_only);
}

TEST_CASE("a run that left a first round out does not count as fast") {
  TimedRun run;
  run.finished("sum", 1, 0, 2).finished("fit", 1, 0, 1).dropped("sum", 2, 0, "budget").ends();
  const Verdict verdict = verdict_of(run, kTenSeconds);
  CHECK(verdict.outcome == Outcome::not_run);
  CHECK(verdict.reason == "dropped by the budget: sum");
  SECTION("a later round that was dropped takes nothing away") {
    TimedRun whole;
    whole.finished("sum", 1, 0, 2).finished("fit", 1, 0, 1).dropped("sum", 1, 1, "budget").ends();
    CHECK(verdict_of(whole, kTenSeconds).outcome == Outcome::reproduced);
  }
  SECTION("what a resumed run measured after all is there") {
    run.finished("sum", 2, 0, 3);
    CHECK(verdict_of(run, kTenSeconds).outcome == Outcome::reproduced);
  }
}

TEST_CASE("runs that ended early, of other modes or of other experiments say nothing") {
  TimedRun run;
  run.finished("sum", 1, 0, 2).finished("fit", 1, 0, 1);
  CHECK(verdict_of(run, kTenSeconds).reason == "the run did not end");
  run.ends(true);
  CHECK(verdict_of(run, kTenSeconds).outcome == Outcome::not_run);
  TimedRun quick("r2", "quick");
  quick.finished("sum", 1, 0, 2).finished("fit", 1, 0, 1).ends();
  CHECK(verdict_of(quick, kTenSeconds).reason ==
        "no run of mode full with all these experiments, without filters and shards");
  TimedRun part;
  part.set.runs.back().experiments.erase(1);
  part.finished("sum", 1, 0, 2).ends();
  CHECK(verdict_of(part, kTenSeconds).reason ==
        "not in these runs: unknown experiment 'fit'; known: sum");
}

TEST_CASE("runs with filters or in shards are no whole runs") {
  REQUIRE(verdict_of(whole_run(), kTenSeconds).outcome == Outcome::reproduced);
  for (const char* word : {"--only", "--skip=naive", "--where", "--tier"}) {
    TimedRun run = whole_run();
    run.set.runs.back().argv = {"ashlar", "run", "toy", word, "x"};
    CHECK(verdict_of(run, kTenSeconds).outcome == Outcome::not_run);
  }
  TimedRun shard = whole_run();
  shard.event("plan", {{"settings", {{"shard", {{"index", 1}, {"count", 4}}}}}});
  CHECK(verdict_of(shard, kTenSeconds).outcome == Outcome::not_run);
  TimedRun alone = whole_run();
  alone.event("plan", {{"settings", {{"shard", nullptr}}}});
  CHECK(verdict_of(alone, kTenSeconds).outcome == Outcome::reproduced);
}

TEST_CASE("points of another suite are not counted, and a run that goes on has not ended") {
  TimedRun run = whole_run();
  run.event("point-finished", {{"suite", "other"},
                               {"experiment", "sum"},
                               {"point", {{"n", 9}}},
                               {"round", 0},
                               {"seconds", 100}});
  CHECK(verdict_of(run, kTenSeconds).outcome == Outcome::reproduced);
  run.event("resumed", {});
  CHECK(verdict_of(run, kTenSeconds).reason == "the run did not end");
  run.ends();
  CHECK(verdict_of(run, kTenSeconds).outcome == Outcome::reproduced);
}

TEST_CASE("every run of the mode is a cell") {
  TimedRun runs;
  runs.finished("sum", 1, 0, 2).finished("fit", 1, 0, 1).ends();
  runs.next("r2", "full").finished("sum", 1, 0, 20).finished("fit", 1, 0, 1).ends();
  CHECK(verdict_of(runs, kTenSeconds).outcome == Outcome::contradicted);
  CHECK(verdict_of(runs, kTenSeconds + "\nover = \"any\"").outcome == Outcome::reproduced);
}

TEST_CASE("a duration names a mode and experiments, and nothing else") {
  const auto problem = [](const std::string& check) {
    try {
      claims_of(check);
    } catch (const ClaimError& error) {
      return error.problems().at(0);
    }
    return std::string("none");
  };
  CHECK(problem(kTenSeconds) == "none");
  CHECK_THAT(
      problem("form = \"duration\"\nmode = \"fulll\"\nexperiments = [\"sum\"]\nexpect = [0, 1]"),
      Catch::Contains("did you mean 'full'"));
  CHECK_THAT(problem("form = \"duration\"\nmode = \"full\"\nexpect = [0, 1]"),
             Catch::Contains("experiments"));
  CHECK_THAT(problem("form = \"duration\"\nmode = \"full\"\nexperiments = []\nexpect = [0, 1]"),
             Catch::Contains("'experiments' must be"));
  CHECK_THAT(problem("form = \"duration\"\nmode = \"full\"\nexperiments = [\"sum\"]"),
             Catch::Contains("needs 'expect' or 'direction'"));
  CHECK_THAT(problem(kTenSeconds + "\nmetric = \"time\""),
             Catch::Contains("form 'duration' has no key 'metric'"));
  CHECK_THAT(problem(kTenSeconds + "\nexperiment = \"sum\""), Catch::Contains("'experiment'"));
}

}  // namespace
}  // namespace ashlar::claims
