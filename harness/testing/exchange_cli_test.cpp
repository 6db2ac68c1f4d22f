// export, import and diff through the real executable.
#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "harness/testing/program.hpp"

using namespace ashlar::testing;
using Catch::Contains;
using Json = nlohmann::ordered_json;

namespace {

Ended toy(const Folder& folder, const std::vector<std::string>& words) {
  return run_program(ASHLAR_TOY, words, folder.path());
}

Ended shell(const Folder& folder, const std::string& command) {
  return run_program("/bin/sh", {"-c", command}, folder.path(), 0,
                     {std::string("TOY=") + ASHLAR_TOY});
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void make_records(const Folder& folder, const std::string& name = "r.jsonl") {
  REQUIRE(toy(folder, {"run", "toy", "--only", "scale.*(loop|wrong|crash)|descent", "--where",
                       "length=64", "--where", "variant=plain", "--no-calibration", "--out", name})
              .status != 5);
  if (!std::filesystem::exists(folder / name)) {
    REQUIRE(toy(folder, {"run", "toy", "--only", "scale.*loop", "--where", "length=64",
                         "--no-calibration", "--out", name})
                .status == 0);
  }
}

const char* const kGoogle = R"({"context": {"date": "2026-07-04T12:15:00+02:00", "num_cpus": 2},
 "benchmarks": [
 {"name": "BM_sort/n:1024", "run_name": "BM_sort/n:1024", "run_type": "iteration", "repetitions": 2, "threads": 1,
  "iterations": 10, "real_time": 10.0, "cpu_time": 10.0, "time_unit": "us"},
 {"name": "BM_sort/n:1024", "run_name": "BM_sort/n:1024", "run_type": "iteration", "repetitions": 2, "threads": 1,
  "iterations": 10, "real_time": 10.5, "cpu_time": 10.5, "time_unit": "us"},
 {"name": "BM_sort/n:1024_mean", "run_name": "BM_sort/n:1024", "run_type": "aggregate", "aggregate_name": "mean",
  "iterations": 2, "real_time": 10.25, "cpu_time": 10.25, "time_unit": "us"}]})";

const char* const kTheirClaim = R"(suite = "theirs"
[[claim]]
id = "fast"
says = "it takes ten microseconds"
source = "their page"
reported = { value = 10, unit = "us" }
reach = "direct"
because = "their own numbers"
required = true
[claim.check]
form = "within"
experiment = "sort"
metric = "time"
of = { implementation = "imported" }
where = { n = 1024 }
)";

}  // namespace

TEST_CASE("wrong words of export, import and diff end in 3 with one line") {
  const Folder folder;
  make_records(folder);
  write_text(folder / "g.json", kGoogle);
  write_text(folder / "no.json", "{}");
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"export", "r.jsonl"}, "name a --format"},
      {{"export", "r.jsonl", "--format", "junti"}, "did you mean 'junit'"},
      {{"export", "absent.jsonl", "--format", "csv"}, "no record file 'absent.jsonl'"},
      {{"export", "r.jsonl", "--format", "csv", "--claims", "c.toml"},
       "--claims goes with --format junit"},
      {{"export", "r.jsonl", "--format", "junit", "--samples"}, "--samples goes with --format csv"},
      {{"export", "r.jsonl", "--format", "junit", "--claims", "absent.toml"},
       "no file 'absent.toml'"},
      {{"export", "r.jsonl", "--format", "csv", "--only", "nothing"},
       "no record passes the filter"},
      {{"export", "r.jsonl", "--format", "bencher", "--run", "r"}, "no run 'r' in these records"},
      {{"export", "r.jsonl", "--format", "csv", "--out", "absent/x.csv"},
       "cannot write 'absent/x.csv'"},
      {{"import", "g.json", "--suite", "theirs"}, "name --from"},
      {{"import", "g.json", "--from", "nvbnch", "--suite", "theirs"}, "did you mean 'nvbench'"},
      {{"import", "g.json", "--from", "google-benchmark"}, "--suite ID"},
      {{"import", "g.json", "--from", "google-benchmark", "--suite", "a/b"}, "letters, digits"},
      {{"import", "--from", "nvbench", "--suite", "theirs"}, "name the file to import"},
      {{"import", "g.json", "r.jsonl", "--from", "nvbench", "--suite", "theirs"}, "r.jsonl"},
      {{"import", "absent.json", "--from", "nvbench", "--suite", "theirs"},
       "absent.json: cannot be read"},
      {{"import", "r.jsonl", "--from", "nvbench", "--suite", "theirs"}, "r.jsonl: not JSON"},
      {{"import", "no.json", "--from", "nvbench", "--suite", "theirs"}, "not the JSON of nvbench"},
      {{"import", "g.json", "--from", "google-benchmark", "--suite", "theirs", "--pattern", "("},
       "regular expression"},
      {{"import", "g.json", "--from", "google-benchmark", "--suite", "theirs", "--tier", "best"},
       "unknown word 'best'"},
      {{"import", "g.json", "--from", "google-benchmark", "--suite", "theirs", "--out", "r.jsonl"},
       "exists already"},
      {{"import", "g.json", "--from", "google-benchmark", "--suite", "theirs", "--out",
        "r.jsonl/x"},
       "cannot write 'r.jsonl/x'"},
      {{"diff", "r.jsonl"}, "name two record files"},
      {{"diff", "r.jsonl", "absent.jsonl"}, "no record file 'absent.jsonl'"},
      {{"diff", "r.jsonl", "r.jsonl", "r.jsonl"}, "r.jsonl"},
      {{"diff", "r.jsonl", "r.jsonl", "--format", "cvs"}, "did you mean 'csv'"},
  };
  for (const auto& [words, expected] : wrong) {
    const Ended ended = toy(folder, words);
    INFO(words.front() << " " << words.back() << ": " << ended.errors);
    CHECK(ended.status == 3);
    CHECK(lines(ended.errors) == 1);
    CHECK_THAT(ended.errors, Contains(expected));
    CHECK(ended.output.empty());
  }
}

TEST_CASE("each export is what its readers expect") {
  const Folder folder;
  make_records(folder);
  const auto exported = [&](const std::string& format, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"export", "r.jsonl", "--format", format};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = toy(folder, words);
    INFO(ended.errors);
    CHECK(ended.status == 0);
    return ended.output;
  };
  const Json google = Json::parse(exported("google-benchmark"));
  REQUIRE(google["benchmarks"].size() > 4);
  CHECK(google["context"].contains("date"));
  const Json bencher = Json::parse(exported("bencher"));
  CHECK(bencher.begin().value()["latency"]["value"].get<double>() > 0);
  CHECK_THAT(exported("csv"), Contains("median_ns"));
  CHECK_THAT(exported("csv", {"--samples"}), Contains("wall_ns,cpu_ns"));
  CHECK(exported("junit", {"--out", "r.xml"}).empty());
  const Ended parsed = shell(
      folder,
      "python3 -c 'import xml.etree.ElementTree as t; print(t.parse(\"r.xml\").getroot().tag)'");
  CHECK(parsed.output == "testsuites\n");
}

TEST_CASE("exports into a closed pipe, and onto a full disk") {
  const Folder folder;
  make_records(folder);
  CHECK(
      shell(folder, "\"$TOY\" export r.jsonl --format csv --samples | head -1; :").errors.empty());
  const Ended full = shell(folder, "\"$TOY\" export r.jsonl --format junit >/dev/full");
  CHECK(full.status == 5);
  CHECK_THAT(full.errors, Contains("cannot write standard output"));
  CHECK(toy(folder, {"diff", "r.jsonl", "r.jsonl", "--out", "/dev/full"}).status == 5);
}

TEST_CASE("another program's results are judged by a claim file about a suite that is not here") {
  const Folder folder;
  write_text(folder / "g.json", kGoogle);
  const Ended imported = toy(folder, {"import", "g.json", "--from", "google-benchmark", "--suite",
                                      "theirs", "--out", "t.jsonl"});
  INFO(imported.errors);
  REQUIRE(imported.status == 0);
  CHECK_THAT(imported.output,
             Contains("t.jsonl: 1 case, 2 samples of suite theirs, run 20260704T101500Z-"));
  const auto check = [&](const std::string& expect) {
    write_text(folder / "c.toml", kTheirClaim + expect);
    return toy(folder, {"check", "t.jsonl", "--claims", "c.toml", "--format", "csv"});
  };
  const Ended open = check("direction = [9e-6, 11e-6]\nexpect = [9e-6, 11e-6]\n");
  INFO(open.errors << open.output);
  CHECK(open.status == 0);
  CHECK_THAT(open.output, Contains("fast"));
  CHECK(toy(folder, {"table", "t.jsonl"}).status == 0);
  CHECK_THAT(toy(folder, {"table", "t.jsonl"}).output, Contains("theirs / sort"));
  CHECK_THAT(toy(folder, {"show", "n=1024/imported", "t.jsonl"}).errors, !Contains("ashlar: "));
  // Without a name it goes where runs are looked for.
  const Ended unnamed =
      toy(folder, {"import", "g.json", "--from", "google-benchmark", "--suite", "theirs"});
  CHECK(unnamed.status == 0);
  CHECK_THAT(toy(folder, {"table"}).output, Contains("theirs / sort"));
}

TEST_CASE("what export writes for Google Benchmark, import takes back sample by sample") {
  const Folder folder;
  make_records(folder);
  REQUIRE(toy(folder, {"export", "r.jsonl", "--format", "google-benchmark", "--only", "scale.*loop",
                       "--out", "g.json"})
              .status == 0);
  const Ended imported =
      toy(folder,
          {"import", "g.json", "--from", "google-benchmark", "--suite", "toy", "--pattern",
           "toy/(?<experiment>[^/]+)/(?<axes>.*)/(?<implementation>[^/]+)", "--out", "back.jsonl"});
  INFO(imported.errors);
  REQUIRE(imported.status == 0);
  const auto samples = [&](const char* file) {
    const std::string csv =
        toy(folder, {"export", file, "--format", "csv", "--samples", "--only", "scale.*loop"})
            .output;
    std::multiset<std::string> numbers;
    std::istringstream stream(csv);
    for (std::string line; std::getline(stream, line);) {
      const auto cpu = line.rfind(',');
      const auto wall = line.rfind(',', cpu - 1);
      numbers.insert(line.substr(wall));
    }
    return numbers;
  };
  CHECK(samples("r.jsonl").size() > 10);
  CHECK(samples("r.jsonl") == samples("back.jsonl"));
}

TEST_CASE("records that gzip compressed are read wherever records are") {
  const Folder folder;
  make_records(folder);
  REQUIRE(shell(folder, "gzip -9nk r.jsonl && cp r.jsonl.gz other-name.jsonl").status == 0);
  const std::vector<std::string> readers[] = {
      {"table"},
      {"check", "--claims", ASHLAR_SOURCE_DIR "/harness/testing/toy_claims.toml"},
      {"show", "loop"},
      {"export", "--format", "csv"}};
  for (const std::vector<std::string>& words : readers) {
    const auto read = [&](const std::string& file) {
      std::vector<std::string> all = words;
      all.push_back(file);
      const Ended ended = toy(folder, all);
      INFO(words.front() << ": " << ended.errors);
      CHECK(ended.status == 0);
      return ended.output + ended.errors;
    };
    const std::string plain = read("r.jsonl");
    CHECK(read("r.jsonl.gz") == plain);
    CHECK(read("other-name.jsonl") == plain);
  }
  CHECK_THAT(toy(folder, {"diff", "r.jsonl", "r.jsonl.gz"}).output, Contains("1.00x"));
  CHECK(toy(folder, {"merge", "r.jsonl.gz", "--out", "m.jsonl"}).status == 0);
  CHECK(read_text(folder / "m.jsonl") == read_text(folder / "r.jsonl"));
  const Ended twice = toy(folder, {"merge", "r.jsonl", "r.jsonl.gz", "--out", "n.jsonl"});
  CHECK(twice.status == 3);
  CHECK_THAT(twice.errors, Contains("r.jsonl and r.jsonl.gz: both hold run"));

  const Ended cut = shell(folder, "head -c 1000 r.jsonl.gz >cut.jsonl.gz; $TOY table cut.jsonl.gz");
  CHECK(cut.status == 3);
  CHECK(lines(cut.errors) == 1);
  CHECK_THAT(cut.errors,
             Contains("cut.jsonl.gz: the compressed data end early; get the file again"));
  REQUIRE(shell(folder, "rm r.jsonl m.jsonl").status == 0);
  CHECK_THAT(toy(folder, {"table", "r.jsonl"}).errors, Contains("did you mean 'r.jsonl.gz'"));
}

TEST_CASE("the newest run is found compressed, too, and last year's is not taken for it") {
  const Folder folder;
  const std::vector<std::string> run = {"run",     "toy",       "--only",          "scale.*loop",
                                        "--where", "length=64", "--no-calibration"};
  REQUIRE(toy(folder, run).status == 0);
  REQUIRE(shell(folder, "cp ashlar-runs/*.jsonl whole; head -n 1 whole >ashlar-runs/2000.jsonl")
              .status == 0);
  const std::string whole = toy(folder, {"table", "whole"}).output;
  REQUIRE(shell(folder, "gzip -9n ashlar-runs/2*Z*.jsonl").status == 0);
  CHECK(toy(folder, {"table"}).output == whole);
  std::vector<std::string> resume = run;
  resume.emplace_back("--resume");
  const Ended refused = toy(folder, resume);
  CHECK(refused.status == 3);
  CHECK_THAT(refused.errors, Contains(".jsonl.gz' is compressed, but records are written"));
  // The uncompressed one of two may have grown.
  REQUIRE(shell(folder, "gzip -dk ashlar-runs/*.gz").status == 0);
  CHECK(toy(folder, resume).status == 0);
}

TEST_CASE("no record is written to a compressed file") {
  const Folder folder;
  make_records(folder);
  write_text(folder / "g.json", kGoogle);
  REQUIRE(shell(folder, "gzip -9nk r.jsonl && cp r.jsonl.gz other-name.jsonl").status == 0);
  const std::string packed = read_text(folder / "r.jsonl.gz");
  const std::vector<std::string> writers[] = {
      {"run", "toy", "--no-calibration"},
      {"run", "toy", "--no-calibration", "--resume"},
      {"merge", "r.jsonl"},
      {"import", "g.json", "--from", "google-benchmark", "--suite", "theirs"},
      {"selftest", "--quick"}};
  for (const std::vector<std::string>& words : writers) {
    for (const char* out : {"new.jsonl.gz", "r.jsonl.gz", "other-name.jsonl"}) {
      std::vector<std::string> all = words;
      all.insert(all.end(), {"--out", out});
      const Ended ended = toy(folder, all);
      INFO(words.front() << " " << out << ": " << ended.errors);
      CHECK(ended.status == 3);
      CHECK(lines(ended.errors) == 1);
      CHECK_THAT(ended.errors, Contains(out) && Contains("records are written uncompressed") &&
                                   Contains("'gzip -9n "));
      CHECK(ended.output.empty());
    }
  }
  CHECK_FALSE(std::filesystem::exists(folder / "new.jsonl.gz"));
  CHECK(read_text(folder / "r.jsonl.gz") == packed);
  CHECK(read_text(folder / "other-name.jsonl") == packed);
}

TEST_CASE("diff shows both runs and says that it is no verdict") {
  const Folder folder;
  make_records(folder);
  const Ended same = toy(folder, {"diff", "r.jsonl", "r.jsonl"});
  INFO(same.errors);
  CHECK(same.status == 0);
  CHECK_THAT(same.output,
             Contains("Across runs: no verdict") && Contains("B / A") && Contains("1.00x"));
  for (const char* format : {"csv", "latex", "json"})
    CHECK(toy(folder, {"diff", "r.jsonl", "r.jsonl", "--format", format}).status == 0);
}

TEST_CASE("tens of thousands of records are read, judged and shown as they were made") {
  const Folder folder;
  REQUIRE(run_program(MAKE_RECORDS, {".", "100", "10", "20"}, folder.path()).status == 0);
  CHECK(run_program(MAKE_RECORDS, {".", "100", "10"}, folder.path()).status == 3);
  const Ended checked = toy(folder, {"check", "made-up.jsonl", "--claims", "claims.toml"});
  INFO(checked.errors << checked.output);
  CHECK(checked.status == 0);
  CHECK_THAT(checked.output, Contains("made-up: 4 of 4 claims reproduced") &&
                                 Contains("100 of 100 cells as expected"));
  const Ended table = toy(folder, {"table", "made-up.jsonl", "--show", "time"});
  CHECK(table.status == 0);
  CHECK_THAT(table.output, Contains("Rounds: 20.") && Contains("level-10 300"));
  CHECK_THAT(table.output, Contains("Flagged: 1000 of 1000 cases (involuntary-switches 1000)."));
}
