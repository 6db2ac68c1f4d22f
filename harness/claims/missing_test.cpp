// Cells that have no value: failures, points that were not reached, and how they are told.
#include <catch2/catch.hpp>

#include "harness/claims/testing.hpp"

namespace ashlar::claims {
namespace {

using testing::ratio;
using testing::Records;
using testing::twice;
using testing::verdict_of;

TEST_CASE("the gravest round decides a case's fate") {
  using record::Status;
  Records records = twice();
  const auto round = [&](int number, Status status) {
    auto& one = records.steady(Records::point(8), "naive", 160, number);
    one.status = status;
    if (status != Status::ok) one.reason = "signal 11";
  };
  records.steady(Records::point(8), "fast", 80, 0);
  round(0, Status::ok);
  SECTION("a crash after a good round") {
    round(1, Status::crashed);
    round(2, Status::crashed);
    const Verdict verdict = verdict_of(records, ratio("expect = [1.8, 2.2]"));
    CHECK(verdict.outcome != Outcome::reproduced);
    CHECK_THAT(verdict.reason, Catch::Contains("naive crashed: signal 11"));
  }
  SECTION("a round that was dropped takes nothing from those that ran") {
    round(1, Status::dropped);
    CHECK(verdict_of(records, ratio("expect = [1.8, 2.2]")).outcome == Outcome::reproduced);
  }
  SECTION("a study in which one seed failed") {
    for (std::uint64_t seed = 0; seed < 6; ++seed) records.study(1, "greedy", seed, {{"gap", 1.0}});
    records.set.studies.back().status = Status::timeout;
    records.set.studies.back().reason = "60 s";
    const Verdict verdict = verdict_of(records,
                                       "form = \"within\"\nexperiment = \"fit\"\nmetric = \"gap\"\n"
                                       "of = { implementation = \"greedy\" }\nexpect = [0, 2]");
    CHECK(verdict.outcome == Outcome::not_run);
    CHECK_THAT(verdict.reason, Catch::Contains("greedy timeout: 60 s"));
  }
}

TEST_CASE("a crash makes its cell missing, and so do wrong answers") {
  for (const auto status : {record::Status::crashed, record::Status::timeout, record::Status::wrong,
                            record::Status::out_of_memory}) {
    Records records = twice();
    records.failed(Records::point(8), "naive", status, "signal 11");
    records.steady(Records::point(8), "fast", 80);
    const Verdict verdict = verdict_of(records, ratio("expect = [1.8, 2.2]"));
    CHECK(verdict.outcome == Outcome::inconclusive);
    CHECK(verdict.cells_judged == 3);
    CHECK_THAT(verdict.reason,
               Catch::StartsWith("3 of 4 cells judged, 3 as expected; ") &&
                   Catch::Contains(fmt::format("1 missing (naive {}: signal 11): n=8",
                                               record::name_of(status))));
    CHECK(verdict_of(records, ratio("where = { n = 8 }\nexpect = [1.8, 2.2]")).outcome ==
          Outcome::not_run);
  }
}

TEST_CASE("a point that the budget dropped is missing, not forgotten") {
  using record::Status;
  Records records = twice();
  const auto drop = [&](int n, const char* why) {
    for (const bool causal : {false, true})
      for (const char* name : {"naive", "fast"})
        records.failed(Records::point(n, causal), name, Status::dropped, why);
  };
  for (const int n : {1, 2, 4}) {
    records.steady(Records::point(n, true), "naive", 20.0 * n);
    records.steady(Records::point(n, true), "fast", 10.0 * n);
  }
  drop(8, "budget");
  const Verdict all = verdict_of(records, ratio("expect = [1.8, 2.2]"));
  CHECK(all.outcome == Outcome::inconclusive);
  CHECK_THAT(all.reason, Catch::StartsWith("6 of 8 cells judged, 6 as expected; 2 missing (dropped "
                                           "by the budget): n=8; worst at n="));
  CHECK(verdict_of(records, ratio("expect = [3, 4]")).outcome == Outcome::contradicted);
  CHECK(verdict_of(records, ratio("expect = [1.8, 2.2]\nover = \"any\"")).outcome ==
        Outcome::reproduced);
  CHECK(verdict_of(records, ratio("expect = [3, 4]\nover = \"any\"")).outcome ==
        Outcome::inconclusive);
  for (const char* over : {"geomean", "max"}) {
    const Verdict together =
        verdict_of(records, ratio(fmt::format("expect = [1.8, 2.2]\nover = \"{}\"", over)));
    CHECK(together.outcome == Outcome::inconclusive);
    CHECK_THAT(together.reason, Catch::StartsWith("6 of 8 cells judged"));
  }
  const std::string holds = "form = \"holds\"\nexperiment = \"sum\"\nwhere = { n = [4, 8] }";
  for (const bool causal : {false, true})
    for (const char* name : {"naive", "fast"}) records.check(Records::point(4, causal), name, true);
  CHECK(verdict_of(records, holds).outcome == Outcome::inconclusive);
  const Verdict nothing = verdict_of(records, ratio("where = { n = 8 }\nexpect = [1, 3]"));
  CHECK(nothing.outcome == Outcome::not_run);
  CHECK(nothing.reason == "dropped by the budget");

  SECTION("several reasons are told apart") {
    drop(16, "interrupted");
    CHECK_THAT(verdict_of(records, ratio("expect = [1.8, 2.2]")).reason,
               Catch::Contains("2 missing (dropped by the budget): n=8; 2 missing (not reached "
                               "before the run was interrupted): n=16"));
  }
  SECTION("another run that reached the point fills the gap") {
    records.run("r2");
    for (const bool causal : {false, true}) {
      records.steady(Records::point(8, causal), "naive", 160);
      records.steady(Records::point(8, causal), "fast", 80);
    }
    CHECK(verdict_of(records, ratio("expect = [1.8, 2.2]")).outcome == Outcome::reproduced);
  }
  SECTION("a series along an axis lacks the value") {
    const Verdict slope =
        verdict_of(records,
                   "form = \"slope\"\nexperiment = \"sum\"\nmetric = \"time\"\nalong = \"n\"\n"
                   "of = { implementation = \"fast\" }\nexpect = [0.9, 1.1]");
    CHECK(slope.outcome == Outcome::not_run);
    CHECK(slope.reason == "dropped by the budget at n=8");
  }
  SECTION("a count is not known while a cell is missing") {
    const std::string count =
        "form = \"count\"\nexperiment = \"sum\"\nmetric = \"time\"\ninside = [1.5, 2.5]\n"
        "of = { implementation = \"naive\" }\nto = { implementation = \"fast\" }\n";
    for (const char* where : {"", "where = { n = [1, 2, 8] }\n", "where = { n = [1, 2, 64] }\n"}) {
      const Verdict verdict = verdict_of(records, count + where + "expect = [20, 20]");
      CHECK(verdict.outcome == Outcome::inconclusive);
      CHECK_THAT(verdict.reason, Catch::Contains("missing"));
    }
  }
}

TEST_CASE("a norm of a wrong answer contradicts; its time is missing") {
  Records records;
  records.run("r1");
  for (const int n : {1, 2}) {
    records.counted(Records::point(n), "fast", "bytes", 1);
    records.check(Records::point(n), "fast", n == 1).norms = {
        {"lse", {{"max_abs", n == 1 ? 1e-6 : 0.5}}}};
  }
  records.set.cases[1].status = record::Status::wrong;
  records.set.cases[1].reason = "lse(3)";
  const auto within = [&](const char* metric, const char* expect) {
    return verdict_of(records,
                      fmt::format("form = \"within\"\nexperiment = \"sum\"\nmetric = \"{}\"\n"
                                  "of = {{ implementation = \"fast\" }}\nexpect = {}",
                                  metric, expect));
  };
  const Verdict wrong = within("norm.lse.max_abs", "[0, 1e-4]");
  CHECK(wrong.outcome == Outcome::contradicted);
  CHECK(wrong.measured->estimate == 0.5);
  records.set.checks[1].norms["lse"]["max_abs"] = "inf";  // an answer that was never written
  CHECK(within("norm.lse.max_abs", "[0, 1e-4]").outcome == Outcome::contradicted);
  CHECK_THAT(within("bytes", "[1, 1]").reason, Catch::Contains("fast wrong: lse(3)"));
}

TEST_CASE("an interruption amid a point leaves that cell missing") {
  Records records = twice();
  records.steady(Records::point(8), "fast", 80);  // naive had no sample yet
  record::EventRecord event;
  event.run_id = "r1";
  event.event = "interrupted";
  records.set.events.push_back(event);
  const Verdict verdict = verdict_of(records, ratio("expect = [1.8, 2.2]"));
  CHECK(verdict.outcome == Outcome::inconclusive);
  CHECK_THAT(verdict.reason, Catch::Contains("not reached before the run was interrupted"));
  event.event = "resumed";
  records.set.events.push_back(event);
  CHECK_THAT(verdict_of(records, ratio("expect = [1.8, 2.2]")).reason,
             !Catch::Contains("interrupted"));
}

TEST_CASE("labels leave out axes without a choice") {
  Records records = twice();
  CHECK_THAT(verdict_of(records, ratio("expect = [1.8, 2.2]")).reason,
             !Catch::Contains("dtype") && !Catch::Contains("causal"));
  records.steady(Records::point(1, true), "naive", 20);
  records.steady(Records::point(1, true), "fast", 10);
  CHECK_THAT(verdict_of(records, ratio("expect = [1.8, 2.2]")).reason,
             Catch::Contains("causal=") && !Catch::Contains("dtype"));
}

TEST_CASE("a claim waits for its metric as for any other name") {
  Records records = twice();
  const auto counter = [&] {
    return verdict_of(records,
                      "form = \"equal\"\nexperiment = \"sum\"\nmetric = \"saved\"\n"
                      "of = { implementation = \"fast\" }\nvalue = 1",
                      "needs = \"a counter\"");
  };
  CHECK(counter().outcome == Outcome::not_run);
  CHECK(counter().reason == "needs a counter");
  for (auto& one : records.set.cases) one.counters["saved"] = 1;
  CHECK(counter().outcome == Outcome::reproduced);
  // So does one whose value of an axis is not there yet.
  const Verdict value =
      verdict_of(records, ratio("where = { n = 256 }\nexpect = [1, 3]"), "needs = \"n of 256\"");
  CHECK(value.reason == "needs n of 256");
}

}  // namespace
}  // namespace ashlar::claims
