#include <catch2/catch.hpp>

#include "harness/claims/testing.hpp"
#include "harness/statistics/interval.hpp"

namespace ashlar::claims {
namespace {

using statistics::kNaN;
using testing::ratio;
using testing::Records;
using testing::twice;
using testing::verdict_of;

TEST_CASE("the verdict follows from the interval alone") {
  const Range expect{2, 3};
  const Range direction{1, kInf};
  CHECK(outcome_of({2.1, 2.2, 2.3}, expect, direction) == Outcome::reproduced);
  CHECK(outcome_of({2, 2.5, 3}, expect, direction) == Outcome::reproduced);
  CHECK(outcome_of({1.9, 2.2, 2.3}, expect, direction) == Outcome::direction_only);
  CHECK(outcome_of({4, 5, 6}, expect, direction) == Outcome::direction_only);
  CHECK(outcome_of({0.5, 0.6, 0.9}, expect, direction) == Outcome::contradicted);
  CHECK(outcome_of({0.5, 1.1, 1.2}, expect, direction) == Outcome::inconclusive);
  CHECK(outcome_of({1.9, 2.2, 2.3}, expect, {}) == Outcome::inconclusive);
  CHECK(outcome_of({4, 5, 6}, expect, {}) == Outcome::contradicted);
  CHECK(outcome_of({2.1, 2.2, 2.3}, {}, direction) == Outcome::direction_only);
  CHECK(outcome_of({kNaN, 2.2, kNaN}, expect, direction) == Outcome::inconclusive);
  CHECK(outcome_of({kInf, kInf, kInf}, {}, direction) == Outcome::direction_only);
}

TEST_CASE("ratios: reproduced, direction-only, contradicted, inconclusive") {
  const Records records = twice();
  const Verdict good = verdict_of(records, ratio("expect = [1.8, 2.2]"));
  CHECK(good.outcome == Outcome::reproduced);
  CHECK(good.measured->estimate == Approx(2).epsilon(0.01));
  CHECK(good.cells == 3);
  CHECK(good.cells_reproduced == 3);
  CHECK(good.unit == "x");
  CHECK(good.evidence.size() == 6);
  CHECK(good.evidence[0].run_id == "r1");
  CHECK(good.evidence[0].rounds == std::vector<std::int64_t>{0});
  CHECK_THAT(good.reason, Catch::StartsWith("3 of 3 cells as expected; worst at n="));
  CHECK(verdict_of(records, ratio("expect = [3, 4]\ndirection = [1, inf]")).outcome ==
        Outcome::direction_only);
  CHECK(verdict_of(records, ratio("expect = [3, 4]")).outcome == Outcome::contradicted);
  CHECK(verdict_of(records, ratio("expect = [0.1, 0.2]\ndirection = [0, 0.9]")).outcome ==
        Outcome::contradicted);

  Records noisy;
  noisy.run("r1");
  noisy.timed(Records::point(1), "naive", 0, {10, 30, 12, 28, 9, 40});
  noisy.timed(Records::point(1), "fast", 0, {10, 10, 10, 10, 10, 10});
  CHECK(verdict_of(noisy, ratio("expect = [1.5, inf]")).outcome == Outcome::inconclusive);
}

TEST_CASE("samples of one sweep are paired, so that drift cancels") {
  Records records;
  records.run("r1");
  std::vector<double> drifting;
  std::vector<double> twice_as_long;
  for (int i = 0; i < 15; ++i) {
    drifting.push_back(10 + 5 * i);
    twice_as_long.push_back(2 * drifting.back());
  }
  records.timed(Records::point(1), "naive", 0, twice_as_long);
  records.timed(Records::point(1), "fast", 0, drifting);
  const Verdict verdict = verdict_of(records, ratio("expect = [1.99, 2.01]"));
  CHECK(verdict.outcome == Outcome::reproduced);
  // Slow implementations have fewer samples: the first sweeps are paired.
  records.set.cases[0].samples_ns.resize(6);
  CHECK(verdict_of(records, ratio("expect = [1.99, 2.01]")).outcome == Outcome::reproduced);
}

TEST_CASE("times of a traced run, and of a device that accepted none, are not judged") {
  Records records = twice();
  for (auto& one : records.set.cases) one.flags = {"traced"};
  const Verdict traced = verdict_of(records, ratio("expect = [1.8, 2.2]"));
  CHECK(traced.outcome == Outcome::not_run);
  CHECK_THAT(traced.reason, Catch::Contains("was timed only while it was traced"));
  for (auto& one : records.set.cases) {
    one.samples_ns.clear();
    one.reason = "no accepted samples: too slow a clock";
  }
  const Verdict refused = verdict_of(records, ratio("expect = [1.8, 2.2]"));
  CHECK(refused.outcome == Outcome::not_run);
  CHECK_THAT(refused.reason, Catch::Contains("no accepted samples: too slow a clock"));
}

TEST_CASE("rounds that differ widen the interval") {
  Records records;
  records.run("r1");
  for (const int round : {0, 1, 2, 3}) {
    records.steady(Records::point(1), "naive", round % 2 == 0 ? 20 : 30, round);
    records.steady(Records::point(1), "fast", 10, round);
  }
  const Verdict verdict = verdict_of(records, ratio("expect = [1.9, 2.9]"));
  CHECK(verdict.outcome == Outcome::inconclusive);
  CHECK(verdict.measured->low < 2.1);
  CHECK(verdict.measured->high > 2.9);
  CHECK(verdict.evidence[0].rounds == std::vector<std::int64_t>{0, 1, 2, 3});
}

TEST_CASE("one sample gives no interval") {
  Records records;
  records.run("r1");
  records.timed(Records::point(1), "naive", 0, {20});
  records.timed(Records::point(1), "fast", 0, {10});
  const Verdict verdict = verdict_of(records, ratio("expect = [1, 3]"));
  CHECK(verdict.outcome == Outcome::inconclusive);
  CHECK_THAT(verdict.reason, Catch::Contains("few samples (1)"));
}

TEST_CASE("verdicts repeat digit for digit") {
  Records records;
  records.run("r1");
  for (const int round : {0, 1, 2}) {
    records.timed(Records::point(1), "naive", round, {20.5, 21, 22.5, 19.25 + round});
    records.timed(Records::point(1), "fast", round, {10, 11, 9.5, 10.25});
  }
  const Verdict a = verdict_of(records, ratio("expect = [1, 3]"));
  const Verdict b = verdict_of(records, ratio("expect = [1, 3]"));
  CHECK(a.measured->low == b.measured->low);
  CHECK(a.measured->high == b.measured->high);
  CHECK(a.measured->low < a.measured->high);
}

TEST_CASE("over: all, any, geomean, max") {
  Records records;
  records.run("r1");
  for (const int n : {1, 2}) records.steady(Records::point(n), "fast", 10);
  records.steady(Records::point(1), "naive", 10);
  records.steady(Records::point(2), "naive", 40);
  const auto with = [&](const char* over, const char* expect) {
    return verdict_of(records, ratio(fmt::format("over = \"{}\"\nexpect = {}", over, expect)));
  };
  const Verdict all = with("all", "[3, 5]");
  CHECK(all.outcome == Outcome::contradicted);
  CHECK_THAT(all.reason, Catch::StartsWith("1 of 2 cells as expected; worst at n=1"));
  CHECK(with("any", "[3, 5]").outcome == Outcome::reproduced);
  CHECK_THAT(with("any", "[3, 5]").reason, Catch::Contains("best at n=2"));
  CHECK(with("any", "[6, 9]").outcome == Outcome::contradicted);
  CHECK(with("geomean", "[1.9, 2.1]").outcome == Outcome::reproduced);
  CHECK(with("geomean", "[1.9, 2.1]").measured->estimate == Approx(2).epsilon(0.01));
  CHECK(with("max", "[3.8, 4.2]").outcome == Outcome::reproduced);
  CHECK(with("max", "[1, 2]").outcome == Outcome::contradicted);
}

TEST_CASE("values that are written out must have been measured, others need not") {
  Records records = twice();
  CHECK(verdict_of(records, ratio("where = { n = [1, 2] }\nexpect = [1.8, 2.2]")).outcome ==
        Outcome::reproduced);
  const Verdict missing = verdict_of(records, ratio("where = { n = [2, 8] }\nexpect = [1.8, 2.2]"));
  CHECK(missing.outcome == Outcome::inconclusive);
  CHECK(missing.reason ==
        "1 of 2 cells judged, 1 as expected; 1 missing (no case): n=8; worst at n=2");
  CHECK(verdict_of(records, ratio("where = { n = [2, 8] }\nexpect = [3, 4]")).outcome ==
        Outcome::contradicted);
  CHECK(verdict_of(records, ratio("where = { n = [2, 8] }\nexpect = [1.8, 2.2]\nover = \"any\""))
            .outcome == Outcome::reproduced);
  CHECK(verdict_of(records, ratio("where = { n = { min = 2 } }\nexpect = [1.8, 2.2]")).cells == 2);

  records.failed(Records::point(8), "naive", record::Status::unsupported, "too slow");
  records.steady(Records::point(8), "fast", 80);
  const Verdict skipped = verdict_of(records, ratio("expect = [1.8, 2.2]"));
  CHECK(skipped.outcome == Outcome::reproduced);
  CHECK_THAT(skipped.reason, Catch::EndsWith("left out: naive unsupported: too slow"));
  const Verdict named = verdict_of(records, ratio("where = { n = [2, 8] }\nexpect = [1.8, 2.2]"));
  CHECK(named.outcome == Outcome::inconclusive);
  CHECK_THAT(named.reason, Catch::Contains("1 missing (naive unsupported: too slow): n=8") &&
                               !Catch::Contains("left out"));
}

TEST_CASE("not-run names what is missing") {
  const Records records = twice();
  CHECK(verdict_of(Records(), ratio("expect = [1, 2]")).reason == "no runs");
  CHECK(verdict_of(records, ratio("where = { n = 64 }\nexpect = [1, 2]")).reason ==
        "no case with n=64");
  CHECK(verdict_of(records, ratio("where = { n = { min = 64 }, dtype = \"f32\" }\nexpect = [1, 2]"))
            .reason == "no case with n >= 64");
  CHECK(verdict_of(records, ratio("where = { n = 1, dtype = \"bf16\" }\nexpect = [1, 2]")).reason ==
        "no case with dtype=bf16");
  Records apart = twice();
  apart.steady(Records::point(2, true, "bf16"), "fast", 1);
  CHECK(verdict_of(apart, ratio("where = { n = 1, dtype = \"bf16\" }\nexpect = [1, 2]")).reason ==
        "no case with dtype=bf16, n=1, naive, fast");
  const std::string gpu =
      "form = \"ratio\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
      "of = { implementation = \"naive\" }\nto = { implementation = \"gpu\" }\n"
      "expect = [1, 2]";
  CHECK(verdict_of(records, gpu).reason == "gpu was not run");
  Records no_device = twice();
  for (const int n : {1, 2, 4})
    no_device.failed(Records::point(n), "gpu", record::Status::unsupported, "no device");
  const Verdict verdict = verdict_of(no_device, gpu);
  CHECK(verdict.outcome == Outcome::not_run);
  CHECK(verdict.reason == "gpu unsupported: no device");

  const std::string backward = "form = \"holds\"\nexperiment = \"backward\"";
  CHECK(verdict_of(records, backward).reason ==
        "not in these runs: unknown experiment 'backward'; known: fit, sum");
  CHECK(verdict_of(records, backward, "needs = \"the backward pass\"").reason ==
        "needs the backward pass");
  CHECK(verdict_of(records, ratio("expect = [1.8, 2.2]"), "needs = \"nothing any more\"").outcome ==
        Outcome::reproduced);
}

TEST_CASE("a claim may ask for a machine") {
  Records records = twice();
  const Verdict elsewhere = verdict_of(records, ratio("expect = [1, 3]"), "on = \"H100\"");
  CHECK(elsewhere.outcome == Outcome::not_run);
  CHECK(elsewhere.reason == "needs a machine with 'H100'; these runs have Toy CPU");
  CHECK(verdict_of(records, ratio("expect = [1, 3]"), "on = \"toy\"").outcome ==
        Outcome::reproduced);
  const char* either = "on = [\"H100 80GB\", \"H200\"]";
  CHECK(verdict_of(records, ratio("expect = [1, 3]"), either).reason ==
        "needs a machine with 'H100 80GB' or 'H200'; these runs have Toy CPU");
  records.set.runs[0].machine["gpu"] = {{"name", "NVIDIA H100 80GB HBM3"}, {"driver", "1"}};
  CHECK(verdict_of(records, ratio("expect = [1, 3]"), "on = \"H100\"").outcome ==
        Outcome::reproduced);
  CHECK(verdict_of(records, ratio("expect = [1, 3]"), either).outcome == Outcome::reproduced);
  records.set.runs[0].machine["gpu"] = {{"name", "NVIDIA H100 PCIe"}, {"driver", "1"}};
  CHECK(verdict_of(records, ratio("expect = [1, 3]"), either).outcome == Outcome::not_run);
  records.set.runs[0].machine["gpu"] = model::Json::array({{{"name", "H200"}}, {{"name", "H100"}}});
  CHECK(verdict_of(records, ratio("expect = [1, 3]"), "on = \"H100\"").outcome ==
        Outcome::reproduced);
}

TEST_CASE("ratios never cross runs; a claim holds on every machine") {
  Records records;
  records.run("r1", "Fast CPU");
  records.steady(Records::point(1), "naive", 20);
  records.run("r2", "Slow CPU");
  records.steady(Records::point(1), "fast", 10);
  CHECK(verdict_of(records, ratio("expect = [1, 3]")).outcome == Outcome::not_run);
  records.steady(Records::point(1), "naive", 50);
  records.run("r3", "Other CPU");
  records.steady(Records::point(1), "naive", 20);
  records.steady(Records::point(1), "fast", 10);
  const Verdict verdict = verdict_of(records, ratio("expect = [1, 3]"));
  CHECK(verdict.outcome == Outcome::contradicted);
  CHECK(verdict.cells == 2);
  CHECK_THAT(verdict.reason, Catch::Contains("worst in run r2"));
  CHECK(verdict_of(records, ratio("expect = [1, 3]"), "on = \"other\"").outcome ==
        Outcome::reproduced);
}

TEST_CASE("scaled and model claims, and the headline") {
  const Records records = twice();
  CHECK(verdict_of(records, ratio("direction = [1, inf]"), "", "scaled").outcome ==
        Outcome::direction_only);
  CHECK(verdict_of(records, ratio("expect = [1, inf]"), "", "scaled").outcome ==
        Outcome::reproduced);
  Records exact;
  exact.run("r1");
  for (const int n : {1, 2}) exact.counted(Records::point(n), "fast", "bytes", 7);
  const std::string equal =
      "form = \"equal\"\nexperiment = \"sum\"\nmetric = \"bytes\"\n"
      "of = { implementation = \"fast\" }\nvalue = ";
  CHECK(verdict_of(exact, equal + "7").outcome == Outcome::reproduced);
  const Verdict scaled = verdict_of(exact, equal + "7", "", "scaled");
  CHECK(scaled.outcome == Outcome::direction_only);
  CHECK(scaled.reason == "2 of 2 cells in the right direction");
  CHECK(verdict_of(exact, equal + "8", "", "scaled").outcome == Outcome::contradicted);
  std::vector<Verdict> verdicts = {
      verdict_of(records, ratio("expect = [1, 3]")),
      verdict_of(records, ratio("expect = [1, 3]"), "", "model"),
      verdict_of(records, ratio("expect = [5, 6]"), "", "model"),
      verdict_of(records, ratio("expect = [5, 6]"), "required = true")};
  Verdict out;
  out.outcome = Outcome::out_of_reach;
  out.reach = Reach::out_of_reach;
  verdicts.push_back(out);
  const Summary summary = summarize(verdicts);
  CHECK(summary.total() == 3);
  CHECK(summary.total_model() == 2);
  CHECK(summary.required_contradicted == std::vector<std::string>{"c"});
  const std::string measured = "1 of 3 claims reproduced, 1 contradicted, 1 out of reach";
  CHECK(summary.headline() == measured + "; model claims apart: 1 of 2 judged agree");
  // A model that nobody wrote yet agrees with nothing and contradicts nothing.
  Verdict waiting;
  waiting.reach = Reach::model;
  verdicts.push_back(waiting);
  CHECK(summarize(verdicts).headline() ==
        measured + "; model claims apart: 1 of 2 judged agree, 1 not judged");
  std::erase_if(verdicts, [](const Verdict& one) {
    return one.reach == Reach::model && one.outcome != Outcome::not_run;
  });
  CHECK(summarize(verdicts).headline() == measured + "; model claims apart: none of 1 judged");
}

}  // namespace
}  // namespace ashlar::claims
