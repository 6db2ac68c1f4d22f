// Forms that ask for exact numbers, invariants and points of curves.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "harness/claims/testing.hpp"

namespace ashlar::claims {
namespace {

using testing::check;
using testing::kBoth;
using testing::kFast;
using testing::Records;
using testing::StudyRecord;
using testing::verdict_of;

TEST_CASE("count") {
  Records records;
  records.run("r1");
  for (const int n : {1, 2, 4}) {
    records.steady(Records::point(n), "naive", 10.0 * n);
    records.steady(Records::point(n), "fast", 10);
  }
  const Verdict two =
      verdict_of(records, check("count", "time", kBoth + "inside = [1.5, inf]\nexpect = [2, 2]"));
  CHECK(two.outcome == Outcome::reproduced);
  CHECK(two.measured->estimate == 2);
  CHECK(
      verdict_of(records, check("count", "time", kBoth + "inside = [0.9999, 1.9]\nexpect = [1, 1]"))
          .outcome == Outcome::reproduced);
  CHECK(verdict_of(records, check("count", "time", kFast + "inside = [0, 1]\nexpect = [0, 1]"))
            .outcome == Outcome::contradicted);
  // On the edge the number is not known.
  CHECK(verdict_of(records,
                   check("count", "time", kBoth + "inside = [2, inf]\nexpect = [2, 2]", "sum"))
            .measured->high == 2);
}

TEST_CASE("equal") {
  Records records;
  records.run("r1");
  for (const int round : {0, 1}) {
    records.counted(Records::point(1), "naive", "bytes", 0.1 + 0.2, round);
    records.counted(Records::point(1), "fast", "bytes", 0.3, round);
  }
  const auto equal = [&](const std::string& more) {
    return verdict_of(records, check("equal", "bytes", more));
  };
  const Verdict differ = equal(kBoth);
  CHECK(differ.outcome == Outcome::contradicted);
  CHECK_THAT(differ.reason, Catch::Contains("0.30000000000000004 is not 0.29999999999999999"));
  CHECK(equal(kBoth + "tolerance = 1e-12").outcome == Outcome::reproduced);
  CHECK(equal(kFast + "value = 0.3").outcome == Outcome::reproduced);
  CHECK(equal(kFast + "value = 0.4").outcome == Outcome::contradicted);
  records.set.cases[3].counters["bytes"] = std::nan("");
  CHECK(equal(kFast + "value = 0.3").outcome == Outcome::contradicted);
}

TEST_CASE("holds: oracle, invariant, status") {
  Records records;
  records.run("r1");
  const Point point = Records::point(1);
  records.counted(point, "naive", "sorted", 1);
  records.counted(point, "fast", "sorted", 1);
  records.failed(point, "gpu", record::Status::unsupported, "no device");
  const auto holds = [&](const std::string& metric, const std::string& more) {
    return verdict_of(records, check("holds", metric, more));
  };
  CHECK_THAT(holds("", "").reason, Catch::Contains("has no oracle check"));
  records.check(point, "naive", true);
  records.check(point, "fast", true);
  records.check(point, "fast", false).control = true;
  CHECK(holds("", "").outcome == Outcome::reproduced);
  CHECK(holds("sorted", "").outcome == Outcome::reproduced);
  CHECK(holds("sorted", kFast).outcome == Outcome::reproduced);
  records.set.cases[1].counters["sorted"] = 0;
  CHECK(holds("sorted", "").outcome == Outcome::contradicted);
  CHECK_THAT(holds("sorted", "").reason, Catch::Contains("fast: sorted is 0"));
  records.check(point, "fast", false);
  CHECK_THAT(holds("", kFast).reason, Catch::Contains("fast was rejected by double: out[3]"));
  CHECK(holds("", "of = { implementation = \"gpu\" }").reason == "gpu unsupported: no device");

  const std::string status = "of = { implementation = \"gpu\" }\nstatus = \"out-of-memory\"";
  CHECK(holds("", status).outcome == Outcome::not_run);
  records.set.cases[2].status = record::Status::out_of_memory;
  CHECK(holds("", status).outcome == Outcome::reproduced);
  records.set.cases[2].status = record::Status::ok;
  CHECK(holds("", status).outcome == Outcome::contradicted);
  records.set.cases[2].status = record::Status::crashed;
  CHECK(holds("", status).outcome == Outcome::contradicted);
  CHECK(holds("sorted", "").outcome == Outcome::contradicted);
  records.set.cases[1].counters["sorted"] = 1;
  CHECK(holds("sorted", "").outcome == Outcome::not_run);
}

StudyRecord& with_curve(StudyRecord& study, std::vector<double> gap) {
  std::vector<double> iteration;
  std::vector<double> seconds;
  for (std::size_t i = 0; i < gap.size(); ++i) {
    iteration.push_back(static_cast<double>(i == 0 ? 0 : std::pow(10.0, i - 1)));
    seconds.push_back(iteration.back() * 2);
  }
  study.curves["iteration"] = {
      {"iteration", iteration}, {"gap", std::move(gap)}, {"seconds", seconds}};
  return study;
}

TEST_CASE("numbers out of curves") {
  Records records;
  records.run("r1");
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    with_curve(records.study(1, "greedy", seed), {1, 1e-1, 1e-2, 1e-3});  // at 0, 1, 10, 100
    with_curve(records.study(1, "cyclic", seed), {1, 1e-1, 1e-1, 1e-2});
  }
  const std::string greedy = "of = { implementation = \"greedy\" }\n";
  const std::string cyclic_over_greedy =
      "of = { implementation = \"cyclic\" }\nto = { implementation = \"greedy\" }\n";
  const auto judged = [&](const char* form, const std::string& more) {
    return verdict_of(records, check(form, "gap", more + "curve = \"iteration\"\n", "fit"));
  };
  CHECK(judged("within", greedy + "at = { iteration = 100 }\nexpect = [1e-3, 1e-3]\n").outcome ==
        Outcome::reproduced);
  CHECK(judged("within", greedy + "at = { seconds = 20 }\nexpect = [1e-2, 1e-2]\n").outcome ==
        Outcome::reproduced);
  CHECK(judged("within", greedy + "at = { iteration = 31.6227766 }\nexpect = [3.1e-3, 3.2e-3]\n")
            .outcome == Outcome::reproduced);
  CHECK_THAT(judged("within", greedy + "at = { iteration = 1000 }\nexpect = [0, 1]\n").reason,
             Catch::Contains("does not reach iteration = 1000"));
  CHECK(judged("ratio", cyclic_over_greedy + "first_below = 0.05\nexpect = [10, 10]\n").outcome ==
        Outcome::reproduced);
  CHECK(judged("ratio",
               cyclic_over_greedy + "first_below = 0.05\nread = \"seconds\"\nexpect = [10, 10]\n")
            .outcome == Outcome::reproduced);
  const Verdict never =
      judged("ratio", cyclic_over_greedy + "first_below = 5e-3\nexpect = [2, inf]\n");
  CHECK(never.outcome == Outcome::reproduced);
  CHECK(never.measured->low == kInf);
  CHECK(judged("ratio", cyclic_over_greedy + "first_below = 1e-9\nexpect = [0, inf]\n").outcome ==
        Outcome::inconclusive);  // neither gets there
  CHECK(judged("ordering", "implementations = [\"greedy\", \"cyclic\"]\nfirst_below = 0.05\n")
            .outcome == Outcome::reproduced);
  CHECK(judged("monotone", greedy + "along = \"iteration\"\ntrend = \"falls\"\n").outcome ==
        Outcome::reproduced);
  const std::string flat =
      "of = { implementation = \"cyclic\" }\nalong = \"iteration\"\n"
      "trend = \"falls\"\n";
  CHECK(judged("monotone", flat).outcome == Outcome::contradicted);
  CHECK(judged("monotone", flat + "expect = [1, inf]\n").outcome == Outcome::reproduced);
  CHECK_THAT(verdict_of(records, check("within", "gpa",
                                       greedy + "curve = \"iteration\"\nat = { iteration = 1 }\n"
                                                "expect = [0, 1]",
                                       "fit"))
                 .reason,
             Catch::Contains("has no column 'gpa'; did you mean 'gap'?"));
}

TEST_CASE("fits: against reported points") {
  std::string folder = (std::filesystem::temp_directory_path() / "ashlar-fits-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::filesystem::path csv = std::filesystem::path(folder) / "points.csv";
  std::ofstream(csv) << "# figure 3\nn,ms\n1,0.011\n2,0.02\n4,0.04\n";
  Records records;
  records.run("r1");
  for (const int n : {1, 2, 4}) records.steady(Records::point(n), "fast", 10.0 * n);
  const auto fit = [&](const std::string& more, const char* metric = "time",
                       const char* experiment = "sum") {
    const ClaimFile file = parse(testing::claim_text(check("fits", metric, more, experiment)),
                                 std::filesystem::path(folder) / "claims.toml");
    return judge(file, records.set).at(0);
  };
  const std::string axis =
      kFast + "along = \"n\"\npoints = \"points.csv\"\nx = \"n\"\ny = \"ms\"\n";
  const Verdict verdict = fit(axis + "scale = 1e-3\nexpect = [0, 0.1]");
  CHECK(verdict.outcome == Outcome::reproduced);
  CHECK(verdict.measured->estimate == Approx(0.0909).epsilon(0.05));
  CHECK_THAT(verdict.reason, Catch::Contains("farthest off at 1"));
  CHECK(fit(axis + "scale = 1e-3\nexpect = [0, 0.02]").outcome == Outcome::contradicted);
  CHECK(fit(axis + "expect = [0, 0.02]").outcome == Outcome::contradicted);
  CHECK(fit(axis + "normalise = \"first\"\nexpect = [0.08, 0.12]").outcome == Outcome::reproduced);
  std::ofstream(csv) << "n,ms\n1,0.01\n16,0.2\n";
  CHECK_THAT(fit(axis + "expect = [0, 1]").reason, Catch::Contains("no case with n=16"));

  SECTION("a study's curve") {
    std::ofstream(csv) << "n,ms\n1,0.1\n10,0.01\n";
    for (std::uint64_t seed = 0; seed < 3; ++seed)
      with_curve(records.study(1, "greedy", seed), {1, 1e-1, 1e-2, 1e-3});
    const std::string curve =
        "of = { implementation = \"greedy\" }\ncurve = \"iteration\"\n"
        "points = \"points.csv\"\nx = \"n\"\ny = \"ms\"\n";
    CHECK(fit(curve + "expect = [0, 1e-9]", "gap", "fit").outcome == Outcome::reproduced);
    CHECK(fit(curve + "normalise = \"first\"\nexpect = [0, 1e-9]", "gap", "fit").outcome ==
          Outcome::reproduced);
  }
  SECTION("problems in the points") {
    CHECK_THROWS_WITH(fit(kFast + "along = \"n\"\npoints = \"points.csv\"\nx = \"n\"\ny = \"mss\"\n"
                                  "expect = [0, 1]"),
                      Catch::Contains("points.csv has no column 'mss'; did you mean 'ms'?"));
    CHECK_THROWS_WITH(fit(kFast + "along = \"n\"\npoints = \"none.csv\"\nx = \"n\"\ny = \"ms\"\n"
                                  "expect = [0, 1]"),
                      Catch::Contains("none.csv cannot be read"));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ashlar::claims
