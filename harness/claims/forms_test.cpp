#include <cmath>

#include <catch2/catch.hpp>

#include "harness/claims/testing.hpp"

namespace ashlar::claims {
namespace {

using testing::CaseRecord;
using testing::check;
using testing::kBoth;
using testing::kFast;
using testing::Records;
using testing::verdict_of;

TEST_CASE("within: built-in metrics") {
  Records records;
  records.run("r1");
  CaseRecord& one = records.steady(Records::point(1), "fast", 40);  // 1e6 operations: 25 GFLOP/s
  one.peak_extra_bytes = 4096;
  one.workspace_bytes = 1024;
  const auto within = [&](const char* metric, const char* more) {
    return verdict_of(records, check("within", metric, kFast + more));
  };
  const Verdict time = within("time", "expect = [39e-6, 41e-6]");
  CHECK(time.outcome == Outcome::reproduced);
  CHECK(time.unit == "s");
  CHECK(within("rate", "expect = [24, 26]").outcome == Outcome::reproduced);
  CHECK(within("rate", "per = 25\nexpect = [0.95, 1.05]").outcome == Outcome::reproduced);
  CHECK(within("bandwidth", "expect = [48, 52]").outcome == Outcome::reproduced);
  CHECK(within("peak-share", "expect = [0.48, 0.52]").outcome == Outcome::reproduced);
  CHECK(within("bandwidth-share", "expect = [0.95, 1.05]").outcome == Outcome::reproduced);
  CHECK(within("read-share", "expect = [0.81, 0.86]").outcome == Outcome::reproduced);
  CHECK(within("memory", "expect = [4096, 4096]").outcome == Outcome::reproduced);
  CHECK(within("workspace", "expect = [1024, 1024]").outcome == Outcome::reproduced);

  SECTION("the peak at the end of the run counts too, when it is higher") {
    record::EventRecord end;
    end.run_id = "r1";
    end.event = "calibration";
    end.details = {{"teams", {{{"threads", 2}, {"f32_gflops", {{"rate", 100.0}}}}}}};
    records.set.events.push_back(end);
    CHECK(within("peak-share", "expect = [0.24, 0.26]").outcome == Outcome::reproduced);
  }
  SECTION("the peak of a GPU and of 16-bit work") {
    CaseRecord& gpu = records.steady(Records::point(2), "gpu", 40);
    gpu.device = "cuda";
    gpu.work->precision = "bf16";
    records.set.runs[0].calibration["cuda"] = {{"bf16_gflops", {{"rate", 100.0}}}};
    const std::string check_gpu =
        check("within", "peak-share",
              "of = { implementation = \"gpu\" }\nwhere = { n = 2 }\nexpect = [0.24, 0.26]");
    CHECK(verdict_of(records, check_gpu).outcome == Outcome::reproduced);
    records.set.cases[1].device = "cpu";  // which has no bfloat16 arithmetic: float is its peak
    CHECK(verdict_of(records, check_gpu).measured->estimate == Approx(0.5).epsilon(0.02));
  }
  SECTION("what was not measured is named") {
    records.set.cases[0].threads = 7;
    records.set.cases[0].peak_extra_bytes.reset();
    CHECK_THAT(within("peak-share", "expect = [0, 1]").reason,
               Catch::Contains("no peak was measured for f32 on cpu with 7 threads"));
    CHECK_THAT(within("bandwidth-share", "expect = [0, 1]").reason,
               Catch::Contains("no copy bandwidth was measured on cpu with 7 threads"));
    CHECK_THAT(within("read-share", "expect = [0, 1]").reason,
               Catch::Contains("no read bandwidth was measured on cpu with 7 threads"));
    CHECK_THAT(within("memory", "expect = [0, 1]").reason, Catch::Contains("records no 'memory'"));
    records.set.cases[0].work.reset();
    CHECK_THAT(within("rate", "expect = [0, 1]").reason, Catch::Contains("declares no work"));
    const Verdict unknown = within("byts", "expect = [0, 1]");
    CHECK(unknown.outcome == Outcome::not_run);
  }
}

TEST_CASE("counters have no spread unless they differ, and 0 / 0 decides nothing") {
  Records records;
  records.run("r1");
  for (const int round : {0, 1}) {
    records.counted(Records::point(1), "naive", "bytes", 300, round);
    records.counted(Records::point(1), "fast", "bytes", 100, round);
  }
  const Verdict verdict = verdict_of(records, check("ratio", "bytes", kBoth + "expect = [3, 3]"));
  CHECK(verdict.outcome == Outcome::reproduced);
  CHECK(verdict.measured->low == 3);
  CHECK(verdict.measured->high == 3);
  records.set.cases[2].counters["bytes"] = 400;
  const Verdict spread = verdict_of(records, check("ratio", "bytes", kBoth + "expect = [3, 4]"));
  CHECK(spread.measured->high == 4);

  for (CaseRecord& one : records.set.cases) one.counters["bytes"] = 0;
  CHECK(verdict_of(records, check("ratio", "bytes", kBoth + "expect = [0, inf]")).outcome ==
        Outcome::inconclusive);
  records.set.cases[0].counters["bytes"] = records.set.cases[2].counters["bytes"] = 5;
  CHECK(verdict_of(records, check("ratio", "bytes", kBoth + "expect = [2, inf]")).outcome ==
        Outcome::reproduced);  // five bytes against none
}

TEST_CASE("norms of the oracle checks are metrics") {
  Records records;
  records.run("r1");
  records.counted(Records::point(1), "naive", "bytes", 1);
  records.counted(Records::point(1), "fast", "bytes", 1);
  records.check(Records::point(1), "naive", true).norms = {{"out", {{"rms", 3e-4}}}};
  records.check(Records::point(1), "fast", true).norms = {{"out", {{"rms", 1e-4}}}};
  records.check(Records::point(1), "fast", true).norms = {{"out", {{"rms", 2e-4}}}};
  CHECK(verdict_of(records, check("ratio", "norm.out.rms", kBoth + "expect = [1.49, 1.51]"))
            .outcome == Outcome::reproduced);
  records.set.checks[2].norms["out"]["rms"] = "nan";
  CHECK(
      verdict_of(records, check("ratio", "norm.out.rms", kBoth + "expect = [1.4, 1.6]")).outcome ==
      Outcome::inconclusive);
}

TEST_CASE("ordering") {
  Records records;
  records.run("r1");
  records.steady(Records::point(1), "fast", 10);
  records.steady(Records::point(1), "naive", 20);
  records.steady(Records::point(1), "gpu", 5);
  const auto order = [&](const char* names, const char* more = "", const char* reach = "direct") {
    return verdict_of(
        records, check("ordering", "time", fmt::format("implementations = [{}]\n{}", names, more)),
        "", reach);
  };
  const Verdict right = order("\"gpu\", \"fast\", \"naive\"");
  CHECK(right.outcome == Outcome::reproduced);
  CHECK(right.measured->estimate == Approx(2).epsilon(0.01));
  CHECK(order("\"fast\", \"gpu\", \"naive\"").outcome == Outcome::contradicted);
  CHECK_THAT(order("\"fast\", \"gpu\", \"naive\"").reason,
             Catch::Contains("closest pair fast over gpu"));
  CHECK(order("\"gpu\", \"fast\"", "expect = [3, inf]").outcome == Outcome::direction_only);
  CHECK(order("\"gpu\", \"fast\"", "", "scaled").outcome == Outcome::direction_only);
  CHECK(order("\"gpu\", \"fast\"", "expect = [1.5, inf]", "scaled").outcome == Outcome::reproduced);
  CHECK(verdict_of(records, check("ordering", "rate", "implementations = [\"gpu\", \"fast\"]"))
            .outcome == Outcome::reproduced);

  SECTION("a tie of counters is no order; a metric's sense must be declared") {
    for (const char* name : {"fast", "naive"})
      records.counted(Records::point(2), name, "bytes", 7).counters["things"] = 7;
    const std::string two = "implementations = [\"fast\", \"naive\"]\nwhere = { n = 2 }\n";
    CHECK(verdict_of(records, check("ordering", "bytes", two)).outcome == Outcome::contradicted);
    CHECK_THAT(verdict_of(records, check("ordering", "things", two)).reason,
               Catch::Contains("write better ="));
    CHECK(verdict_of(records,
                     check("ordering", "things", two + "better = \"lower\"\nexpect = [1, 1]"))
              .outcome == Outcome::reproduced);
  }
}

TEST_CASE("ordering and within of a study, paired by seed") {
  Records records;
  records.run("r1");
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const double problem = 10.0 * static_cast<double>(seed);  // seeds differ more than methods
    records.study(1, "greedy", seed, {{"psnr", problem + 1.2}, {"gap", 0.0}});
    records.study(1, "cyclic", seed, {{"psnr", problem}, {"gap", 1.0}});
  }
  const std::string two = "implementations = [\"greedy\", \"cyclic\"]\n";
  CHECK(verdict_of(records, check("ordering", "psnr", two + "compare = \"difference\"", "fit"))
            .outcome == Outcome::reproduced);
  CHECK(verdict_of(records, check("ordering", "gap", two, "fit")).outcome == Outcome::reproduced);
  const Verdict gain = verdict_of(
      records,
      check("within", "psnr",
            "of = { implementation = \"greedy\" }\nminus = { implementation = \"cyclic\" }\n"
            "expect = [1.1, 1.3]",
            "fit"));
  CHECK(gain.outcome == Outcome::reproduced);
  CHECK(gain.unit == "dB");
  CHECK(gain.evidence[0].rounds.size() == 6);
  records.set.studies[0].metrics["psnr"] = std::nan("");
  CHECK(verdict_of(records, check("ordering", "psnr", two + "compare = \"difference\"", "fit"))
            .outcome == Outcome::inconclusive);
}

TEST_CASE("a study that ran once stands beside every seed of another") {
  Records records;
  records.run("r1");
  records.study(1, "greedy", 0, {{"psnr", 2.0}});
  for (std::uint64_t seed = 0; seed < 5; ++seed)
    records.study(1, "cyclic", seed, {{"psnr", 10.0 + static_cast<double>(seed)}});
  const std::string sides =
      "of = { implementation = \"cyclic\" }\nto = { implementation = \"greedy\" }\n";
  const Verdict all = verdict_of(records, check("ratio", "psnr", sides + "expect = [5, 7]", "fit"));
  CHECK(all.outcome == Outcome::reproduced);
  // Not the first seed alone, which would be inside.
  CHECK(verdict_of(records, check("ratio", "psnr", sides + "expect = [4.9, 5.1]", "fit")).outcome ==
        Outcome::inconclusive);
}

TEST_CASE("monotone, slope: along an axis") {
  Records records;
  records.run("r1");
  for (const int n : {1, 2, 4})
    for (const bool causal : {false, true}) {
      records.steady(Records::point(n, causal), "fast", 10.0 * n * n);
      records.steady(Records::point(n, causal), "naive", 10.0 * n * n * n);
    }
  const auto along = [&](const char* form, const std::string& more) {
    return verdict_of(records, check(form, "time", more + "along = \"n\"\n"));
  };
  const Verdict rises = along("monotone", kFast + "trend = \"rises\"\n");
  CHECK(rises.outcome == Outcome::reproduced);
  CHECK(rises.cells == 2);
  CHECK(rises.measured->estimate == Approx(4).epsilon(0.02));
  CHECK(along("monotone", kFast + "trend = \"falls\"\n").outcome == Outcome::contradicted);
  CHECK(along("monotone", kFast + "trend = \"rises\"\nexpect = [5, inf]\n").outcome ==
        Outcome::direction_only);
  const std::string ratio =
      "of = { implementation = \"naive\" }\nto = { implementation = \"fast\" }\n";
  CHECK(along("monotone", ratio + "trend = \"rises\"\n").measured->estimate ==
        Approx(2).epsilon(0.02));

  const Verdict slope = along("slope", kFast + "expect = [1.95, 2.05]\n");
  CHECK(slope.outcome == Outcome::reproduced);
  CHECK(along("slope", kFast + "expect = [2.9, 3.1]\n").outcome == Outcome::contradicted);
  CHECK(along("slope", ratio + "expect = [0.95, 1.05]\n").outcome == Outcome::reproduced);
  CHECK_THAT(along("slope", kFast + "where = { n = { max = 2 } }\nexpect = [1, 3]\n").reason,
             Catch::Contains("form 'slope' needs 3 values of 'n', there are 2"));
  records.failed(Records::point(8), "fast", record::Status::timeout, "60 s");
  CHECK(along("monotone", kFast + "trend = \"rises\"\n").outcome == Outcome::inconclusive);
}

TEST_CASE("slope of counters is exact, and needs positive values") {
  Records records;
  records.run("r1");
  for (const int n : {1, 2, 4}) records.counted(Records::point(n), "fast", "bytes", 3.0 * n);
  const std::string body = kFast + "along = \"n\"\nexpect = [0.999999, 1.000001]";
  const Verdict verdict = verdict_of(records, check("slope", "bytes", body));
  CHECK(verdict.outcome == Outcome::reproduced);
  CHECK(verdict.measured->low == verdict.measured->high);
  records.set.cases[0].counters["bytes"] = 0;
  const Verdict zero = verdict_of(records, check("slope", "bytes", body));
  CHECK(zero.outcome == Outcome::inconclusive);
  CHECK_THAT(zero.reason, Catch::Contains("positive"));
}

TEST_CASE("crossover") {
  Records records;
  records.run("r1");
  const auto put = [&](int n, double naive) {
    records.steady(Records::point(n), "naive", naive);
    records.steady(Records::point(n), "fast", 10);
  };
  put(1, 5);
  put(2, 8);
  put(4, 20);
  put(8, 40);
  const auto crossing = [&](const char* more) {
    return verdict_of(records, check("crossover", "time", kBoth + "along = \"n\"\n" + more));
  };
  const Verdict verdict = crossing("passes = \"rising\"\nexpect = [1.5, 5]");
  CHECK(verdict.outcome == Outcome::reproduced);
  CHECK(verdict.measured->low == 2);
  CHECK(verdict.measured->high == 4);
  CHECK(verdict.measured->estimate > 2);
  CHECK(verdict.measured->estimate < 4);
  CHECK(crossing("passes = \"rising\"\nexpect = [6, 9]").outcome == Outcome::contradicted);
  CHECK(crossing("passes = \"rising\"\nexpect = [2.5, 3]").outcome == Outcome::inconclusive);
  const Verdict other = crossing("expect = [1, 8]");
  CHECK(other.outcome == Outcome::contradicted);
  CHECK_THAT(other.reason, Catch::Contains("the other sense"));
  const Verdict never = crossing("passes = \"rising\"\nlevel = 10\nexpect = [16, inf]");
  CHECK(never.outcome == Outcome::inconclusive);
  CHECK(never.measured->low == 8);
  CHECK(never.measured->high == kInf);
}

}  // namespace
}  // namespace ashlar::claims
