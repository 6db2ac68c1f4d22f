// Every suite's negative controls, run as if they were implementations: at every quick point the
// oracle must reject each, through the real command line.
#include <catch2/catch.hpp>

#include "harness/record/file.hpp"
#include "harness/testing/program.hpp"

using namespace ashlar;
using namespace ashlar::testing;

TEST_CASE("a broken method is a wrong answer at every point and ends in 2") {
  const Folder folder;
  const Ended ended = run_program(
      ASHLAR_CONTROLS,
      {"run", "--no-calibration", "--rounds", "1", "--budget", "120", "--out", "r.jsonl"},
      folder.path());
  INFO(ended.errors << ended.output);
  CHECK(ended.status == 2);
  const record::RecordSet records = record::load({folder / "r.jsonl"});
  CHECK_FALSE(records.cases.empty());
  for (const record::CaseRecord& record : records.cases) {
    INFO(record.key << ": " << record.reason.value_or(""));
    CHECK(record.status == record::Status::wrong);
    CHECK(record.samples_ns.empty());  // nothing is timed that was not verified
    // The comparison itself must see it: a control may fill in what the oracle does not look at.
    CHECK_THAT(record.reason.value_or("invariant"), !Catch::Contains("invariant"));
  }
}
