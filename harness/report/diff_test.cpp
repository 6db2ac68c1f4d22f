#include "harness/report/diff.hpp"

#include <string>

#include <catch2/catch.hpp>

#include "harness/report/made_up.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::report {
namespace {

using Catch::Contains;
using made_up::attention_sweep;
using made_up::Json;
using made_up::refuse;
using record::RecordSet;

Filter smallest() {
  Filter filter;
  filter.only = made_up::kSmallest;
  return filter;
}

/// The second run: all times and rates changed by a factor.
RecordSet later(double times, double rates) {
  RecordSet records = attention_sweep(2, "20260705T101500-cd34");
  for (record::CaseRecord& one : records.cases)
    for (std::int64_t& ns : one.samples_ns) ns = std::llround(times * static_cast<double>(ns));
  for (Json& team : records.runs[0].calibration["teams"])
    for (const char* rate : {"f32_gflops", "bf16_gflops", "copy_gb_per_s"})
      team[rate]["rate"] = rates * team[rate]["rate"].get<double>();
  return records;
}

std::map<std::string, Json> rows_of(const RecordSet& before, const RecordSet& after) {
  std::map<std::string, Json> rows;
  for (const Json& row : Json::parse(diff_table(before, after, Format::json, smallest())))
    rows[row["implementation"]] = row;
  return rows;
}

TEST_CASE("the ratio of medians with its interval, and the same normalised by the calibrations") {
  const auto rows = rows_of(attention_sweep(2), later(0.5, 1.6));
  const Json& flash = rows.at("flash");
  CHECK(flash["across_runs"] == true);
  CHECK(flash["ratio"].get<double>() == Approx(0.5).epsilon(0.001));
  CHECK(flash["ratio_low"].get<double>() <= flash["ratio"].get<double>());
  CHECK(flash["ratio"].get<double>() <= flash["ratio_high"].get<double>());
  CHECK(flash["ratio_high"].get<double>() < 0.52);
  CHECK(flash["normalised_ratio"].get<double>() == Approx(0.8).epsilon(0.001));
  CHECK(flash["run_a"] == "20260704T101500-ab12");
}

TEST_CASE("without a calibration nothing is normalised") {
  RecordSet after = later(2, 1);
  after.runs[0].calibration = nullptr;
  CHECK(rows_of(attention_sweep(2), after).at("flash")["normalised_ratio"].is_null());
  CHECK_THAT(diff_table(attention_sweep(2), after, Format::markdown, smallest()),
             Contains("Not normalised: a run without calibration."));
}

TEST_CASE("changes of status, and cases of one run only") {
  RecordSet before = attention_sweep(2);
  RecordSet after = later(1, 1);
  std::erase_if(before.cases, [](const auto& one) { return one.implementation == "chunked"; });
  std::erase_if(after.cases, [](const auto& one) { return one.implementation == "standard"; });
  for (record::CaseRecord& one : after.cases)
    if (one.implementation == "naive") refuse(one, record::Status::crashed, "signal 11");
  const std::string text = diff_table(before, after, Format::markdown, smallest());
  CHECK_THAT(text, Contains("Across runs: no verdict.") && Contains("`ashlar gate`"));
  CHECK_THAT(text,
             Contains("was ok, is crashed") && Contains("only in A") && Contains("only in B"));
  CHECK_THAT(text, Contains("3 cases in both runs, 2 in one only."));
  const auto rows = rows_of(before, after);
  CHECK(rows.at("naive")["ratio"].is_null());
  CHECK(rows.at("naive")["status_b"] == "crashed");
  CHECK(rows.at("chunked")["status_a"].is_null());
  CHECK(rows.at("standard")["status_b"].is_null());
}

TEST_CASE("every format, and what cannot be compared") {
  const RecordSet before = attention_sweep(2);
  CHECK_THAT(diff_table(before, later(1, 1), Format::latex, smallest()),
             Contains("\\begin{tabular}"));
  CHECK_THAT(diff_table(before, later(1, 1), Format::csv, smallest()),
             Contains("across_runs,run_a,run_b"));
  RecordSet two = before;
  for (const auto& one : later(1, 1).cases) two.cases.push_back(one);
  CHECK_THROWS_WITH(diff_table(two, before, Format::csv),
                    Contains("the first records hold 2 runs"));
  CHECK_THROWS_AS(diff_table(RecordSet(), before, Format::csv), NothingToShow);
  CHECK_THROWS_WITH(diff_table(made_up::descent_study(2), made_up::descent_study(2), Format::csv),
                    Contains("studies are not compared"));
}

}  // namespace
}  // namespace ashlar::report
