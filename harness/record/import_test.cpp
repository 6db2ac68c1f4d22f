#include "harness/record/import.hpp"

#include <cstring>
#include <fstream>
#include <limits>
#include <string>

#include <catch2/catch.hpp>

#include "harness/record/file.hpp"
#include "harness/testing/program.hpp"

namespace ashlar::record {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using testing::Folder;
using Rows = std::vector<Json>;

fs::path put(const Folder& folder, const std::string& name, const std::string& bytes) {
  const fs::path path = folder / name;
  fs::create_directories(path.parent_path());
  testing::write_text(path, bytes);
  return path;
}

ImportOptions options() {
  ImportOptions chosen;
  chosen.suite = "theirs";
  return chosen;
}

/// A file of Google Benchmark with these rows.
std::string rows_of(const Rows& rows) {
  return Json{
      {"context", {{"date", "2026-07-04T12:15:00+02:00"}, {"num_cpus", 4}, {"mhz_per_cpu", 2500}}},
      {"benchmarks", rows}}
      .dump();
}

Json row(const std::string& name, double time, const char* unit = "ns") {
  return {{"name", name},      {"run_name", name},     {"run_type", "iteration"},
          {"repetitions", 1},  {"threads", 1},         {"iterations", 10},
          {"real_time", time}, {"cpu_time", time / 2}, {"time_unit", unit}};
}

Imported google(const Rows& rows, const ImportOptions& chosen = options()) {
  const Folder folder;
  return import_google_benchmark(put(folder, "g.json", rows_of(rows)), chosen);
}

std::string google_error(const Rows& rows, const ImportOptions& chosen = options()) {
  try {
    google(rows, chosen);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("names become experiment, axes and implementation") {
  const Imported imported = google(
      {row("BM_attention/seqlen:1024/causal:true/0.5/iterations:7/repeats:3/manual_time", 5)});
  REQUIRE(imported.cases.size() == 1);
  const CaseRecord& one = imported.cases[0];
  CHECK(one.experiment == "attention");
  CHECK(one.implementation == "imported");
  CHECK(one.point.text() == "seqlen=1024,causal=true,arg0=0.5");
  CHECK(one.point.at("seqlen").is_integer());
  CHECK(one.key == "theirs/attention/seqlen=1024,causal=true,arg0=0.5/imported");
  CHECK(one.case_id == model::hex(model::stable_hash(one.key.str())));
}

TEST_CASE("a pattern takes a name apart, other groups and named positions are axes") {
  ImportOptions chosen = options();
  chosen.pattern = "(?<implementation>[a-z]+)_(?<experiment>\\w+)<(?<dtype>\\w+)>(?:/(?<axes>.*))?";
  chosen.arguments = {"rows", "columns"};
  const Imported imported = google({row("flash_forward<float>/8/16/threads:2", 5)}, chosen);
  CHECK(imported.cases.at(0).key == "theirs/forward/dtype=float,rows=8,columns=16,threads=2/flash");
  chosen.pattern = "(?<experiment>\\w+)/(?<axes>.*)/(?<implementation>\\w+)";
  CHECK(google({row("scale/length=64,variant=plain/loop", 5)}, chosen).cases.at(0).key ==
        "theirs/scale/length=64,variant=plain/loop");
}

TEST_CASE("what is wrong with a pattern or a name is said") {
  ImportOptions chosen = options();
  const auto with = [&](const std::string& pattern, const std::string& name) {
    chosen.pattern = pattern;
    return google_error({row(name, 1)}, chosen);
  };
  CHECK_THAT(with("(", "x"), Contains("--pattern '(' is not a regular expression"));
  CHECK_THAT(with("(?<experiment", "x"), Contains("needs a name and '>'"));
  CHECK_THAT(with("(?<experiment>a+)", "b"),
             Contains("the pattern does not match the whole name 'b'"));
  CHECK_THAT(with("a", "a"), Contains("gives no experiment"));
  CHECK_THAT(google_error({row("BM_x/n:1/n:2", 1)}), Contains("the axis 'n' comes twice"));
  CHECK_THAT(google_error({row("BM_x/" + std::string(3000, 'y'), 1)}),
             Contains("letters; at most"));
}

TEST_CASE("repetitions are samples in nanoseconds, aggregates are none") {
  Json mean = row("BM_x", 99, "us");
  mean["run_type"] = "aggregate";
  mean["aggregate_name"] = "mean";
  Json counted = row("BM_x", 3, "us");
  counted["bytes"] = 10.0;
  Json counted_again = row("BM_x", 1.5, "us");
  counted_again["bytes"] = 20.0;
  const Imported imported = google({counted, counted_again, mean, row("BM_y", 0.25, "s")});
  REQUIRE(imported.cases.size() == 2);
  CHECK(imported.cases[0].samples_ns == std::vector<std::int64_t>{3000, 1500});
  CHECK(imported.cases[0].cpu_ns == std::vector<std::int64_t>{1500, 750});
  CHECK(imported.cases[0].batch == 10);
  CHECK(imported.cases[0].metrics.at("bytes") == 15);
  CHECK(imported.cases[0].flags == std::vector<std::string>{"few-samples"});
  CHECK(imported.cases[1].samples_ns == std::vector<std::int64_t>{250'000'000});
  CHECK(imported.run.started == "2026-07-04T10:15:00Z");
  CHECK(imported.run.machine["cpu"]["logical"] == 4);
  CHECK(imported.run.machine["cpu"]["model_name"].is_null());
  CHECK(imported.run.machine.contains("kernel"));
  CHECK(imported.run.experiments.size() == 2);
}

TEST_CASE("five repetitions are enough, and a case of few nanoseconds is coarse") {
  const Imported imported =
      google({row("a", 7), row("a", 7), row("a", 7), row("a", 7), row("a", 7)});
  CHECK(imported.cases.at(0).flags == std::vector<std::string>{"coarse"});
}

TEST_CASE("failures and skips of both versions of Google Benchmark") {
  Json old = {{"name", "a"},
              {"run_name", "a"},
              {"run_type", "iteration"},
              {"error_occurred", true},
              {"error_message", "no device"}};
  Json fresh = {{"name", "b"},
                {"run_name", "b"},
                {"run_type", "iteration"},
                {"skipped", "SKIPPED_WITH_MESSAGE"},
                {"skip_message", "not here"}};
  const Imported imported = google({old, fresh});
  CHECK(imported.cases.at(0).status == Status::failed);
  CHECK(*imported.cases.at(0).reason == "no device");
  CHECK(imported.cases.at(1).status == Status::unsupported);
  CHECK(*imported.cases.at(1).reason == "not here");
}

TEST_CASE("files that are none of Google Benchmark's") {
  const Folder folder;
  const auto error_of = [&](const std::string& bytes) {
    try {
      import_google_benchmark(put(folder, "g.json", bytes), options());
    } catch (const FileError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK_THAT(error_of("{"), Contains("g.json: not JSON: parse error at line 1, column 2"));
  CHECK_THAT(error_of("[]"), Contains("not the JSON of Google Benchmark"));
  CHECK_THAT(error_of(rows_of({})), Contains("holds no results"));
  CHECK_THAT(error_of(rows_of({3})), Contains("a benchmark that is no object"));
  CHECK_THAT(google_error({row("a", 1, "h")}), Contains("unknown time_unit 'h'"));
  CHECK_THAT(google_error({row("a", -1)}), Contains("'a': 'real_time' must be a time, not -1"));
  Json mean = row("a", 1);
  mean["run_type"] = "aggregate";
  CHECK_THAT(google_error({mean}), Contains("holds aggregates only"));
  CHECK_THROWS_WITH(import_google_benchmark("absent.json", options()),
                    Contains("absent.json: cannot be read"));
}

TEST_CASE("a baseline must be there") {
  ImportOptions chosen = options();
  chosen.baselines = {"importd"};
  CHECK_THAT(google_error({row("a", 1)}, chosen), Contains("did you mean 'imported'"));
  chosen.baselines = {"imported"};
  CHECK(google({row("a", 1)}, chosen).run.experiments[0]["baselines"][0] == "imported");
}

/// A state of nvbench; `file` names its samples.
Json state(int elements, const char* mean, const char* file = nullptr, int device = 0) {
  const auto summary = [](const char* tag, const char* name, const char* type, const char* value) {
    return Json{{"tag", tag},
                {"name", "n"},
                {"data", Json::array({{{"name", name}, {"type", type}, {"value", value}}})}};
  };
  Json summaries = Json::array({summary("nv/cold/time/gpu/mean", "value", "float64", mean),
                                summary("nv/cold/time/cpu/mean", "value", "float64", "2e-5"),
                                summary("nv/cold/sample_size", "value", "int64", "3")});
  if (file != nullptr)
    summaries.push_back(summary("nv/json/bin:nv/cold/sample_times", "filename", "string", file));
  return {{"name", "Device=0"},
          {"device", device},
          {"axis_values",
           Json::array(
               {{{"name", "Elements"}, {"type", "int64"}, {"value", std::to_string(elements)}}})},
          {"is_skipped", false},
          {"summaries", summaries}};
}

std::string nvbench_file(const Rows& states) {
  return Json{{"meta", {{"argv", {"bench"}}}},
              {"devices", Json::array({{{"id", 0}, {"name", "Toy GPU"}, {"sm_version", 900}}})},
              {"benchmarks", Json::array({{{"name", "copy"}, {"states", states}}})}}
      .dump();
}

std::string floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TEST_CASE("nvbench: samples beside the file, else the mean, which is one sample") {
  const Folder folder;
  put(folder, "o.json-bin/0.bin", floats({1e-5f, 2e-5f, 3e-5f}));
  const Imported imported = import_nvbench(
      put(folder, "o.json",
          nvbench_file({state(1024, "1.25e-05", "o.json-bin/0.bin"), state(4096, "2.5e-05"),
                        state(8192, "5e-05", "o.json-bin/9.bin")})),
      options());
  REQUIRE(imported.cases.size() == 3);
  CHECK(imported.cases[0].samples_ns == std::vector<std::int64_t>{10'000, 20'000, 30'000});
  CHECK(imported.cases[0].flags.empty());
  CHECK(imported.cases[0].key == "theirs/copy/Elements=1024/imported");
  CHECK(imported.cases[0].device == "cuda");
  CHECK(imported.cases[1].samples_ns == std::vector<std::int64_t>{25'000});
  CHECK(imported.cases[1].cpu_ns == std::vector<std::int64_t>{20'000});
  CHECK(imported.cases[1].flags == std::vector<std::string>{"few-samples"});
  CHECK(imported.cases[1].metrics.at("nv/cold/sample_size") == 3);
  CHECK(imported.cases[2].samples_ns == std::vector<std::int64_t>{50'000});
  REQUIRE(imported.warnings.size() == 1);
  CHECK_THAT(imported.warnings[0], Contains("no file 'o.json-bin/9.bin'"));
  CHECK(imported.run.machine["gpu"][0]["name"] == "Toy GPU");
}

TEST_CASE("nvbench: skipped states, two devices, and what is wrong") {
  const Folder folder;
  Json skipped = state(1, "1");
  skipped["is_skipped"] = true;
  skipped["skip_reason"] = "too large";
  const auto read = [&](const Rows& states) {
    return import_nvbench(put(folder, "o.json", nvbench_file(states)), options());
  };
  const Imported imported = read({skipped, state(2, "1", nullptr, 0), state(2, "1", nullptr, 1)});
  CHECK(imported.cases.at(0).status == Status::unsupported);
  CHECK(*imported.cases.at(0).reason == "too large");
  CHECK(imported.cases.at(2).point.text() == "Elements=2,device=1");
  CHECK_THROWS_WITH(read({state(1, "1"), state(1, "1")}),
                    Contains("'copy' at Device=0: comes twice"));
  CHECK_THROWS_WITH(read({state(1, "fast")}), Contains("has no mean time"));
  CHECK_THROWS_WITH(read({}), Contains("holds no results"));
  CHECK_THROWS_WITH(import_nvbench(put(folder, "g.json", rows_of({row("a", 1)})), options()),
                    Contains("not the JSON of nvbench"));
  put(folder, "o.json-bin/1.bin", "12345");
  CHECK_THROWS_WITH(read({state(1, "1", "o.json-bin/1.bin")}),
                    Contains("no whole number of 32-bit floats"));
  put(folder, "o.json-bin/2.bin", floats({std::numeric_limits<float>::quiet_NaN()}));
  CHECK_THROWS_WITH(read({state(1, "1", "o.json-bin/2.bin")}), Contains("which is no time"));
}

}  // namespace
}  // namespace ashlar::record
