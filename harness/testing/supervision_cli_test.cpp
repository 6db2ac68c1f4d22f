// Rounds, --resume, --shard, merge and the timing lock, through the real executable.
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "harness/machine/timing_lock.hpp"
#include "harness/record/file.hpp"
#include "harness/testing/program.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using Catch::Contains;
using Words = std::vector<std::string>;

namespace {

/// Two points of two implementations.
const Words kSmall = {"run",     "toy",       "--only",          "scale.*(tenfold|loop)$",
                      "--where", "length=64", "--no-calibration"};

Words with(const Words& more) {
  Words words = kSmall;
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Ended toy(const Folder& folder, const Words& words, int interrupt_after_ms = 0,
          const std::vector<std::string>& environment = {}) {
  return run_program(ASHLAR_TOY, words, folder.path(), interrupt_after_ms, environment);
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::vector<record::EventRecord> events(const std::filesystem::path& file,
                                        const std::string& name) {
  std::vector<record::EventRecord> found;
  for (record::EventRecord& event : record::load({file}).events) {
    if (event.event == name) found.push_back(std::move(event));
  }
  return found;
}

/// The first `count` lines, and the torn beginning of the next.
void cut(const std::filesystem::path& file, std::size_t count, std::size_t torn_bytes = 0) {
  const std::string text = read_text(file);
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) at = text.find('\n', at) + 1;
  write_text(file, text.substr(0, at + torn_bytes));
}

std::set<std::pair<std::string, int>> cases_in(const std::filesystem::path& file) {
  std::set<std::pair<std::string, int>> cases;
  for (const record::CaseRecord& record : record::load({file}).cases)
    cases.emplace(record.key, record.round);
  return cases;
}

}  // namespace

TEST_CASE("rounds go on until every ratio is tight, and the records say why they ended") {
  const Folder folder;
  const Ended easy = toy(folder, with({"--rounds", "5", "--tight", "1000", "--out", "easy.jsonl"}));
  INFO(easy.errors);
  REQUIRE(easy.status == 0);
  for (const record::EventRecord& event : events(folder / "easy.jsonl", "rounds")) {
    CHECK(event.details.at("reason") == "tight");
    CHECK(event.details.at("rounds") == 2);
    CHECK(event.details.at("half_width").get<double>() < 1000);
    CHECK(event.details.at("implementation") == "loop");
    CHECK(event.details.at("baseline") == "tenfold");
  }
  CHECK_THAT(easy.output, Contains("2 points ended their rounds: 2 tight"));
  const Ended hard = toy(folder, with({"--rounds", "4", "--tight", "1e-9", "--out", "hard.jsonl"}));
  REQUIRE(hard.status == 0);
  const auto stops = events(folder / "hard.jsonl", "rounds");
  REQUIRE(stops.size() == 2);
  for (const record::EventRecord& event : stops) {
    CHECK(event.details.at("reason") == "max-rounds");
    CHECK(event.details.at("rounds") == 4);
  }
  CHECK(cases_in(folder / "hard.jsonl").size() == 2 * 2 * 4);
  CHECK_THAT(hard.output, Contains("2 max-rounds; least certain: loop over tenfold"));
  const Ended alone = toy(folder, {"run", "toy", "--only", "scale.*loop$", "--where", "length=64",
                                   "--no-calibration", "--rounds", "4", "--out", "alone.jsonl"});
  REQUIRE(alone.status == 0);
  for (const record::EventRecord& event : events(folder / "alone.jsonl", "rounds"))
    CHECK(event.details.at("reason") == "no-ratio");
  const Ended poor = toy(folder, with({"--rounds", "4", "--budget", "1e-9", "--out", "p.jsonl"}));
  REQUIRE(poor.status == 0);
  for (const record::EventRecord& event : events(folder / "p.jsonl", "rounds"))
    CHECK(event.details.at("reason") == "budget");
}

TEST_CASE("a run that was cut off anywhere is resumed to the same cases, wherever it was cut") {
  const Folder folder;
  const std::filesystem::path file = folder / "r.jsonl";
  REQUIRE(toy(folder, with({"--out", "r.jsonl"})).status == 0);
  const std::string whole = read_text(file);
  const auto wanted = cases_in(file);
  const std::size_t all = lines(whole);
  for (std::size_t keep = 0; keep < all; keep += 5) {
    write_text(file, whole);
    cut(file, keep, 30);
    const std::string before = read_text(file).substr(0, read_text(file).rfind('\n') + 1);
    const Ended ended = toy(folder, with({"--out", "r.jsonl", "--resume"}));
    INFO(keep << " of " << all << " lines kept: " << ended.errors);
    REQUIRE(ended.status == 0);
    CHECK(cases_in(file) == wanted);
    CHECK(read_text(file).substr(0, before.size()) == before);
    CHECK(record::load({file}).runs.size() == 1);
    CHECK(events(file, "resumed").size() == (keep > 0 ? 1 : 0));
    CHECK(events(file, "point-finished").size() == 4);
    CHECK(record::load({file}).warnings.empty());
  }
}

TEST_CASE("resuming a finished run changes nothing and ends as it did") {
  const Folder folder;
  const Words words = {"run",      "toy", "--only",           "misbehave.*(fine|wrong|segfaults)$",
                       "--rounds", "1",   "--no-calibration", "--out",
                       "r.jsonl"};
  const Ended first = toy(folder, words);
  CHECK(first.status == 2);
  const std::string before = read_text(folder / "r.jsonl");
  Words again = words;
  again.emplace_back("--resume");
  const Ended second = toy(folder, again);
  CHECK(second.status == 2);
  CHECK(second.output == first.output);
  CHECK_THAT(second.errors, Contains("nothing is missing"));
  CHECK(read_text(folder / "r.jsonl") == before);
}

TEST_CASE("more rounds or a larger budget take a finished run further") {
  const Folder folder;
  REQUIRE(toy(folder, with({"--rounds", "1", "--out", "r.jsonl"})).status == 0);
  REQUIRE(toy(folder, with({"--rounds", "3", "--tight", "1e-9", "--out", "r.jsonl", "--resume"}))
              .status == 0);
  CHECK(cases_in(folder / "r.jsonl").size() == 2 * 2 * 3);
  CHECK(events(folder / "r.jsonl", "point-finished").size() == 2 * 3);
  REQUIRE(toy(folder, with({"--budget", "1e-9", "--out", "b.jsonl"})).status == 0);
  const Ended more = toy(folder, with({"--out", "b.jsonl", "--resume"}));
  REQUIRE(more.status == 0);
  CHECK_THAT(more.output, !Contains("dropped"));
  for (const record::CaseRecord& record : record::load({folder / "b.jsonl"}).cases)
    CHECK(record.status == record::Status::ok);
}

TEST_CASE("Ctrl-C keeps what is finished, and resuming does the rest") {
  const Folder folder;
  const Words words = {
      "run",       "toy", "--only",           "misbehave.*(fine|fine-too|hangs)$|scale.*loop",
      "--timeout", "3",   "--no-calibration", "--out",
      "r.jsonl"};
  const Ended stopped = toy(folder, words, 1500);
  INFO(stopped.errors);
  CHECK(stopped.status == 130);
  CHECK_THAT(stopped.output, Contains("--resume measures the missing ones"));
  Words again = words;
  again.emplace_back("--resume");
  const Ended ended = toy(folder, again);
  INFO(ended.errors << ended.output);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.output, !Contains("interrupted") && Contains("resumed once"));
  for (const record::CaseRecord& record : record::load({folder / "r.jsonl"}).cases) {
    if (record.implementation != "hangs") CHECK(record.status == record::Status::ok);
  }
}

TEST_CASE("another run is refused by one line that names both sides") {
  const Folder folder;
  REQUIRE(toy(folder, with({"--threads", "1", "--out", "r.jsonl"})).status == 0);
  const std::string before = read_text(folder / "r.jsonl");
  const auto refused = [&](const Words& words, const std::string& why) {
    const Ended ended = toy(folder, words);
    INFO(why << ": " << ended.errors);
    CHECK(ended.status == 3);
    CHECK(lines(ended.errors) == 1);
    CHECK_THAT(ended.errors, Contains(why) && Contains("this is"));
    CHECK(read_text(folder / "r.jsonl") == before);
  };
  const Words resume = {"--threads", "1", "--out", "r.jsonl", "--resume"};
  const auto plus = [&](const Words& more) {
    Words words = with(resume);
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  refused(plus({"--seed", "2"}), "was made with seed 1, this is 2");
  refused(plus({"--mode", "full"}), "was made with mode quick, this is full");
  refused(plus({"--skip", "tenfold"}), "was made with plan ");
  refused(plus({"--shard", "1/2"}), "was made with shard null");
  refused(plus({"--profile"}), "was made with profile false");
  Words threads = with({"--threads", "2", "--out", "r.jsonl", "--resume"});
  refused(threads, "was made with threads 1, this is 2");
  std::string text = before;
  const std::string field = "\"binary_sha256\":\"";
  const std::size_t at = text.find(field) + field.size();
  text[at] = text[at] == '0' ? '1' : '0';
  write_text(folder / "r.jsonl", text);
  const Ended other = toy(folder, with(resume));
  CHECK(other.status == 3);
  CHECK_THAT(other.errors, Contains("was made with binary"));
}

TEST_CASE("what cannot be resumed is said, and what can is found") {
  const Folder folder;
  const Ended nothing = toy(folder, with({"--resume"}));
  CHECK(nothing.status == 3);
  CHECK_THAT(nothing.errors, Contains("no record file"));
  REQUIRE(toy(folder, with({})).status == 0);
  CHECK(toy(folder, with({"--resume"})).status == 0);  // the newest in ashlar-runs/
  // One that was recorded before rounds were noted.
  REQUIRE(toy(folder, with({"--out", "old.jsonl"})).status == 0);
  std::string old;
  std::istringstream all(read_text(folder / "old.jsonl"));
  for (std::string line; std::getline(all, line);) {
    if (line.find("\"event\":\"p") == std::string::npos) old += line + "\n";
  }
  write_text(folder / "old.jsonl", old);
  const Ended refused = toy(folder, with({"--out", "old.jsonl", "--resume"}));
  CHECK(refused.status == 3);
  CHECK_THAT(refused.errors, Contains("old.jsonl") && Contains("cannot be resumed"));
  // A file that is not there is a run from its start.
  CHECK(toy(folder, with({"--out", "new.jsonl", "--resume"})).status == 0);
  CHECK(events(folder / "new.jsonl", "resumed").empty());
}

TEST_CASE("shards do the plan once between them, and merge into one run") {
  const Folder folder;
  const Words base = {"run",    "toy",           "--only",          "toy/(scale|descent)",
                      "--skip", "python|absent", "--no-calibration"};
  const auto run = [&](const Words& more) {
    Words words = base;
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = toy(folder, words);
    INFO(ended.errors);
    REQUIRE(ended.status == 0);
  };
  run({"--out", "whole.jsonl"});
  for (const char* shard : {"1", "2", "3"})
    run({"--shard", std::string(shard) + "/3", "--out", std::string(shard) + ".jsonl"});
  const Ended merged = toy(folder, {"merge", "1.jsonl", "2.jsonl", "3.jsonl", "--out", "m.jsonl"});
  INFO(merged.errors);
  REQUIRE(merged.status == 0);
  CHECK(merged.errors.empty());
  CHECK_THAT(merged.output, Contains("of 3 files, 1 run: m.jsonl"));
  const record::RecordSet set = record::load({folder / "m.jsonl"});
  CHECK(set.runs.size() == 1);
  CHECK(set.warnings.empty());
  CHECK(set.studies.size() == record::load({folder / "whole.jsonl"}).studies.size());
  CHECK(cases_in(folder / "m.jsonl") == cases_in(folder / "whole.jsonl"));
  CHECK(events(folder / "m.jsonl", "merged").size() == 2);
  CHECK_THAT(toy(folder, {"table", "m.jsonl"}).output, Contains("tenfold"));

  const auto refused = [&](Words words, const std::string& why) {
    words.insert(words.begin(), "merge");
    for (const char* word : {"--out", "x.jsonl"}) words.emplace_back(word);
    const Ended ended = toy(folder, words);
    INFO(ended.errors);
    CHECK(ended.status == 3);
    CHECK(lines(ended.errors) == 1);
    CHECK_THAT(ended.errors, Contains(why));
    CHECK_FALSE(std::filesystem::exists(folder / "x.jsonl"));
  };
  refused({"1.jsonl", "1.jsonl"}, "1.jsonl and 1.jsonl: both hold run");
  run({"--shard", "1/3", "--out", "again.jsonl"});
  refused({"1.jsonl", "again.jsonl"}, "both hold shard 1/3");
  refused({"1.jsonl", "whole.jsonl"}, "number of shards 3 and 0");
  run({"--shard", "2/3", "--seed", "2", "--out", "seed.jsonl"});
  refused({"1.jsonl", "seed.jsonl"}, "seed 1 and 2");
  CHECK(toy(folder, {"merge", "1.jsonl", "--out", "2.jsonl"}).status == 3);  // it exists

  // A missing shard and one that was cut off are named, and the rest is joined.
  cut(folder / "2.jsonl", 6, 10);
  const Ended partial = toy(folder, {"merge", "1.jsonl", "2.jsonl", "--out", "partial.jsonl"});
  CHECK(partial.status == 0);
  CHECK_THAT(partial.errors, Contains("missing shard 3/3") &&
                                 Contains("2.jsonl: the last line is torn") &&
                                 Contains("2.jsonl: its run is not finished"));
  // Another host keeps its own run.
  std::string text = read_text(folder / "3.jsonl");
  const std::string field = "\"host_hash\":\"";
  REQUIRE(text.find(field) != std::string::npos);
  text[text.find(field) + field.size()] ^= 1;
  write_text(folder / "3.jsonl", text);
  const Ended hosts = toy(folder, {"merge", "1.jsonl", "3.jsonl", "--out", "hosts.jsonl"});
  CHECK(hosts.status == 0);
  CHECK(record::load({folder / "hosts.jsonl"}).runs.size() == 2);
}

TEST_CASE("a second timing run waits, or gives up, or goes on beside the first") {
  const Folder folder;
  const std::string file = (folder / "timing.lock").string();
  const std::vector<std::string> environment = {"ASHLAR_TIMING_LOCK=" + file};
  auto held = std::make_unique<machine::TimingLock>(file);
  REQUIRE(held->try_hold("the first run"));
  const Ended refused = toy(folder, with({"--no-wait", "--out", "r.jsonl"}), 0, environment);
  CHECK(refused.status == 3);
  CHECK(lines(refused.errors) == 1);
  CHECK_THAT(refused.errors, Contains("'the first run', since 2") && Contains("--no-lock"));
  CHECK_FALSE(std::filesystem::exists(folder / "r.jsonl"));
  const Ended beside = toy(folder, with({"--no-lock", "--out", "beside.jsonl"}), 0, environment);
  CHECK(beside.status == 0);
  const Ended stopped = toy(folder, with({"--out", "r.jsonl"}), 500, environment);
  CHECK(stopped.status == 130);
  CHECK_THAT(stopped.errors, Contains("waiting: this machine is being measured by process"));
  CHECK_FALSE(std::filesystem::exists(folder / "r.jsonl"));
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    held.reset();
  });
  const Ended waited = toy(folder, with({"--out", "r.jsonl"}), 0, environment);
  release.join();
  CHECK(waited.status == 0);
  CHECK_THAT(waited.errors, Contains("waiting: "));
}

TEST_CASE("a full disk ends in 5 with every finished record whole, and resuming does the rest") {
  const Folder folder;
  const std::filesystem::path file = folder / "r.jsonl";
  // A limit on file sizes is a full disk that needs no rights: what comes after 20 KiB is refused.
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{20'000, 20'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    setenv("ASHLAR_TIMING_LOCK", (folder / "timing.lock").c_str(), 1);
    if (chdir(folder.path().c_str()) != 0 || freopen("err.txt", "w", stderr) == nullptr ||
        freopen("out.txt", "w", stdout) == nullptr)
      _exit(126);
    Words words = with({"--rounds", "8", "--tight", "1e-9", "--out", "r.jsonl"});
    std::vector<char*> arguments = {const_cast<char*>(ASHLAR_TOY)};
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(ASHLAR_TOY, arguments.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  INFO(read_text(folder / "err.txt"));
  CHECK(WEXITSTATUS(status) == 5);
  CHECK_THAT(read_text(folder / "err.txt"),
             Contains("cannot append") && Contains("the lines before are whole"));
  const record::RecordSet set = record::load({file});
  CHECK(set.warnings.empty());
  CHECK_FALSE(set.cases.empty());
  const std::string before = read_text(file);
  CHECK(before.back() == '\n');
  REQUIRE(toy(folder, with({"--rounds", "8", "--tight", "1e-9", "--out", "r.jsonl", "--resume"}))
              .status == 0);
  CHECK(cases_in(file).size() == 2 * 2 * 8);
  CHECK(read_text(file).substr(0, before.size()) == before);
}

TEST_CASE("a file system without space ends in 5 with every finished record whole") {
  const Folder folder;
  // A tmpfs of 32 KiB, in a mount namespace of its own.
  const std::string script =
      "set -e\n"
      "mkdir small && mount -t tmpfs -o size=32k tmpfs small || exit 77\n"
      "status=0; \"$@\" --rounds 12 --tight 1e-9 --out small/r.jsonl || status=$?\n"
      "cp small/r.jsonl kept.jsonl; exit $status\n";
  write_text(folder / "full.sh", script);
  Words words = {"-rm", "sh", "full.sh", ASHLAR_TOY};
  for (const std::string& word : kSmall) words.push_back(word);
  const Ended ended = run_program("/usr/bin/unshare", words, folder.path());
  if (ended.status == 77 || ended.status == 127 || Contains("unshare: ").match(ended.errors)) {
    WARN("skipped: no mount namespace here: " << ended.errors);
    return;
  }
  INFO(ended.errors);
  CHECK(ended.status == 5);
  CHECK_THAT(ended.errors, Contains("No space left on device"));
  const record::RecordSet set = record::load({folder / "kept.jsonl"});
  CHECK(set.warnings.empty());
  CHECK_FALSE(set.cases.empty());
  REQUIRE(
      toy(folder, with({"--rounds", "12", "--tight", "1e-9", "--out", "kept.jsonl", "--resume"}))
          .status == 0);
  CHECK(cases_in(folder / "kept.jsonl").size() == 2 * 2 * 12);
}

TEST_CASE("scratch folders of killed runs go with the next run, those of live ones stay") {
  const Folder folder;
  const auto scratch = [&](const char* name) {
    return folder / (std::string("ashlar-scratch-").append(name));
  };
  for (const char* name : {"killed", "emptyy", "foreign"})
    std::filesystem::create_directory(scratch(name));
  write_text(scratch("killed") / "owner.lock", "");
  write_text(scratch("killed") / "problem.safetensors", "x");
  write_text(scratch("foreign") / "something", "without a lock file, and not empty");
  std::filesystem::create_directory(folder / "ashlar-mine");
  const std::vector<std::string> environment = {"TMPDIR=" + folder.path().string()};
  REQUIRE(toy(folder, with({"--out", "r.jsonl"}), 0, environment).status == 0);
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    left.insert(entry.path().filename());
  CHECK(left == std::set<std::string>{"ashlar-scratch-foreign", "ashlar-mine", "r.jsonl"});
}

TEST_CASE("progress is plain lines in a pipe") {
  const Folder folder;
  const Ended ended = toy(folder, with({"--out", "r.jsonl"}));
  CHECK_THAT(ended.errors, Contains("[1/4] toy/scale/length=64,variant=plain (0 s, up to "));
  CHECK_THAT(ended.errors + ended.output, !Contains("\033") && !Contains("\r"));
}

namespace {

/// What a run writes to a terminal of 80 columns.
std::string on_a_terminal(const Folder& folder, const Words& words, bool no_colour) {
  winsize size{24, 80, 0, 0};
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    if (no_colour) setenv("NO_COLOR", "1", 1);
    setenv("ASHLAR_TIMING_LOCK", (folder / "timing.lock").c_str(), 1);
    if (chdir(folder.path().c_str()) != 0) _exit(126);
    std::vector<char*> arguments = {const_cast<char*>(ASHLAR_TOY)};
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(ASHLAR_TOY, arguments.data());
    _exit(127);
  }
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(terminal, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  close(terminal);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  return text;
}

}  // namespace

TEST_CASE("progress on a terminal is one line that is written over, and fits") {
  const Folder folder;
  const std::string text = on_a_terminal(folder, with({"--out", "r.jsonl"}), false);
  INFO(text);
  CHECK_THAT(text, Contains("\r[1/4] toy/scale/length=64,variant=plain (0 s, up to ") &&
                       Contains("\r[4/4] ") && Contains("\033[K"));
  // Nothing of it is left above the summary.
  CHECK_THAT(text, !Contains("left)\033[K\r\n"));
  const std::string plain = on_a_terminal(folder, with({"--out", "n.jsonl"}), true);
  CHECK_THAT(plain, !Contains("\033[3"));  // no colour
}
