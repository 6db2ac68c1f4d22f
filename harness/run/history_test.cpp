#include "harness/run/history.hpp"

#include <catch2/catch.hpp>

#include "harness/testing/program.hpp"

using namespace ashlar;
using namespace ashlar::run;
using record::Status;
namespace fs = std::filesystem;

namespace {

// Named, since GCC 12 warns of overlaps where short literals are assigned.
const std::string kSuite = "s";
const std::string kExperiment = "e";
const std::string kRun = "r1";
const std::string kId = "id-";

/// A record file in the making.
class File {
 public:
  File() { writer_ = std::make_unique<record::Writer>(folder_ / "r.jsonl"); }

  void run(const std::string& id = kRun) {
    record::RunRecord run;
    run.run_id = id;
    run.mode = "quick";
    run.seed = 1;
    run.threads = 2;
    run.build = {{"binary_sha256", "aaaaaaaaaaaaaaaa"}};
    run.argv = {"ashlar", "run", "s"};
    writer_->append(run);
  }
  void event(const std::string& name, const Json& details) {
    writer_->append(record::EventRecord{kRun, name, "2026-07-04T10:20:30Z", details});
  }
  void plan() { event("plan", {{"settings", {{"profile", false}}}}); }
  void measured(const std::string& implementation, int round, Status status = Status::ok,
                std::vector<std::int64_t> samples = {100, 110, 120}) {
    record::CaseRecord record;
    record.run_id = kRun;
    record.suite = kSuite;
    record.experiment = kExperiment;
    record.point = model::Point::from_json({{"n", 1}});
    record.implementation = implementation;
    record.case_id = kId + implementation;
    record.round = round;
    record.status = status;
    if (status == Status::ok) record.samples_ns = std::move(samples);
    writer_->append(record);
  }
  void finished(int round, double elapsed_s = 1, int controls_accepted = 0) {
    event("point-finished", {{"suite", "s"},
                             {"experiment", "e"},
                             {"point", {{"n", 1}}},
                             {"round", round},
                             {"seconds", 0.5},
                             {"controls_accepted", controls_accepted},
                             {"elapsed_s", elapsed_s},
                             {"lost_s", 0.25}});
  }
  History history() const { return read_history(folder_ / "r.jsonl"); }

 private:
  testing::Folder folder_;
  std::unique_ptr<record::Writer> writer_;
};

}  // namespace

TEST_CASE("only finished rounds count; of a case that is there twice the last") {
  File file;
  file.run();
  file.plan();
  file.measured("a", 0, Status::ok, {1, 2, 3});
  file.measured("a", 0, Status::ok, {7, 8, 9});
  file.measured("b", 0, Status::timeout);
  file.finished(0, 2.5, 1);
  file.measured("a", 1);
  file.measured("b", 1, Status::wrong);
  const History history = file.history();
  CHECK(history.finished.at("s/e/n=1") == std::set<int>{0});
  CHECK(history.times.at("s/e/n=1").at("a") == Times{{0, {7, 8, 9}}});
  CHECK_FALSE(history.times.at("s/e/n=1").contains("b"));
  CHECK(history.gravest.at("id-a") == Status::ok);
  CHECK(history.gravest.at("id-b") == Status::timeout);  // the wrong answer is of no finished round
  CHECK(history.timed_out_at.at({"s/e", "b"}) == "n=1");
  CHECK(history.controls_accepted == 1);
  CHECK(history.elapsed_s == 2.5);
  CHECK(history.lost_s == 0.25);
  CHECK(history.seconds.at("s/e/n=1") == 0.5);
  CHECK_FALSE(history.ended);
}

TEST_CASE("how far a run came: interrupted, finished, resumed") {
  File file;
  CHECK_FALSE(file.history().run);
  file.run();
  CHECK_FALSE(file.history().settings);
  file.plan();
  CHECK(file.history().settings);
  file.event("finished", {{"interrupted", true}});
  CHECK_FALSE(file.history().ended);
  file.event("calibration", Json::object());
  file.event("finished", {{"interrupted", false}});
  CHECK(file.history().ended);
  CHECK(file.history().calibrated_at_end);
  file.event("resumed", Json::object());
  CHECK_FALSE(file.history().ended);
}

TEST_CASE("files that no run can go on from are errors that name the file") {
  File old;
  old.run();
  old.measured("a", 0);
  CHECK_THROWS_WITH(old.history(),
                    Catch::Contains("r.jsonl") && Catch::Contains("cannot be resumed"));
  File two;
  two.run("r1");
  two.run("r2");
  CHECK_THROWS_WITH(two.history(), Catch::Contains("holds several runs"));
  File headless;
  headless.plan();
  CHECK_THROWS_WITH(headless.history(), Catch::Contains("has no run record"));
  File odd;
  odd.run();
  odd.event("point-finished", {{"suite", "s"}});
  CHECK_THROWS_AS(odd.history(), record::FileError);
}

TEST_CASE("a run is what its plan, binary, mode, seed, threads, machine and settings are") {
  File file;
  file.run();
  file.plan();
  const History history = file.history();
  Identity same;
  same.binary = "aaaaaaaaaaaaaaaa";
  same.mode = "quick";
  same.seed = 1;
  same.threads = 2;
  same.settings = {{"profile", false}};
  CHECK_NOTHROW(refuse_another(history, same));
  Identity other = same;
  other.threads = 4;
  CHECK_THROWS_WITH(
      refuse_another(history, other),
      "--resume: run r1 was made with threads 2, this is 4; its words were: ashlar run s");
  other = same;
  other.settings = {{"profile", true}};
  CHECK_THROWS_WITH(refuse_another(history, other), Catch::Contains("profile false, this is true"));
  other = same;
  other.machine_id = "elsewhere";
  CHECK_THROWS_AS(refuse_another(history, other), UsageError);
}
