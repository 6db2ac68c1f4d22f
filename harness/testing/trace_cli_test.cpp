// `ashlar run --trace` through the real executable: every phase shows up, nested as it ran.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <set>

#include <catch2/catch.hpp>

#include "harness/record/file.hpp"
#include "harness/testing/program.hpp"
#include "harness/trace/recorder.hpp"
#include "harness/trace/timeline.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using Catch::Contains;

namespace {

Ended toy(const Folder& folder, const std::vector<std::string>& words,
          const std::vector<std::string>& environment = {}) {
  return run_program(ASHLAR_TOY, words, folder.path(), 0, environment);
}

Ended toy_run(const Folder& folder, std::vector<std::string> words) {
  words.insert(words.begin(), {"run", "toy"});
  for (const char* word : {"--out", "r.jsonl", "--trace", "t.json"}) words.emplace_back(word);
  return toy(folder, words);
}

trace::Timeline timeline(const Folder& folder) {
  std::ifstream in(folder / "t.json");
  return trace::read_timeline(in);
}

/// A range and those that it lies in, outermost first: "a > b > c".
std::vector<std::string> paths(const trace::Lane& lane) {
  std::vector<std::string> list;
  std::vector<std::string> open;
  const std::vector<int> depth = trace::depths(lane.spans);
  for (std::size_t i = 0; i < lane.spans.size(); ++i) {
    open.resize(static_cast<std::size_t>(depth[i]));
    open.push_back(lane.spans[i].name);
    std::string path;
    for (const std::string& name : open) path += (path.empty() ? "" : " > ") + name;
    list.push_back(path);
  }
  return list;
}

std::set<std::string> paths_of(const trace::Timeline& timeline, trace::Role role) {
  std::set<std::string> all;
  for (const trace::Process& process : timeline.processes) {
    if (process.role != role) continue;
    for (const trace::Lane& lane : process.lanes) {
      const std::vector<std::string> own = paths(lane);
      all.insert(own.begin(), own.end());
    }
  }
  return all;
}

/// Of any two ranges of a lane, one holds the other or they are apart.
void check_nesting(const trace::Timeline& timeline) {
  for (const trace::Process& process : timeline.processes) {
    for (const trace::Lane& lane : process.lanes) {
      std::vector<const trace::Span*> open;
      for (const trace::Span& span : lane.spans) {
        CHECK(span.start_ns <= span.end_ns);
        while (!open.empty() && open.back()->end_ns <= span.start_ns) open.pop_back();
        if (!open.empty()) {
          INFO(open.back()->name << " holds " << span.name);
          CHECK(open.back()->start_ns <= span.start_ns);
          CHECK(span.end_ns <= open.back()->end_ns);
        }
        open.push_back(&span);
      }
    }
  }
}

const trace::Process* worker_named(const trace::Timeline& timeline, const std::string& name) {
  for (const trace::Process& process : timeline.processes) {
    if (process.name == name) return &process;
  }
  return nullptr;
}

bool cannot_record() {
  if (!trace::why_not_recording()) return false;
  std::cout << "skipped: " << *trace::why_not_recording() << "\n";
  return true;
}

}  // namespace

TEST_CASE("every phase of a run shows up, nested as it ran, in lanes that line up") {
  if (cannot_record()) return;
  const Folder folder;
  const Ended ended =
      toy_run(folder, {"--only", "toy/scale.*/(loop|unrolled)|descent.*model", "--where",
                       "length=256", "--where", "variant=plain", "--rounds", "2", "--budget", "5"});
  INFO(ended.errors << ended.output);
  REQUIRE(ended.status == 0);
  const trace::Timeline found = timeline(folder);
  check_nesting(found);

  REQUIRE(!found.processes.empty());
  CHECK(found.processes[0].role == trace::Role::supervisor);
  CHECK(found.processes[0].name == "supervisor");
  const std::string point = "toy/scale length=256,variant=plain";
  const std::set<std::string> commanding = paths_of(found, trace::Role::supervisor);
  for (const std::string& path :
       {std::string("plan"), std::string("calibrate"), std::string("round 0"), "round 0 > " + point,
        "round 1 > " + point}) {
    INFO(path);
    CHECK(commanding.contains(path));
  }

  const std::string opened = "toy/scale > length=256,variant=plain";
  const std::set<std::string> working = paths_of(found, trace::Role::worker);
  CHECK(working.contains("calibrate"));
  for (const char* path :
       {"", " > problem", " > oracle", " > loop", " > loop > prepare", " > loop > first execution",
        " > loop > verify", " > loop > sample", " > unrolled > sample"}) {
    INFO(opened + path);
    CHECK(working.contains(opened + path));
  }

  // Two rounds are two processes, and each lies within its round.
  int rounds = 0;
  for (const trace::Process& process : found.processes) {
    if (process.name != "worker: " + point) continue;
    const std::string round = "round " + std::to_string(rounds++);
    const trace::Span& work = process.lanes.at(0).spans.at(0);
    bool within = false;
    for (const trace::Span& span : found.processes[0].lanes.at(0).spans) {
      within = within || (span.name == round && span.start_ns <= work.start_ns &&
                          work.start_ns <= span.end_ns);
    }
    INFO(round);
    CHECK(within);
  }
  CHECK(rounds == 2);

  // No comparison may take these times silently.
  for (const record::CaseRecord& record : record::load({folder / "r.jsonl"}).cases) {
    CHECK(std::count(record.flags.begin(), record.flags.end(), "traced") == 1);
  }
}

TEST_CASE("the table after the run is made again from the file") {
  if (cannot_record()) return;
  const Folder folder;
  const Ended run = toy_run(folder, {"--only", "toy/scale.*/(loop|unrolled)", "--no-calibration",
                                     "--rounds", "1", "--budget", "5"});
  INFO(run.errors);
  REQUIRE(run.status == 0);
  const Ended again = toy(folder, {"trace", "t.json"});
  REQUIRE(again.status == 0);
  CHECK_THAT(again.output, Contains("exclusive ms") && Contains("  sample\n"));
  CHECK_THAT(run.output, Contains(again.output + "timeline: t.json\n"));
  const Ended two = toy(folder, {"trace", "t.json", "--rows", "2"});
  CHECK_THAT(two.output, Contains(" more\n"));
}

TEST_CASE("a crash keeps the lane of its worker up to the crash") {
  if (cannot_record()) return;
  const Folder folder;
  const Ended ended = toy_run(
      folder, {"--only", "misbehave.*/(segfaults|fine)$", "--rounds", "1", "--no-calibration"});
  INFO(ended.errors);
  REQUIRE(ended.status == 0);
  const trace::Timeline found = timeline(folder);
  check_nesting(found);
  bool crashed = false;
  for (const trace::Process& process : found.processes) {
    for (const trace::Lane& lane : process.lanes) {
      const std::vector<std::string> path = paths(lane);
      for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] != "toy/misbehave > length=64 > segfaults > first execution") continue;
        crashed = true;
        CHECK(lane.spans[i].unfinished);
        CHECK(lane.spans[0].unfinished);
      }
    }
  }
  CHECK(crashed);
  CHECK_THAT(ended.output, Contains("never ended"));
  CHECK(worker_named(found, "worker: toy/misbehave length=64") != nullptr);
}

TEST_CASE("an interrupted run keeps its timeline") {
  if (cannot_record()) return;
  const Folder folder;
  const Ended ended =
      run_program(ASHLAR_TOY,
                  {"run", "toy", "--only", "misbehave.*(fine|hangs)", "--timeout", "2",
                   "--no-calibration", "--out", "r.jsonl", "--trace", "t.json"},
                  folder.path(), 700);
  CHECK(ended.status == 130);
  // An instrumented program may not have come to its first worker yet.
  CHECK(paths_of(timeline(folder), trace::Role::supervisor).contains("plan"));
}

TEST_CASE("profile and trace together: the case's key and id are ranges, and nothing is timed") {
  if (cannot_record()) return;
  const Folder folder;
  const Ended ended = toy_run(folder, {"--only", "scale.*/loop", "--where", "length=64", "--where",
                                       "variant=plain", "--profile"});
  INFO(ended.errors);
  REQUIRE(ended.status == 0);
  const record::RecordSet records = record::load({folder / "r.jsonl"});
  REQUIRE(records.cases.size() == 1);
  const record::CaseRecord& record = records.cases[0];
  CHECK(record.samples_ns.empty());
  CHECK(record.flags == std::vector<std::string>{"profiled", "traced"});
  CHECK(paths_of(timeline(folder), trace::Role::worker)
            .contains("toy/scale > length=64,variant=plain > " + record.key.str() + " > " +
                      record.case_id.str() + " > execute"));
}

TEST_CASE("a wrong place for the timeline is told before anything runs") {
  if (cannot_record()) return;
  const Folder folder;
  const auto refused = [&](const std::vector<std::string>& words, const char* what,
                           const std::vector<std::string>& environment = {}) {
    std::vector<std::string> all = {"run", "toy", "--out", "r.jsonl"};
    all.insert(all.end(), words.begin(), words.end());
    const Ended ended = toy(folder, all, environment);
    INFO(ended.errors);
    CHECK(ended.status == 3);
    CHECK_THAT(ended.errors, Contains(what));
    CHECK(std::count(ended.errors.begin(), ended.errors.end(), '\n') == 1);
    CHECK_FALSE(std::filesystem::exists(folder / "r.jsonl"));
  };
  write_text(folder / "there.json", "mine");
  refused({"--trace", "there.json"}, "--trace: 'there.json' exists; choose another name");
  CHECK(read_text(folder / "there.json") == "mine");
  refused({"--trace", "no/such/folder/t.json"}, "cannot write 'no/such/folder/t.json': No such");
  refused({"--trace", "."}, "--trace: '.' exists");
  refused({"--trace", ""}, "cannot write ''");
  refused({"--trace"}, "--trace");
  refused({"--trace", "t.json"}, "NVTX_INJECTION64_PATH is set",
          {"NVTX_INJECTION64_PATH=/somewhere/tool.so"});
  // A run that is refused for another reason leaves no empty timeline behind.
  refused({"--trace", "t.json", "--only", "no-such-case"}, "nothing to run");
  CHECK_FALSE(std::filesystem::exists(folder / "t.json"));
  CHECK(toy(folder, {"run", "toy", "--dry-run", "--trace", "t.json"}).status == 0);
  CHECK_FALSE(std::filesystem::exists(folder / "t.json"));
}

TEST_CASE("the verb trace says what is wrong with its file") {
  const Folder folder;
  const auto refused = [&](const std::vector<std::string>& words, const char* what) {
    std::vector<std::string> all = {"trace"};
    all.insert(all.end(), words.begin(), words.end());
    const Ended ended = toy(folder, all);
    INFO(ended.errors);
    CHECK(ended.status == 3);
    CHECK_THAT(ended.errors, Contains(what));
  };
  write_text(folder / "other.json", "{\"traceEvents\":[]}");
  write_text(folder / "text.json", "no JSON");
  refused({}, "name the timeline");
  refused({"absent.json"}, "cannot read 'absent.json': No such file");
  refused({"other.json"}, "'other.json' was not written by 'ashlar run --trace'");
  refused({"text.json"}, "'text.json' is no JSON");
  refused({"other.json", "more"}, "unexpected word 'more'");
  refused({"other.json", "--rows", "-1"}, "--rows -1: must not be negative");
}

TEST_CASE("without --trace nothing is recorded and nothing is flagged") {
  const Folder folder;
  const Ended ended = toy(folder, {"run", "toy", "--only", "scale.*/loop", "--where", "length=64",
                                   "--rounds", "1", "--no-calibration", "--out", "r.jsonl"});
  REQUIRE(ended.status == 0);
  for (const record::CaseRecord& record : record::load({folder / "r.jsonl"}).cases)
    CHECK(std::count(record.flags.begin(), record.flags.end(), "traced") == 0);
  CHECK_THAT(ended.output, !Contains("timeline"));
}
