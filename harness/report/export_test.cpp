#include "harness/report/export.hpp"

#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "harness/report/made_up.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::report {
namespace {

using Catch::Contains;
using made_up::attention_sweep;
using made_up::descent_study;
using made_up::Json;
using made_up::kSmallest;
using made_up::refuse;

Filter only(const std::string& pattern) {
  Filter filter;
  filter.only = pattern;
  return filter;
}

TEST_CASE("google-benchmark: a repetition per sample, then the aggregates") {
  const Json json = Json::parse(export_google_benchmark(attention_sweep(2), only(kSmallest)));
  CHECK(json["context"]["date"] == "2026-07-04T10:15:00Z");
  CHECK(json["context"]["host_name"] == "amd-epyc-zen5-2c");
  std::map<std::string, std::vector<Json>> rows;
  for (const Json& row : json["benchmarks"]) rows[row["run_name"]].push_back(row);
  CHECK(rows.size() == 4);  // flash-bf16-dot is unsupported, reference has no record here
  const auto& flash = rows.at("attention/forward/" + std::string(kSmallest) + "flash");
  REQUIRE(flash.size() == 34);
  for (std::size_t i = 0; i < 30; ++i) {
    CHECK(flash[i]["name"] == flash[i]["run_name"]);
    CHECK(flash[i]["run_type"] == "iteration");
    CHECK(flash[i]["repetitions"] == 30);
    CHECK(flash[i]["repetition_index"] == i);
    CHECK(flash[i]["threads"] == 2);
    CHECK(flash[i]["iterations"] == 1);
    CHECK(flash[i]["time_unit"] == "ns");
    CHECK(flash[i]["cpu_time"].get<double>() > flash[i]["real_time"].get<double>());
  }
  CHECK(flash[30]["aggregate_name"] == "mean");
  CHECK(flash[31]["aggregate_name"] == "median");
  CHECK(flash[32]["aggregate_name"] == "stddev");
  CHECK(flash[33]["name"] == flash[0]["name"].get<std::string>() + "_cv");
  CHECK(flash[32]["real_time"].get<double>() / flash[30]["real_time"].get<double>() ==
        Approx(flash[33]["real_time"].get<double>()));
}

TEST_CASE("google-benchmark: a failed case is an error without a time") {
  const Json json = Json::parse(export_google_benchmark(
      attention_sweep(1), only("seqlen=16384,head_dim=64,causal=false,dtype=f32/standard")));
  REQUIRE(json["benchmarks"].size() == 1);
  const Json& row = json["benchmarks"][0];
  CHECK(row["error_occurred"] == true);
  CHECK(row["error_message"] == "out-of-memory: needs 4.0 GiB, the limit is 3.5 GiB");
  CHECK_FALSE(row.contains("real_time"));
}

TEST_CASE("formats with room for one run refuse two, and name them") {
  record::RecordSet two = attention_sweep(1, "run-a");
  for (const auto& one : attention_sweep(1, "run-b").cases) two.cases.push_back(one);
  CHECK_THROWS_WITH(export_google_benchmark(two),
                    Contains("run-a and run-b") && Contains("--run ID"));
  CHECK_THROWS_WITH(export_bencher(two), Contains("--format bencher holds one run"));
  Filter one;
  one.runs = {"run-a"};
  CHECK_NOTHROW(export_bencher(two, one));
  CHECK_THROWS_AS(export_bencher(record::RecordSet()), NothingToShow);
  CHECK_THROWS_AS(export_google_benchmark(attention_sweep(1), only("nothing")), NothingToShow);
}

TEST_CASE("bencher: latency in ns and throughput in FLOP/s, with the ends of the interval") {
  const Json json = Json::parse(export_bencher(attention_sweep(3), only(kSmallest)));
  const Json& flash = json.at("attention/forward/" + std::string(kSmallest) + "flash");
  const Json& latency = flash["latency"];
  CHECK(latency["lower_value"].get<double>() <= latency["value"].get<double>());
  CHECK(latency["value"].get<double>() <= latency["upper_value"].get<double>());
  const double flops = 4.0 * 512 * 512 * 64 * 4;
  CHECK(flash["throughput"]["value"].get<double>() ==
        Approx(flops / (latency["value"].get<double>() * 1e-9)));
  CHECK(flash["throughput"]["upper_value"].get<double>() ==
        Approx(flops / (latency["lower_value"].get<double>() * 1e-9)));
  CHECK(json.size() == 4);
}

TEST_CASE("junit: what is wrong fails, what crashed is an error, what is unsupported is skipped") {
  record::RecordSet records = attention_sweep(1);
  std::size_t changed = 0;
  for (record::CaseRecord& one : records.cases) {
    if (one.point.integer("seqlen") != 512 || one.point.integer("head_dim") != 64 ||
        one.point.flag("causal") || one.point.word("dtype") != "f32")
      continue;
    if (one.implementation == "naive")
      refuse(one, record::Status::wrong, "out[3] = <nan> & \"\x01\xff\"\nline");
    if (one.implementation == "flash") refuse(one, record::Status::crashed, "signal 11");
    ++changed;
  }
  REQUIRE(changed == 5);
  record::CheckRecord control;
  control.run_id = records.runs[0].run_id;
  control.suite = "attention";
  control.experiment = "forward";
  control.key = "attention/forward/seqlen=512/broken";
  control.oracle = "double";
  control.control = true;
  control.accepted = true;
  records.checks.push_back(control);
  const std::string xml = export_junit(records, {}, only(kSmallest));
  CHECK_THAT(xml, Contains("<testsuite name=\"attention.forward\" tests=\"6\" failures=\"2\" "
                           "errors=\"1\" skipped=\"1\" "
                           "timestamp=\"2026-07-04T10:15:00Z\" hostname=\"amd-epyc-zen5-2c\">"));
  CHECK_THAT(xml, Contains("<failure type=\"wrong\" message=\"out[3] = &lt;nan&gt; &amp; "
                           "&quot;\xEF\xBF\xBD\xEF\xBF\xBD&quot;&#10;line\"/>"));
  CHECK_THAT(xml, Contains("<error type=\"crashed\" message=\"signal 11\"/>"));
  CHECK_THAT(xml, Contains("<skipped message=\"unsupported: bfloat16 only\"/>"));
  CHECK_THAT(xml,
             Contains("name=\"seqlen=512/broken (control)\"") && Contains("type=\"accepted\""));
}

TEST_CASE("junit: only a required claim that is contradicted fails") {
  Judged judged;
  judged.file.suite = "attention";
  const auto add = [&](const char* id, claims::Outcome outcome, bool required) {
    claims::Verdict verdict;
    verdict.id = id;
    verdict.outcome = outcome;
    verdict.required = required;
    verdict.reason = "so it is";
    judged.verdicts.push_back(verdict);
  };
  add("good", claims::Outcome::reproduced, true);
  add("bad", claims::Outcome::contradicted, false);
  add("worse", claims::Outcome::contradicted, true);
  add("far", claims::Outcome::out_of_reach, true);
  const std::string xml = export_junit(attention_sweep(1), {judged}, only(kSmallest));
  CHECK_THAT(xml, Contains("<testsuite name=\"attention.claims\" tests=\"4\" failures=\"1\" "
                           "errors=\"0\" skipped=\"1\""));
  CHECK_THAT(xml, Contains("<system-out>contradicted: so it is</system-out>"));
  CHECK_THAT(xml, Contains("<failure type=\"contradicted\" message=\"contradicted: so it is\"/>"));
  CHECK_THAT(xml, Contains("<skipped message=\"out-of-reach: so it is\"/>"));
}

TEST_CASE("csv: a row per round, or per sample") {
  const std::string rounds =
      export_csv(attention_sweep(2), only(std::string(kSmallest) + "flash$"));
  CHECK(std::count(rounds.begin(), rounds.end(), '\n') == 3);
  CHECK_THAT(rounds,
             Contains(",median_ns,min_ns,max_ns,cpu_median_ns,") && Contains("point.seqlen"));
  const std::string samples =
      export_csv_samples(attention_sweep(2), only(std::string(kSmallest) + "flash$"));
  CHECK(std::count(samples.begin(), samples.end(), '\n') == 31);
  CHECK_THAT(
      samples,
      Contains(
          "\"attention/forward/seqlen=512,head_dim=64,causal=false,dtype=f32/flash\",1,14,1,"));
  const std::string seeds = export_csv(descent_study(3));
  CHECK(std::count(seeds.begin(), seeds.end(), '\n') == 28);
  CHECK_THAT(seeds, Contains("point.block_coordinates") && Contains("metrics.gap"));
  CHECK_THROWS_AS(export_csv_samples(descent_study(3)), NothingToShow);
}

}  // namespace
}  // namespace ashlar::report
