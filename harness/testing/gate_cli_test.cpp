// Gates through the real executable: every exit code, and what stands in the report. The two builds
// are the toy with another fault each, behind scripts.
#include <chrono>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

#include "harness/model/value.hpp"
#include "harness/testing/program.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using Catch::Contains;

namespace {

const std::string kToy = ASHLAR_TOY;

/// A script that is the toy with this fault.
std::string build(const Folder& folder, const std::string& fault) {
  const std::filesystem::path path = folder / ("ashlar-" + fault);
  write_text(path, "#!/bin/sh\nASHLAR_TOY_BUILD=" + fault + " exec '" + kToy + "' \"$@\"\n");
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path.string();
}

struct Words {
  std::string base = "plain";
  std::string head = "plain";
  std::vector<std::string> more;
};

/// A gate over the suite "build"; the program that commands it knows the implementation "new".
Ended gate(const Folder& folder, const Words& words, int interrupt_after_ms = 0) {
  std::vector<std::string> all = {
      "gate", "build", "--base", build(folder, words.base), "--head", build(folder, words.head)};
  all.insert(all.end(), words.more.begin(), words.more.end());
  return run_program(kToy, all, folder.path(), interrupt_after_ms, {"ASHLAR_TOY_BUILD=more"});
}

model::Json json_of(const Ended& ended) {
  INFO(ended.errors << ended.output);
  return model::Json::parse(ended.output);
}

std::string verdict_of(const model::Json& report, const std::string& implementation) {
  for (const model::Json& one : report.at("cases")) {
    if (!one.at("key").get<std::string>().ends_with("/" + implementation)) continue;
    return one.at("verdict").is_null() ? "none" : one.at("verdict").get<std::string>();
  }
  return "missing";
}

/// Gates that fail without statistics, by name.
std::vector<std::string> hard_of(const model::Json& report) {
  std::vector<std::string> names;
  for (const model::Json& failure : report.at("hard")) names.push_back(failure.at("gate"));
  return names;
}

}  // namespace

TEST_CASE("equal builds end in 0, whatever the machine does") {
  const Folder folder;
  const Ended ended = gate(folder, {.more = {"--format", "json", "--shadow"}});
  CHECK(ended.status == 0);
  const model::Json report = json_of(ended);
  CHECK(verdict_of(report, "work") != "slower");
  CHECK(verdict_of(report, "steady") != "slower");
  CHECK(verdict_of(report, "foreign") == "missing");  // peers are left out
  CHECK(report.at("hard").empty());
  const model::Json& work = report.at("cases").at(0);
  CHECK(work.at("metric") == "cpu");
  CHECK(work.at("batch").get<int>() >= 1);
  CHECK(work.at("first").at("pairs").size() >= 3);
  CHECK(work.at("first").at("pairs").at(0).at("groups_ns").size() == 4);
}

TEST_CASE("a head that does half as much work again ends in 1, measured twice") {
  const Folder folder;
  const Ended ended = gate(folder, {.head = "slow", .more = {"--format", "json"}});
  CHECK(ended.status == 1);
  const model::Json report = json_of(ended);
  CHECK(verdict_of(report, "work") == "slower");
  CHECK(verdict_of(report, "steady") != "slower");
  for (const model::Json& one : report.at("cases")) {
    if (one.at("verdict") != "slower") continue;
    CHECK(one.at("confirmation").at("verdict") == "slower");
    CHECK(one.at("confirmation").at("pairs").size() >= 6);
  }
  CHECK(gate(folder, {.head = "slow", .more = {"--shadow"}}).status == 0);
}

TEST_CASE("a head that does less work is faster, and fine") {
  const Folder folder;
  const Ended ended = gate(folder, {.base = "slow", .more = {"--only", "/work$"}});
  CHECK(ended.status == 0);
  CHECK_THAT(ended.output, Contains("faster"));
}

TEST_CASE("a wrong answer of the head ends in 2, one of the base alone does not") {
  const Folder folder;
  const Ended wrong = gate(folder, {.head = "wrong"});
  CHECK(wrong.status == 2);
  CHECK_THAT(wrong.output, Contains("answer: build/scale/length=4096/work: wrong answer"));
  CHECK(gate(folder, {.head = "wrong", .more = {"--shadow"}}).status == 2);
  // Times decide nothing here or in what follows: of equal builds they cry wolf now and then.
  const Ended mended = gate(folder, {.base = "wrong", .more = {"--shadow"}});
  CHECK(mended.status == 0);
  CHECK_THAT(mended.output, Contains("not compared: build/scale/length=4096/work: base: wrong"));
}

TEST_CASE("a crash or hang that the base survives ends in 2; one on both sides is listed") {
  const Folder folder;
  for (const std::string fault : {"crash", "crash-later", "hang"}) {
    INFO(fault);
    const Ended crashed =
        gate(folder, {.head = fault, .more = {"--format", "json", "--timeout", "2"}});
    CHECK(crashed.status == 2);
    const model::Json report = json_of(crashed);
    CHECK(hard_of(report) == std::vector<std::string>{"robustness"});
    CHECK(verdict_of(report, "steady") != "none");  // the others went on
    const Ended both =
        gate(folder, {.base = fault, .head = fault, .more = {"--timeout", "2", "--shadow"}});
    CHECK(both.status == 0);
    CHECK_THAT(both.output, Contains("not compared") && Contains("/work"));
  }
}

TEST_CASE("precision, memory and workspace fail without statistics") {
  const Folder folder;
  const std::pair<std::string, std::string> faults[] = {
      {"imprecise", "precision"}, {"memory", "memory"}, {"workspace", "workspace"}};
  for (const auto& [fault, name] : faults) {
    INFO(fault);
    const Ended ended =
        gate(folder, {.head = fault, .more = {"--format", "json", "--only", "/work$"}});
    CHECK(ended.status == 1);
    const std::vector<std::string> hard = hard_of(json_of(ended));
    CHECK(std::find(hard.begin(), hard.end(), name) != hard.end());
    // The other way round nothing is wrong, whatever the times say.
    const Ended repaired =
        gate(folder, {.base = fault, .more = {"--format", "json", "--only", "/work$"}});
    CHECK(repaired.status != 1);
    CHECK(hard_of(json_of(repaired)).empty());
  }
}

TEST_CASE("a case that one build does not have is listed") {
  const Folder folder;
  const Ended ended = gate(folder, {.base = "plain", .head = "more", .more = {"--shadow"}});
  CHECK(ended.status == 0);
  CHECK_THAT(ended.output, Contains("/new: only in head"));
  CHECK_THAT(gate(folder, {.base = "more"}).output, Contains("/new: only in base"));
}

TEST_CASE("what is no build ends in 3, with one line") {
  const Folder folder;
  write_text(folder / "text", "no program");
  write_text(folder / "mute", "#!/bin/sh\nexit 0\n");
  write_text(folder / "parrot", "#!/bin/sh\nexec cat\n");
  for (const char* name : {"mute", "parrot"})
    std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
  const std::string plain = build(folder, "plain");
  const std::pair<std::vector<std::string>, std::string> wrong[] = {
      {{"--head", plain}, "--base is missing"},
      {{"--base", plain}, "--head is missing"},
      {{"--base", "nowhere", "--head", plain}, "--base: no file 'nowhere'"},
      {{"--base", plain, "--head", "text"}, "--head: 'text' is no executable"},
      {{"--base", plain, "--head", "."}, "--head: '.' is no executable"},
      {{"--base", "mute", "--head", plain}, "is no ashlar that speaks worker protocol 1"},
      {{"--base", plain, "--head", "parrot"}, "is no ashlar that speaks worker protocol 1"},
      {{"--base", plain, "--head", plain, "--margin", "0"}, "--margin 0: must be from 0.001 to 1"},
      {{"--base", plain, "--head", plain, "--groups", "3"}, "--groups 3: must be from 6"},
      {{"--base", plain, "--head", plain, "--pairs", "1"}, "--pairs 1: must be from 3"},
      {{"--base", plain, "--head", plain, "--only", "nothing"}, "leave no case"},
      {{"--base", plain, "--head", plain, "--format", "txt"}, "unknown format 'txt'"},
      {{"--base", plain, "--head", plain, "--runner", "none"}, "--runner: cannot read 'none'"},
      {{"--base", plain, "--head", plain, "--check", "none.jsonl"}, "no record file 'none.jsonl'"},
      {{"--base", plain, "--head", plain, "--heed"}, "unknown option '--heed'"}};
  for (const auto& [words, message] : wrong) {
    INFO(message);
    std::vector<std::string> all = {"gate", "build"};
    all.insert(all.end(), words.begin(), words.end());
    const Ended ended = run_program(kToy, all, folder.path(), 0, {"ASHLAR_TOY_BUILD=plain"});
    CHECK(ended.status == 3);
    CHECK_THAT(ended.errors, Contains(message));
    CHECK(std::count(ended.errors.begin(), ended.errors.end(), '\n') == 1);
  }
}

TEST_CASE("an unclear case is inconclusive when asked to be strict") {
  // Times of a few nanoseconds, rounded to whole ones, decide nothing.
  const Folder folder;
  std::vector<std::string> words = {"gate",    "toy",           "--base",    kToy,      "--head",
                                    kToy,      "--only",        "/loop$",    "--where", "length=64",
                                    "--where", "variant=plain", "--threads", "1"};
  CHECK(run_program(kToy, words, folder.path()).status == 0);
  words.emplace_back("--strict");
  // Where others slow it down, or instrumentation does, or the machine is slow, the case is long
  // enough to be judged every time; what the status is then made of has a test without a clock.
  bool unclear = false;
  for (int attempt = 0; attempt < 10 && !unclear; ++attempt) {
    const Ended strict = run_program(kToy, words, folder.path());
    unclear = strict.output.find("1 unclear") != std::string::npos;
    CHECK(strict.status == (unclear ? 4 : 0));
  }
}

TEST_CASE("a full disk ends in 5") {
  const Folder folder;
  CHECK(gate(folder, {.more = {"--out", "/dev/full"}}).status == 5);
}

TEST_CASE("an interrupt ends in 130 and prints what was measured until then") {
  const Folder folder;
  const Ended ended = gate(folder, {.more = {"--groups", "3000"}}, 1500);
  CHECK(ended.status == 130);
  CHECK_THAT(ended.output, Contains("gate: interrupted") && Contains("verdict"));
}

TEST_CASE("a required claim that the records contradict ends in 1") {
  const Folder folder;
  const auto toy = [&](const std::vector<std::string>& words) {
    return run_program(kToy, words, folder.path(), 0, {"ASHLAR_TOY_BUILD=plain"});
  };
  REQUIRE(toy({"run", "toy", "--only", "scale/.*/unrolled$", "--where", "length=256",
               "--no-calibration", "--rounds", "1", "--out", "r.jsonl"})
              .status == 0);
  const auto claim = [](const std::string& value) {
    return "suite = \"toy\"\n[[claim]]\nid = \"count\"\nsays = \"so many\"\nsource = \"here\"\n"
           "reported = { value = " +
           value +
           " }\nreach = \"direct\"\nbecause = \"counted\"\nrequired = true\n[claim.check]\n"
           "form = \"equal\"\nexperiment = \"scale\"\nmetric = \"multiplications\"\n"
           "of = { implementation = \"unrolled\" }\nwhere = { length = 256 }\nvalue = " +
           value + "\n";
  };
  write_text(folder / "right.toml", claim("256"));
  write_text(folder / "wrong.toml", claim("255"));
  const auto checked = [&](const std::string& file) {
    return gate(folder, {.more = {"--only", "/steady$", "--check", "r.jsonl", "--claims", file}});
  };
  CHECK(checked("right.toml").status == 0);
  const Ended wrong = checked("wrong.toml");
  INFO(wrong.errors);
  CHECK(wrong.status == 1);
  CHECK_THAT(wrong.output, Contains("claim: count: required, and contradicted"));
}

TEST_CASE("the report for a pull request goes to a file, all measurements to another") {
  const Folder folder;
  const Ended ended = gate(folder, {.head = "slow",
                                    .more = {"--only", "/work$", "--format", "markdown", "--out",
                                             "report.md", "--json", "all.json"}});
  CHECK(ended.status == 1);
  CHECK(ended.output.empty());
  CHECK_THAT(read_text(folder / "report.md"),
             Contains("### Performance gate: failed: 1 case is slower") && Contains("**slower**"));
  const model::Json all = model::Json::parse(read_text(folder / "all.json"));
  CHECK(all.at("exit_code") == 1);
  CHECK(verdict_of(all, "work") == "slower");
}

TEST_CASE("the self-test says how often the gate is wrong, and the gate repeats it") {
  const Folder folder;
  const auto toy = [&](const std::vector<std::string>& words) {
    return run_program(kToy, words, folder.path());
  };
  const Ended ended = toy({"selftest", "--comparisons", "10", "--gates", "1", "--load", "1",
                           "--out", "selftest.jsonl"});
  INFO(ended.errors);
  REQUIRE(ended.status == 0);
  CHECK_THAT(ended.output, Contains("beside 1 busy loops") && Contains("of 10") &&
                               Contains("+10 % of work") && Contains("+5 % of work"));
  const std::string lines = read_text(folder / "selftest.jsonl");
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 4);
  const Ended gated = gate(folder, {.more = {"--only", "/steady$", "--runner", "selftest.jsonl"}});
  CHECK_THAT(gated.output, Contains("same program on both sides beside 1 busy loops"));
  CHECK(toy({"selftest", "--comparisons", "0", "--gates", "0"}).status == 3);
  CHECK(toy({"selftest", "--load", "-1"}).status == 3);
  const Ended shown = toy({"selftest", "--show", (folder / "selftest.jsonl").string()});
  CHECK(shown.status == 0);
  CHECK_THAT(shown.output, Contains("| the same program on both sides | 5 % |"));
  CHECK(toy({"selftest", "--show", "none"}).status == 3);
  CHECK(toy({"selftest", "--out", "no/such/folder/x"}).status == 3);
}
