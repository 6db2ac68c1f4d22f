#include "harness/report/show.hpp"

#include <catch2/catch.hpp>

#include "harness/report/made_up.hpp"
#include "harness/report/run_summary.hpp"
#include "harness/report/text.hpp"

namespace ashlar::report {

using Catch::Contains;
using made_up::kRun;
using record::RecordSet;
using record::Status;

namespace {

RecordSet two_cases() {
  RecordSet records;
  records.runs.push_back(made_up::run_record(kRun));
  const auto point = made_up::attention_point(1024, 64, true, "f32");
  records.cases.push_back(made_up::case_record(kRun, point, "standard", "peer", 4e6));
  records.cases.push_back(made_up::case_record(kRun, point, "flash", "optimized", 2e6));
  records.cases[1].counters["tiles_skipped"] = 28;
  records.cases[1].flags = {"involuntary-switches"};
  records.cases[1].workspace_bytes = 65536;
  record::CheckRecord check;
  check.run_id = kRun;
  check.case_id = records.cases[1].case_id;
  check.oracle = "rows in double";
  check.accepted = true;
  check.norms = {{"O", {{"max_abs", 1.25e-6}, {"compared", 4096}}}};
  check.limit = {{"max_abs", 1e-5}};
  records.checks.push_back(check);
  return records;
}

record::EventRecord event(const std::string& name, const model::Json& details,
                          const std::string& time = "2026-07-04T10:18:05Z") {
  return {kRun, name, time, details};
}

}  // namespace

TEST_CASE("show tells all of a case and how to repeat it", "[report]") {
  const RecordSet records = two_cases();
  const std::string text = show_case(records, records.cases[1].case_id);
  CHECK_THAT(text, Contains("causal          true") && Contains("flash (optimized, cpu)"));
  CHECK_THAT(text, Contains("2.000 ms [1.980, 2.020], min 1.960 ms, MdAPE 1.0 %"));
  CHECK_THAT(text, Contains("15 samples") && Contains("1.96 2 2.04") && Contains("converged"));
  CHECK_THAT(text, Contains("1.9 threads busy"));
  CHECK_THAT(text, Contains("2.00x [2.00, 2.00] over standard"));
  CHECK_THAT(text, Contains("268.4 GFLOP/s, 60.1 % of the peak"));
  CHECK_THAT(text, Contains("tiles_skipped = 28") && Contains("involuntary-switches"));
  CHECK_THAT(text, Contains("64 KiB workspace"));
  CHECK_THAT(text, Contains("oracle rows in double: accepted"));
  CHECK_THAT(text, Contains("O: max_abs 1.25e-06, compared 4096"));
  // In lines that a shell takes as one.
  CHECK_THAT(text, Contains("    ashlar run attention --mode quick --where seqlen=1024 "
                            "--where head_dim=64 --where causal=true \\\n"
                            "        --where dtype=f32 --only '^attention/forward/.*/flash$' "
                            "--seed 42 --threads 2\n"));
  CHECK_THAT(text, !Contains("\x1b["));
  CHECK_THAT(show_case(records, "/flash", {true, 100}), Contains("\x1b["));
}

TEST_CASE("a case is found by id, beginning, key or end of key", "[report]") {
  const RecordSet records = two_cases();
  const std::string& id = records.cases[0].case_id;
  const std::string text = show_case(records, id);
  CHECK(show_case(records, id.substr(0, 6)) == text);
  CHECK(show_case(records, records.cases[0].key) == text);
  CHECK(show_case(records, "dtype=f32/standard") == text);
  CHECK_THROWS_WITH(show_case(records, "h"), Contains("no case 'h'"));
  CHECK_THROWS_WITH(show_case(records, "nowhere"), Contains("no case 'nowhere'"));
  CHECK_THROWS_WITH(show_case(RecordSet{}, "x"),
                    Contains("no case 'x' in these records (0 cases)"));
  RecordSet many = records;
  many.cases.push_back(made_up::case_record(kRun, made_up::attention_point(2048, 64, true, "f32"),
                                            "flash", "optimized", 8e6));
  CHECK_THROWS_WITH(show_case(many, "/flash"),
                    Contains("'/flash' is the name of 2 cases") &&
                        Contains(" (seqlen=2048,head_dim=64,causal=true,dtype=f32/flash)") &&
                        !Contains("\n"));
  for (const int seqlen : {4096, 8192, 16384}) {
    many.cases.push_back(made_up::case_record(
        kRun, made_up::attention_point(seqlen, 64, true, "f32"), "flash", "optimized", 8e6));
  }
  CHECK_THROWS_WITH(show_case(many, "flash"), Contains("5 cases") && Contains("and 2 more"));
  CHECK_THROWS_WITH(show_case(many, "flsh"), Contains("did you mean 'flash'"));
}

TEST_CASE("show fits a terminal of 80 columns", "[report]") {
  RecordSet records = two_cases();
  records.checks[0].norms["lse"] = {{"max_abs", "inf"}, {"compared", 24}};
  records.checks[0].limit = {{"O", {{"max_abs", 1e-5}, {"max_rel", "inf"}}},
                             {"lse", {{"max_abs", "inf"}}}};
  const std::string text = show_case(records, "/flash", {false, 80});
  std::istringstream lines(text);
  std::string key;
  std::getline(lines, key);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(display_width(line) <= 80);
  }
  // An infinite norm is worth knowing, an infinite limit is none.
  CHECK_THAT(text, Contains("; lse: max_abs inf, compared"));
  CHECK_THAT(text, Contains("limit           O: max_abs 1e-05\n"));
}

TEST_CASE("show tells how a case failed", "[report]") {
  RecordSet records = two_cases();
  made_up::refuse(records.cases[1], Status::crashed, "killed by signal 11");
  records.cases[1].exit = record::Exit{std::nullopt, 11, false};
  records.checks[0].accepted = false;
  records.checks[0].mismatch = "O[0, 17]: 0.25, expected 0.5";
  const std::string text = show_case(records, "/flash");
  CHECK_THAT(text, Contains("crashed") && Contains("killed by signal 11") && Contains("signal 11"));
  CHECK_THAT(text, Contains("rejected") && Contains("O[0, 17]: 0.25, expected 0.5"));
}

TEST_CASE("show tells every seed of a study", "[report]") {
  const RecordSet records = made_up::descent_study(3);
  const std::string text = show_case(records, "block=5,rule=greedy/greedy");
  CHECK_THAT(text, Contains("seed 2: ok") && Contains("curve descent") && Contains("61 points"));
  RecordSet named = records;
  for (auto& record : named.studies) record.curves["a-long-name"] = record.curves["descent"];
  CHECK_THAT(show_case(named, "block=5,rule=greedy/greedy"),
             Contains("  curve a-long-name\n                  61 points: iteration, gap"));
  CHECK_THAT(text, Contains("--where block=5") && !Contains("--threads"));
}

TEST_CASE("words in the repeat command are quoted", "[report]") {
  model::Point point;
  point.set("text", "two words; rm");
  CHECK_THAT(repeat_command(nullptr, "toy", "a+b", point, "x.y", 0),
             Contains("--where 'text=two words; rm' --only '^toy/a\\+b/.*/x\\.y$'"));
}

TEST_CASE("the summary counts cases and lists what failed", "[report]") {
  RecordSet records = two_cases();
  const auto point = made_up::attention_point(2048, 64, true, "f32");
  auto wrong = made_up::case_record(kRun, point, "naive", "naive", 1e9);
  made_up::refuse(wrong, Status::wrong, "max_abs 3 above 1e-05");
  auto unsupported = made_up::case_record(kRun, point, "chunked", "peer", 1e9);
  made_up::refuse(unsupported, Status::unsupported, "not here");
  records.cases.push_back(wrong);
  records.cases.push_back(unsupported);
  records.events = {
      event("dropped",
            {{"what", "attention/forward/seqlen=16384 round 0"}, {"why", "budget"}, {"round", 0}}),
      event("dropped", {{"what", "x round 1"}, {"why", "budget"}, {"round", 1}}),
      event("dropped", {{"what", "y round 2"}, {"why", "budget"}, {"round", 2}}),
      event("finished", model::Json::object())};
  record::CheckRecord control;
  control.run_id = kRun;
  control.control = true;
  control.key = "attention/forward/control";
  records.checks.push_back(control);
  std::string text = run_summary(records);
  CHECK_THAT(text, Contains("4 cases: 2 ok, 1 unsupported, 1 wrong"));
  CHECK_THAT(text, Contains(wrong.key) && Contains("max_abs 3 above 1e-05"));
  CHECK_THAT(text, !Contains("not here"));
  CHECK_THAT(text, Contains("dropped:\n  attention/forward/seqlen=16384 round 0\n    budget"));
  CHECK_THAT(text, Contains("2 later rounds dropped: budget"));
  CHECK_THAT(text, Contains("1 negative control rejected"));
  CHECK_THAT(text, Contains("wall time 3 min 5 s"));
  records.checks.back().accepted = true;
  text = run_summary(records, {true, 60});
  CHECK_THAT(text, Contains("negative controls that were accepted") && Contains("\x1b[31m"));
}

TEST_CASE("the summary of an interrupted run says how to go on, until it was resumed", "[report]") {
  const model::Json at = {{"suite", "attention"}, {"experiment", "forward"}, {"point", {{"n", 1}}}};
  const auto with = [&](model::Json more) {
    more.update(at);
    return more;
  };
  RecordSet records = two_cases();
  records.events = {event("dropped", with({{"what", "n=1"}, {"why", "interrupted"}, {"round", 0}})),
                    event("interrupted", model::Json::object())};
  std::string text = run_summary(records);
  CHECK_THAT(text, Contains("interrupted: the records so far are kept; --resume"));
  CHECK_THAT(text, Contains("dropped:\n  n=1"));
  records.events.push_back(event("resumed", model::Json::object()));
  records.events.push_back(event("point-finished", with({{"round", 0}})));
  records.events.push_back(event("finished", {{"elapsed_s", 12.5}}));
  text = run_summary(records);
  CHECK_THAT(text, !Contains("interrupted") && !Contains("dropped"));
  CHECK_THAT(text, Contains("measured for 12.5 s, resumed once"));
}

TEST_CASE("the summary says why points got no further rounds, by the last word on each",
          "[report]") {
  const auto rounds = [&](int n, const char* reason, model::Json half) {
    return event("rounds", {{"suite", "attention"},
                            {"experiment", "forward"},
                            {"point", {{"n", n}}},
                            {"reason", reason},
                            {"half_width", std::move(half)},
                            {"implementation", "flash"},
                            {"baseline", "naive"}});
  };
  RecordSet records = two_cases();
  records.events = {rounds(1, "interrupted", nullptr), rounds(2, "max-rounds", 0.041),
                    rounds(3, "budget", 0.03), rounds(1, "tight", 0.5)};
  CHECK_THAT(
      run_summary(records),
      Contains("3 points ended their rounds: 1 budget, 1 max-rounds, 1 tight; least certain: "
               "flash over naive at forward n=2, ±4.1 %"));
}

TEST_CASE("a summary of nothing is a sentence", "[report]") {
  CHECK(run_summary(RecordSet{}) == "the records hold no run\n");
  RecordSet records;
  records.runs.push_back(made_up::run_record(kRun));
  CHECK_THAT(run_summary(records), Contains("no case was executed"));
  records.warnings = {"a.jsonl: torn last line"};
  CHECK_THAT(run_summary(records), Contains("warning: a.jsonl: torn last line"));
}

TEST_CASE("seconds between times", "[report]") {
  CHECK(*seconds_between("2026-02-28T23:59:30Z", "2026-03-01T00:00:00.5Z") == Approx(30.5));
  CHECK_FALSE(seconds_between("yesterday", "2026-03-01T00:00:00Z"));
  CHECK_FALSE(seconds_between("2026-02-30T00:00:00Z", "2026-03-01T00:00:00Z"));
}

}  // namespace ashlar::report
