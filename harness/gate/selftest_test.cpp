#include "harness/gate/selftest.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "harness/gate/busy.hpp"
#include "harness/gate/selftest_suite.hpp"
#include "harness/testing/program.hpp"

using namespace ashlar;
using namespace ashlar::gate;
using Catch::Contains;
using testing::Folder;
using testing::write_text;

namespace {

std::string line_of(int load, double slow_down, std::size_t slower, std::size_t same) {
  TrialResult result;
  result.trial = {300, load, slow_down, std::log(1.05)};
  result.comparisons = slower + same;
  result.verdicts[Verdict::slower] = slower;
  result.verdicts[Verdict::same] = same;
  result.changes = {0.001, std::nan("")};
  Json json = to_json(result);
  json["machine_id"] = "some-machine";
  json["time"] = "2026-01-01T00:00:00Z";
  return json.dump() + "\n";
}

}  // namespace

TEST_CASE("the newest line of each question stands for the runner") {
  const Folder folder;
  write_text(folder / "s.jsonl", line_of(2, 0, 5, 295) + line_of(0, 0, 0, 300) +
                                     line_of(2, 0, 0, 300) + line_of(0, 0.1, 48, 2));
  const auto runner = read_runner(folder / "s.jsonl");
  REQUIRE(runner.has_value());
  CHECK(runner->machine_id == "some-machine");
  REQUIRE(runner->trials.size() == 3);
  for (const TrialResult& trial : runner->trials) {
    if (trial.trial.load != 2) continue;
    CHECK(trial.comparisons == 300);
    CHECK(trial.verdicts.at(Verdict::slower) == 0);
    CHECK(trial.trial.margin == Approx(std::log(1.05)).epsilon(1e-4));
  }
  const std::string markdown = runner_markdown(*runner);
  CHECK_THAT(markdown,
             Contains("| the same program on both sides, beside 2 busy loops | 5 % | 0 of "
                      "300 (at most 1.0 %) | 300 of 300"));
  CHECK_THAT(markdown, Contains("| +10 % of work in a case of a millisecond | 5 % | 48 of 50"));
}

TEST_CASE("a file that is none of the self-test's is named with its line") {
  const Folder folder;
  write_text(folder / "s.jsonl", line_of(2, 0, 0, 300) + "{\"schema\": 1, \"kind\": \"run\"}\n");
  CHECK_THROWS_WITH(read_runner(folder / "s.jsonl"),
                    Contains(".jsonl:2: not a line of 'ashlar selftest'"));
  CHECK_THROWS_WITH(read_runner("no-such-file"), Contains("cannot read 'no-such-file'"));
  write_text(folder / "empty.jsonl", "");
  CHECK_FALSE(read_runner(folder / "empty.jsonl").has_value());
}

TEST_CASE("rates come with what they bound") {
  CHECK(proportion_text(0, 300) == "0 of 300 (at most 1.0 %)");
  CHECK(proportion_text(50, 50) == "50 of 50 (at least 94.2 %)");
  CHECK(proportion_text(45, 50) == "45 of 50 (90.0 %, 78.2 to 96.7 %)");
  CHECK(proportion_text(0, 0) == "none");
}

TEST_CASE("extra work changes the time and not the answer") {
  const model::Registry plain = selftest_registry({1000});
  const model::Registry extra = selftest_registry({1000}, 0.5);
  REQUIRE(plain.front().experiments().size() == 5);
  for (const auto& experiment : plain.front().experiments()) {
    INFO(experiment->name);
    const model::Experiment* other = extra.front().find(experiment->name);
    REQUIRE(other != nullptr);
    const model::Point point = experiment->points(model::Mode::quick).front();
    const auto problem = experiment->problem(point, 7);
    const double expected = experiment->oracle(problem.get()).front().values.front();
    for (const model::Experiment* one :
         {static_cast<const model::Experiment*>(experiment.get()), other}) {
      const auto trial = one->implementations.front().bind(problem);
      trial->prepare();
      trial->execute(nullptr);
      CHECK(trial->answer().front().value(0) == expected);
    }
    CHECK(experiment->oracle(experiment->problem(point, 8).get()).front().values.front() !=
          expected);
  }
  CHECK(steps_lasting(1'000'000) > 10 * steps_lasting(10'000));
}

TEST_CASE("busy loops end with the object that made them") {
  {
    const BusyLoops busy(2);
    CHECK(waitpid(-1, nullptr, WNOHANG) == 0);  // alive, and nobody has ended
  }
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}
