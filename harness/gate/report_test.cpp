#include "harness/gate/report.hpp"

#include <cmath>

#include <catch2/catch.hpp>

using namespace ashlar;
using namespace ashlar::gate;
using Catch::Contains;

namespace {

Measured made_up(double change) {
  Measured measured;
  for (int pair = 0; pair < 3; ++pair) {
    PairData data;
    for (int group = 0; group < 4; ++group) {
      const double noise = 0.001 * ((group + pair) % 3 - 1);
      data.groups.push_back({1e6, 1e6 * std::exp(change + noise), 2e5, 2.001e5});
    }
    measured.pairs.push_back(data);
  }
  const double margin = std::log(1.05);
  measured.estimate = estimate(measured.pairs, margin, 1);
  measured.verdict = decide(measured.estimate, margin);
  return measured;
}

/// One case per change; slower ones confirmed.
Report report_of(const std::vector<double>& changes) {
  static model::Implementation implementation;
  implementation.name = "work";
  Report report;
  report.base = "a";
  report.head = "b";
  report.machine_id = "some-machine";
  report.mode = "quick";
  report.effort.margin = std::log(1.05);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Case one;
    one.implementation = &implementation;
    one.key = "suite/experiment/n=" + std::to_string(i) + "/work";
    one.id = run::case_id(one.key);
    report.cases.push_back(one);
    Judgement judgement;
    judgement.measured = true;
    judgement.margin = report.effort.margin;
    judgement.first = made_up(changes[i]);
    judgement.verdict = judgement.first.verdict;
    if (judgement.verdict == Verdict::slower) judgement.confirmation = made_up(changes[i]);
    report.comparison.cases.push_back(judgement);
  }
  return report;
}

int code(const Report& report, bool strict = false, bool shadow = false) {
  return exit_code(report, strict, shadow);
}

}  // namespace

TEST_CASE("the gravest finding decides the exit code") {
  Report report = report_of({0, 0});
  CHECK(code(report) == 0);
  report.comparison.cases[0].verdict = Verdict::unclear;
  CHECK(code(report) == 0);
  CHECK(code(report, true) == 4);
  CHECK(code(report, true, true) == 0);
  report.comparison.cases[0].verdict = Verdict::disturbed;
  CHECK(code(report) == 4);
  report.comparison.cases[0].verdict = Verdict::same;
  report.comparison.disturbed = true;
  CHECK(code(report) == 4);
  report.comparison.cases[0].verdict = Verdict::slower;
  CHECK(code(report) == 1);
  CHECK(code(report, false, true) == 0);
  report.hard.push_back({"answer", "k", "wrong", true});
  CHECK(code(report) == 2);
  CHECK(code(report, false, true) == 2);
  report.interrupted = true;
  CHECK(code(report) == 130);
  Report hard = report_of({0});
  hard.hard.push_back({"memory", "k", "more"});
  CHECK(code(hard) == 1);
  CHECK(code(hard, false, true) == 0);
}

TEST_CASE("the headline says what the exit code means") {
  CHECK(headline(report_of({0}), {}) == "passed: nothing is slower");
  CHECK(headline(report_of({0.2, 0.2, 0}), {}) == "failed: 2 cases are slower");
  CHECK(headline(report_of({0.2}), {.shadow = true}) ==
        "failed: 1 case is slower (shadow: reported, not enforced)");
  Report hard = report_of({0.2});
  hard.hard.push_back({"memory", "k", "more"});
  CHECK(headline(hard, {}) == "failed: 1 case is slower, 1 gate fails without statistics");
  hard.hard.push_back({"answer", "k", "wrong", true});
  CHECK(headline(hard, {}) == "failed: 1 case is wrong or broken in head");
  Report unclear = report_of({0});
  unclear.comparison.cases[0].verdict = Verdict::unclear;
  CHECK(headline(unclear, {}) == "passed: nothing is slower; 1 case is unclear");
  CHECK(headline(unclear, {.strict = true}) == "inconclusive: 1 case is unclear");
  unclear.comparison.cases[0].verdict = Verdict::disturbed;
  CHECK(headline(unclear, {}) == "inconclusive: the machine was disturbed");
}

TEST_CASE("Markdown shows what changed and folds the rest away") {
  Report report = report_of({0, std::log(1.08), 0});
  report.hard.push_back({"memory", "suite/x|y", "peak memory 3 MiB, the base's 1 MiB"});
  report.listed.push_back({"suite/experiment/n=9/work", "only in head"});
  const std::string text = markdown_report(report, {});
  CHECK_THAT(text, Contains("### Performance gate: failed: 1 case is slower, 1 gate fails"));
  CHECK_THAT(text, Contains("| +8.0 % ["));
  CHECK_THAT(text, Contains("**slower**"));
  CHECK_THAT(text, Contains("| memory | `suite/x\\|y` |"));
  CHECK_THAT(text, Contains("only in head"));
  CHECK_THAT(text, Contains("run 'ashlar selftest'"));
  const std::size_t fold = text.find("<details>");
  REQUIRE(fold != std::string::npos);
  CHECK(text.find("n=1/work") < fold);
  CHECK(text.find("n=0/work") > fold);
}

TEST_CASE("a report of a thousand cases still fits a comment") {
  const std::vector<double> slower(1000, std::log(1.08));
  CHECK(markdown_report(report_of(slower), {}).size() < 65'000);
  const std::vector<double> same(1000, 0.0);
  const std::string text = markdown_report(report_of(same), {});
  CHECK(text.size() < 65'000);
  CHECK_THAT(text, Contains(" more"));
}

TEST_CASE("the runner's own false alarms and power stand below the verdict") {
  ReportStyle style;
  style.runner.emplace();
  style.runner->machine_id = "some-machine";
  TrialResult same;
  same.trial = {300, 2, 0, std::log(1.05)};
  same.comparisons = 300;
  same.verdicts[Verdict::same] = 299;
  TrialResult power;
  power.trial = {50, 0, 0.1, std::log(1.03)};
  power.comparisons = 50;
  power.verdicts[Verdict::slower] = 48;
  style.runner->trials = {same, power};
  const std::string text = text_report(report_of({0}), style);
  CHECK_THAT(text, Contains("beside 2 busy loops, margin 5 %: falsely slower in 0 of 300"));
  CHECK_THAT(text, Contains("+10 % injected, margin 3 %: called slower in 48 of 50"));
  CHECK_THAT(text, !Contains("another machine"));
  style.runner->machine_id = "other";
  CHECK_THAT(text_report(report_of({0}), style), Contains("Measured on another machine, other"));
}

TEST_CASE("JSON has enough to decide again") {
  const Report report = report_of({std::log(1.08)});
  const Json json = Json::parse(json_report(report, {}).dump());
  CHECK(json.at("exit_code") == 1);
  const Json& one = json.at("cases").at(0);
  CHECK(one.at("verdict") == "slower");
  std::vector<PairData> pairs;
  for (const Json& pair : one.at("first").at("pairs")) {
    PairData& data = pairs.emplace_back();
    for (const Json& group : pair.at("groups_ns"))
      data.groups.push_back({group.at(0), group.at(1), group.at(2), group.at(3)});
  }
  const double margin = one.at("log_margin");
  const Estimate again = estimate(pairs, margin, 1);
  CHECK(again.change == report.comparison.cases[0].first.estimate.change);
  CHECK(decide(again, margin) == Verdict::slower);
}

TEST_CASE("changes are written as people read them") {
  CHECK(change_text({std::log(1.07), std::log(1.081), std::log(1.09), 0.95}) ==
        "+8.1 % [+7.0, +9.0]");
  CHECK(change_text({}) == "unknown");
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(change_text({-inf, 0, inf, 0.95}) == "+0.0 % [unknown]");
}
