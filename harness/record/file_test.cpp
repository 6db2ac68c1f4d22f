#include "harness/record/file.hpp"

#include <csignal>
#include <fstream>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "harness/testing/program.hpp"

namespace ashlar::record {
namespace {

namespace fs = std::filesystem;
using testing::Folder;

CaseRecord timed(int round, std::vector<std::int64_t> samples, std::string run = "run-1") {
  CaseRecord record;
  record.run_id = std::move(run);
  record.case_id = "00ff";
  record.round = round;
  record.samples_ns = std::move(samples);
  return record;
}

RunRecord run(std::string id) {
  RunRecord record;
  record.run_id = std::move(id);
  return record;
}

void put(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

std::string line_of(const Record& record) { return to_json(record).dump() + '\n'; }

TEST_CASE("what a writer appends a reader finds") {
  Folder folder;
  const fs::path path = folder / "deep/er/run.jsonl";
  {
    Writer writer(path);
    writer.append(run("run-1"));
    writer.append(timed(0, {5, 6}));
    CHECK(testing::read_text(path) == line_of(run("run-1")) + line_of(timed(0, {5, 6})));
  }
  const RecordSet set = load({path});
  REQUIRE(set.runs.size() == 1);
  REQUIRE(set.cases.size() == 1);
  CHECK(set.cases[0].samples_ns == std::vector<std::int64_t>{5, 6});
  CHECK(set.warnings.empty());
}

TEST_CASE("a writer refuses a file that exists, unless it goes on with it") {
  Folder folder;
  const fs::path path = folder / "run.jsonl";
  { Writer(path).append(run("run-1")); }
  CHECK_THROWS_WITH(Writer(path), Catch::Contains("exists already"));
  CHECK_THROWS_AS(Writer(folder / "none.jsonl", Writer::Mode::append), std::system_error);
  put(path, R"({"schema":1,"kind":"ca)");
  Writer(path, Writer::Mode::append).append(timed(1, {7}));
  CHECK(testing::read_text(path) == line_of(run("run-1")) + line_of(timed(1, {7})));
}

TEST_CASE("going on with a file that is one torn line, or whose torn line is long") {
  Folder folder;
  const fs::path torn = folder / "torn.jsonl";
  put(torn, "{");
  Writer(torn, Writer::Mode::append).append(timed(1, {7}));
  CHECK(testing::read_text(torn) == line_of(timed(1, {7})));
  const fs::path lengthy = folder / "long.jsonl";
  put(lengthy, line_of(run("run-1")) + std::string(200'000, 'x'));
  Writer(lengthy, Writer::Mode::append).append(timed(1, {7}));
  CHECK(testing::read_text(lengthy) == line_of(run("run-1")) + line_of(timed(1, {7})));
}

TEST_CASE("when the disk is full the lines before stay whole, and writing can go on later") {
  Folder folder;
  const fs::path path = folder / "run.jsonl";
  Writer writer(path);
  writer.append(run("run-1"));
  const std::string before = testing::read_text(path);

  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit tight = old;
  tight.rlim_cur = before.size() + 20;  // the write is cut short after 20 bytes
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  std::string message;
  try {
    writer.append(timed(0, {1}));
  } catch (const std::system_error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);

  CHECK_THAT(message, Catch::Contains("the lines before are whole"));
  CHECK(testing::read_text(path) == before);
  writer.append(timed(0, {2}));
  CHECK(testing::read_text(path) == before + line_of(timed(0, {2})));
}

TEST_CASE("text that is not UTF-8 does not cost the line") {
  Folder folder;
  const fs::path path = folder / "run.jsonl";
  CaseRecord record = timed(0, {1});
  record.reason = "killed: \xff\xfe";
  Writer(path).append(record);
  CHECK(load({path}).cases.at(0).reason->substr(0, 8) == "killed: ");
}

TEST_CASE("a torn last line is left out, wherever it was torn") {
  Folder folder;
  const std::string first = line_of(run("run-1"));
  const std::string second = line_of(timed(0, {1, 2, 3}));
  for (std::size_t cut = 1; cut + 1 < second.size(); cut += 7) {
    const fs::path path = folder / ("cut-" + std::to_string(cut)).c_str();
    put(path, first + second.substr(0, cut));
    const RecordSet set = load({path});
    CHECK(set.runs.size() == 1);
    CHECK(set.cases.empty());
    REQUIRE(set.warnings.size() == 1);
    CHECK_THAT(set.warnings[0], Catch::Contains("the last line is torn"));
  }
  const fs::path whole = folder / "whole";
  put(whole, first + second.substr(0, second.size() - 1));  // only the newline is lost
  CHECK(load({whole}).cases.size() == 1);
}

TEST_CASE("any other bad line is an error with file and line") {
  Folder folder;
  const std::string good = line_of(run("run-1"));
  const auto error_of = [&](const char* name, const std::string& text) {
    const fs::path path = folder / name;
    put(path, text);
    try {
      load({path});
    } catch (const FileError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK_THAT(error_of("middle", good + "{\"schema\":1,\n" + good),
             Catch::EndsWith("middle:2: not a line of JSON"));
  CHECK_THAT(error_of("empty", good + "\n" + good), Catch::EndsWith("empty:2: not a line of JSON"));
  CHECK_THAT(error_of("schema", good + R"({"schema":9,"kind":"case"})"
                                       "\n"),
             Catch::EndsWith("schema:2: field 'schema': this program reads schema 1, not 9"));
  CHECK_THAT(error_of("field", good + R"({"schema":1,"kind":"event","run_id":3})"),
             Catch::EndsWith("field:2: field 'run_id': must be a text, not 3"));
  CHECK_THROWS_WITH(load({folder / "absent"}), Catch::Contains("absent: cannot be read"));
}

TEST_CASE("of lines that say the same thing again the last one counts") {
  Folder folder;
  const fs::path path = folder / "run.jsonl";
  {
    Writer writer(path);
    writer.append(run("run-1"));
    writer.append(timed(0, {1}));
    writer.append(timed(1, {2}));
    writer.append(timed(0, {3}));
    writer.append(timed(0, {4}, "run-2"));
    CheckRecord check;
    check.run_id = "run-1";
    writer.append(check);
    writer.append(check);
    check.accepted = true;
    writer.append(check);
    StudyRecord study;
    study.run_id = "run-1";
    study.metrics["m"] = 1;
    writer.append(study);
    study.metrics["m"] = 2;
    writer.append(study);
  }
  const RecordSet set = load({path, path});
  REQUIRE(set.cases.size() == 3);
  CHECK(set.cases[0].samples_ns == std::vector<std::int64_t>{3});
  CHECK(set.cases[1].samples_ns == std::vector<std::int64_t>{2});
  CHECK(set.cases[2].run_id == "run-2");
  CHECK(set.checks.size() == 2);
  REQUIRE(set.studies.size() == 1);
  CHECK(set.studies[0].metrics.at("m") == 2);
  REQUIRE(set.warnings.size() == 1);
  CHECK_THAT(set.warnings[0], Catch::Contains("no run record for run run-2"));
}

}  // namespace
}  // namespace ashlar::record
