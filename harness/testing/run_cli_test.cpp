// Runs through the real executable, on the toy suite: what goes wrong in an implementation must
// become a record, and the run must go on.
#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "harness/record/file.hpp"
#include "harness/testing/program.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using Catch::Contains;

namespace {

const std::string kToy = ASHLAR_TOY;

Ended toy(const Folder& folder, const std::vector<std::string>& words, int interrupt_after_ms = 0,
          const std::vector<std::string>& environment = {}) {
  return run_program(kToy, words, folder.path(), interrupt_after_ms, environment);
}

/// A run without calibration, into "r.jsonl".
Ended toy_run(const Folder& folder, std::vector<std::string> words, int interrupt_after_ms = 0,
              const std::vector<std::string>& environment = {}) {
  words.insert(words.begin(), "run");
  for (const char* word : {"--no-calibration", "--out", "r.jsonl"}) words.emplace_back(word);
  return toy(folder, words, interrupt_after_ms, environment);
}

record::RecordSet records(const Folder& folder) { return record::load({folder / "r.jsonl"}); }

std::map<std::string, record::CaseRecord> by_implementation(const record::RecordSet& set) {
  std::map<std::string, record::CaseRecord> cases;
  for (const record::CaseRecord& record : set.cases) cases[record.implementation] = record;
  return cases;
}

}  // namespace

TEST_CASE("a run verifies, measures and records every implementation, the one in Python too") {
  const Folder folder;
  const Ended ended = toy_run(folder, {"toy", "--only", "toy/scale", "--where", "length=256",
                                       "--where", "variant=plain", "--rounds", "2"});
  INFO(ended.errors);
  REQUIRE(ended.status == 0);
  const record::RecordSet set = records(folder);
  REQUIRE(set.runs.size() == 1);
  const auto cases = by_implementation(set);
  for (const char* name : {"tenfold", "loop", "unrolled", "in-place", "python"}) {
    INFO(name);
    REQUIRE(cases.contains(name));
    CHECK(cases.at(name).status == record::Status::ok);
    CHECK(cases.at(name).samples_ns.size() >= 3);
    CHECK(cases.at(name).samples_ns.size() == cases.at(name).cpu_ns.size());
    CHECK(cases.at(name).stop_reason.has_value());
  }
  CHECK(cases.at("unrolled").counters.at("multiplications") == 256);
  CHECK(cases.at("in-place").batch == 1);  // reset before each execution
  // Executions of some hundred nanoseconds are timed in batches; how large they grow is a matter of
  // next_batch(), tested by itself: here the time they took would depend on what else runs.
  const record::CaseRecord& loop = cases.at("loop");
  CHECK(loop.batch > 1);
  CHECK(loop.warmups > loop.batch);
  CHECK(cases.at("unrolled").workspace_bytes == 1024);
  CHECK(cases.at("absent").status == record::Status::unsupported);
  const auto is_peer = [](const record::EventRecord& event) { return event.event == "peer"; };
  REQUIRE(std::count_if(set.events.begin(), set.events.end(), is_peer) == 1);
  const record::Json peer = std::find_if(set.events.begin(), set.events.end(), is_peer)->details;
  CHECK(peer.at("experiment") == "toy/scale");
  CHECK(peer.at("implementation") == "python");
  CHECK(peer.at("software").at("python").get<std::string>().rfind("3.", 0) == 0);
  // Two rounds, each in a fresh process.
  int rounds_of_loop = 0;
  for (const record::CaseRecord& record : set.cases)
    rounds_of_loop += record.implementation == "loop" ? 1 : 0;
  CHECK(rounds_of_loop == 2);
  // Every answer was checked before it was timed, and the controls were rejected.
  int controls = 0;
  for (const record::CheckRecord& check : set.checks) {
    CHECK(check.accepted != check.control);
    controls += check.control ? 1 : 0;
  }
  CHECK(controls == 2);
  CHECK(set.events.back().event == "finished");
}

TEST_CASE("a crash, a hang, hoarding, an exception and lies become records; the run goes on") {
  const Folder folder;
  const Ended ended = toy_run(folder, {"toy", "--only", "misbehave", "--rounds", "1", "--timeout",
                                       "1.5", "--memory", "300"});
  INFO(ended.errors);
  CHECK(ended.status == 2);  // wrong answers
  const auto cases = by_implementation(records(folder));
  REQUIRE(cases.size() == 13);
  using record::Status;
  CHECK(cases.at("fine").status == Status::ok);
  CHECK(cases.at("fine-too").status == Status::ok);
  CHECK(cases.at("fine").samples_ns.size() >= 3);
  CHECK(cases.at("fine-too").samples_ns.size() >= 3);
  CHECK(cases.at("chatters").status == Status::ok);
  CHECK(cases.at("segfaults").status == Status::crashed);
  CHECK(cases.at("segfaults").exit->signal == 11);
  CHECK(cases.at("hangs").status == Status::timeout);
  CHECK(cases.at("hangs").exit->timed_out);
  CHECK(cases.at("eats-memory").status == Status::out_of_memory);
  CHECK(cases.at("refuses-memory").status == Status::out_of_memory);
  CHECK(cases.at("throws").status == Status::failed);
  CHECK_THAT(cases.at("throws").reason.value(), Contains("cannot, today"));
  CHECK(cases.at("wrong").status == Status::wrong);
  CHECK_THAT(cases.at("wrong").reason.value(), Contains("y(") && Contains("expected"));
  CHECK(cases.at("wears-out").status == Status::wrong);
  CHECK(cases.at("idles").status == Status::wrong);
  CHECK_THAT(cases.at("idles").reason.value(), Contains("NaN"));
  std::map<std::string, int> lost;
  for (const record::EventRecord& event : records(folder).events) {
    if (event.event == "worker-lost") ++lost[event.details.at("status").get<std::string>()];
  }
  CHECK(lost == std::map<std::string, int>{{"crashed", 2}, {"out-of-memory", 1}, {"timeout", 1}});
  for (const auto& [name, record] : cases) {
    if (record.status != Status::ok) CHECK(record.reason.has_value());
  }
}

TEST_CASE("a crash amid the samples of several is blamed on one, and the others are asked again") {
  const Folder folder;
  const Ended ended =
      toy_run(folder, {"toy", "--only", "misbehave.*/(fine|fine-too|chatters|dies-later)$",
                       "--rounds", "2", "--timeout", "5"});
  INFO(ended.errors);
  CHECK(ended.status == 0);
  int crashes = 0;
  for (const record::CaseRecord& record : records(folder).cases) {
    INFO(record.implementation << " " << record.reason.value_or(""));
    const bool dies = record.implementation == "dies-later";
    CHECK((record.status == record::Status::ok) != dies);
    if (!dies) CHECK(record.samples_ns.size() >= 15);
    crashes += record.status == record::Status::crashed ? 1 : 0;
  }
  CHECK(crashes == 2);
}

TEST_CASE("programs that break the protocol fail alone, each with its reason") {
  const Folder folder;
  const Ended ended = toy_run(folder, {"toy", "--only", "foreign", "--timeout", "2"});
  INFO(ended.errors);
  CHECK(ended.status == 2);  // too-short answers wrongly
  const auto cases = by_implementation(records(folder));
  using record::Status;
  CHECK(cases.at("fine").status == Status::ok);
  for (const char* name : {"no-answer", "null-error", "no-json", "no-samples"}) {
    INFO(name);
    CHECK(cases.at(name).status == Status::failed);
    CHECK_THAT(cases.at(name).reason.value(), Contains("broke the protocol"));
  }
  const Status flood = cases.at("floods").status;  // at the deadline or at the longest line
  CHECK((flood == Status::timeout || flood == Status::failed));
  CHECK(cases.at("too-short").status == Status::wrong);
  CHECK_THAT(cases.at("too-short").reason.value(), Contains("has 3 elements, expected 64"));
}

TEST_CASE("a device that accepts no sample gives a row without samples, and no failure") {
  const Folder folder;
  const Ended ended =
      toy_run(folder, {"toy", "--only", "foreign/.*/(refuses.*|fine)$", "--rounds", "1"});
  INFO(ended.errors << ended.output);
  CHECK(ended.status == 0);
  const auto cases = by_implementation(records(folder));
  using Flags = std::vector<std::string>;
  const record::CaseRecord& none = cases.at("refuses");
  CHECK(none.status == record::Status::ok);
  CHECK(none.samples_ns.empty());
  CHECK(none.flags == Flags{"throttled", "no-accepted-samples"});
  CHECK(none.stop_reason == "throttled");
  CHECK(none.reason == "no accepted samples: made up");
  CHECK(none.metrics.at("sm_clock_mhz") == 901);
  const record::CaseRecord& some = cases.at("refuses-later");
  CHECK(some.status == record::Status::ok);
  CHECK(!some.samples_ns.empty());
  CHECK(some.stop_reason == "throttled");
  CHECK(some.metrics.at("sm_clock_mhz") == 921);
  CHECK(cases.at("fine").samples_ns.size() >= 3);
  CHECK_THAT(ended.errors, Contains("no accepted samples: made up"));
}

TEST_CASE("without a device mode gpu says so and makes no problem") {
  const Folder folder;
  const Ended ended = toy_run(folder, {"toy", "--only", "device", "--mode", "gpu"});
  INFO(ended.errors);
  REQUIRE(ended.status == 0);
  const record::RecordSet set = records(folder);
  const auto cases = by_implementation(set);
  REQUIRE(cases.contains("on-device"));
  REQUIRE(cases.contains("beside-device"));
  CHECK(!cases.contains("on-host"));
  CHECK(set.cases.size() == 6);
  if (std::filesystem::exists(folder / "toy-problem-was-made")) {
    CHECK(cases.at("on-device").status == record::Status::ok);  // there is a device
    CHECK(cases.at("beside-device").status == record::Status::ok);
    return;
  }
  for (const record::CaseRecord& record : set.cases) {
    INFO(record.key);
    CHECK(record.status == record::Status::unsupported);
    CHECK(record.reason == cases.at("on-device").reason);
    const std::string line = "nothing can run in mode gpu: " + record.reason.value_or("");
    const auto first = ended.errors.find(line);
    REQUIRE(first != std::string::npos);
    CHECK(ended.errors.find(line, first + 1) == std::string::npos);
  }
  CHECK(set.checks.empty());  // no control without a problem
}

TEST_CASE("a wrong answer in one round of several still ends in 2") {
  const Folder folder;
  const Ended ended =
      toy_run(folder, {"toy", "--only", "misbehave.*(fine|wrong-at-first)$", "--rounds", "2"});
  INFO(ended.errors);
  CHECK(ended.status == 2);
  CHECK(by_implementation(records(folder)).at("wrong-at-first").status == record::Status::ok);
}

TEST_CASE("an implementation that hangs is left out from then on and costs the others nothing") {
  const Folder folder;
  // The budget is as long as the deadline: charged to it, the hang would leave nothing for the
  // rest.
  const Ended ended = toy_run(folder, {"toy", "--only", "hangs|fine$|toy/scale.*loop", "--timeout",
                                       "6", "--budget", "6", "--rounds", "2"});
  INFO(ended.errors);
  CHECK(ended.status == 0);
  int timeouts = 0;
  for (const record::CaseRecord& record : records(folder).cases) {
    timeouts += record.status == record::Status::timeout ? 1 : 0;
    CHECK(record.status != record::Status::dropped);
  }
  CHECK(timeouts == 1);
}

TEST_CASE("a crash ends in 0, and in 2 with --strict") {
  const Folder folder;
  CHECK(toy_run(folder, {"toy", "--only", "segfaults|fine$"}).status == 0);
  std::filesystem::remove(folder / "r.jsonl");
  CHECK(toy_run(folder, {"toy", "--only", "segfaults|fine$", "--strict"}).status == 2);
}

TEST_CASE("an oracle that accepts its negative control is a harness error") {
  const Folder folder;
  const Ended ended = toy_run(folder, {"blind"}, 0, {"ASHLAR_TOY_BLIND=1"});
  CHECK(ended.status == 5);
  CHECK_THAT(ended.errors, Contains("accepts the negative control 'factor-forgotten'"));
}

TEST_CASE("an interrupt ends in 130, with the event and every finished record kept") {
  const Folder folder;
  const Ended ended =
      toy_run(folder, {"toy", "--only", "misbehave.*(fine|hangs)", "--timeout", "3"}, 700);
  INFO(ended.errors);
  CHECK(ended.status == 130);
  const record::RecordSet set = records(folder);
  bool said = false;
  for (const record::EventRecord& event : set.events) said = said || event.event == "interrupted";
  CHECK(said);
}

TEST_CASE("a study runs every seed, model included, and keeps its curves") {
  const Folder folder;
  const Ended ended = toy_run(folder, {"toy", "--only", "toy/descent"});
  INFO(ended.errors);
  REQUIRE(ended.status == 0);
  const record::RecordSet set = records(folder);
  CHECK(set.studies.size() == 2 * 3 * 5);
  std::map<double, int> starts;
  for (const record::StudyRecord& study : set.studies) {
    CHECK(study.metrics.contains("gap"));
    if (study.implementation != "plain") continue;
    const auto& columns = study.curves.at("convergence");
    CHECK(columns[0].second.size() == columns[1].second.size());
    ++starts[columns[1].second.front()];
  }
  CHECK(starts.size() > 5);  // seeds differ
}

TEST_CASE("too small a budget drops rounds and points, and lists what it dropped") {
  const Folder folder;
  const Ended ended =
      toy_run(folder, {"toy", "--only", "toy/scale", "--skip", "python", "--budget", "1e-9"});
  INFO(ended.errors);
  CHECK(ended.status == 0);
  std::size_t dropped = 0;
  std::set<std::string> keys;
  for (const record::CaseRecord& record : records(folder).cases) {
    keys.insert(record.key);
    if (record.status != record::Status::dropped) continue;
    CHECK(record.reason == "budget");
    ++dropped;
  }
  CHECK(dropped > 0);
  CHECK(keys.size() == 3 * 2 * 5);  // every planned case has a record all the same
  CHECK_THAT(ended.output, Contains("dropped"));
}

TEST_CASE("same seed, same order and same problems; the records say how to repeat a case") {
  const Folder folder;
  REQUIRE(toy_run(folder, {"toy", "--only", "scale.*/loop", "--where", "length=64"}).status == 0);
  const auto cases = by_implementation(records(folder));
  const Ended shown = toy(folder, {"show", cases.at("loop").case_id, "r.jsonl"});
  CHECK(shown.status == 0);
  CHECK_THAT(shown.output, Contains("ashlar run toy") && Contains("--where length=64"));
}

TEST_CASE("cold caches: other cases, a flag, and none where the data cannot rotate") {
  const Folder folder;
  const std::vector<std::string> words = {"toy",           "--only",     "toy/scale",
                                          "--where",       "length=256", "--where",
                                          "variant=plain", "--rounds",   "1"};
  REQUIRE(toy_run(folder, words).status == 0);
  const auto hot = by_implementation(records(folder));
  std::filesystem::remove(folder / "r.jsonl");
  std::vector<std::string> cold_words = words;
  cold_words.insert(cold_words.end(), {"--cache", "cold"});
  const Ended ended = toy_run(folder, cold_words);
  INFO(ended.errors);
  REQUIRE(ended.status == 0);
  const record::RecordSet set = records(folder);
  const auto cold = by_implementation(set);
  for (const char* name : {"tenfold", "loop", "unrolled"}) {
    INFO(name);
    CHECK(cold.at(name).status == record::Status::ok);
    CHECK(cold.at(name).case_id != hot.at(name).case_id);
    CHECK(cold.at(name).flags.front() == "cold-cache");
  }
  for (const char* name : {"in-place", "python"})
    CHECK(cold.at(name).status == record::Status::unsupported);
  for (const record::CheckRecord& check : set.checks) CHECK(check.accepted != check.control);
  const Ended shown = toy(folder, {"show", cold.at("loop").case_id, "r.jsonl"});
  CHECK_THAT(shown.output, Contains("--cache cold"));
}

TEST_CASE("profile executes each case once and times nothing") {
  const Folder folder;
  REQUIRE(toy_run(folder,
                  {"toy", "--only", "scale.*/(loop|unrolled)", "--where", "length=64", "--profile"})
              .status == 0);
  for (const record::CaseRecord& record : records(folder).cases) {
    CHECK(record.samples_ns.empty());
    CHECK(record.flags == std::vector<std::string>{"profiled"});
  }
}

TEST_CASE("claims of every form are judged from the records alone") {
  const Folder folder;
  REQUIRE(
      toy_run(folder, {"toy", "--only", "toy/(scale|descent)", "--skip", "python|absent"}).status ==
      0);
  const std::string claims = ASHLAR_SOURCE_DIR "/harness/testing/toy_claims.toml";
  const Ended ended = toy(folder, {"check", "r.jsonl", "--claims", claims, "--format", "json"});
  INFO(ended.errors << ended.output);
  REQUIRE(ended.status == 0);
  std::map<std::string, std::string> outcomes;
  for (const model::Json& row : model::Json::parse(ended.output)) {
    outcomes[row.at("claim").get<std::string>()] = row.at("verdict").get<std::string>();
  }
  // Verdicts that do not hang on the speed of the machine.
  for (const char* id : {"toy-within", "toy-slope", "toy-count", "toy-fits", "toy-equal",
                         "toy-holds", "toy-model", "toy-at"}) {
    INFO(id);
    CHECK(outcomes.at(id) == "reproduced");
  }
  CHECK(outcomes.at("toy-needs") == "not-run");
  CHECK(outcomes.at("toy-elsewhere") == "out-of-reach");
  for (const char* id :
       {"toy-ratio", "toy-ordering", "toy-monotone", "toy-crossover", "toy-contradicted"}) {
    CHECK(outcomes.contains(id));
  }
}
