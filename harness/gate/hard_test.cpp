#include "harness/gate/hard.hpp"

#include <catch2/catch.hpp>

using namespace ashlar::gate;
using Catch::Contains;
using Kind = Fate::Kind;

namespace {

Evidence with_error(double error, double limit = 1e-3) {
  Evidence evidence;
  evidence.norms["y"] = {{"max_abs", error}, {"max_rel", error}, {"relative_l2", error}};
  evidence.limit["y"] = {{"max_abs", limit}, {"max_rel", "inf"}, {"relative_l2", "inf"}};
  return evidence;
}

Evidence with_memory(std::int64_t peak, std::int64_t workspace) {
  Evidence evidence;
  evidence.peak_extra_bytes = peak;
  evidence.workspace_bytes = workspace;
  return evidence;
}

}  // namespace

TEST_CASE("what is worse in the head fails; what breaks on both sides does not") {
  const Fate fine;
  const Fate wrong{Kind::wrong, "y(0) is 1"};
  const Fate broken{Kind::broken, "killed by signal 11"};
  const Fate absent{Kind::absent, ""};
  CHECK_FALSE(fate_gate("k", fine, fine));
  REQUIRE(fate_gate("k", fine, wrong));
  CHECK(fate_gate("k", fine, wrong)->wrong);
  CHECK(fate_gate("k", fine, wrong)->gate == "answer");
  CHECK_THAT(fate_gate("k", wrong, wrong)->why, Contains("the base's is wrong, too"));
  CHECK_FALSE(fate_gate("k", wrong, fine));
  REQUIRE(fate_gate("k", fine, broken));
  CHECK(fate_gate("k", fine, broken)->gate == "robustness");
  CHECK(fate_gate("k", fine, broken)->wrong);
  CHECK_FALSE(fate_gate("k", broken, broken));
  CHECK_FALSE(fate_gate("k", absent, broken));
  CHECK_FALSE(fate_gate("k", fine, absent));
}

TEST_CASE("an error that doubles fails where it matters") {
  CHECK(evidence_gates("k", with_error(1e-4), with_error(1.9e-4)).empty());
  const auto failures = evidence_gates("k", with_error(1e-4), with_error(2.1e-4));
  REQUIRE(failures.size() == 1);  // max_abs; the others have no limit
  CHECK(failures[0].gate == "precision");
  CHECK_FALSE(failures[0].wrong);
  CHECK_THAT(failures[0].why, Contains("max_abs") && Contains("'y'"));
  // Below a tenth of the limit it may do what it likes.
  CHECK(evidence_gates("k", with_error(1e-6), with_error(9e-5)).empty());
  CHECK(evidence_gates("k", with_error(0), with_error(9e-5)).empty());
  CHECK(evidence_gates("k", with_error(0), with_error(2e-4)).size() == 1);
  // A tensor that only one side has is not compared.
  CHECK(evidence_gates("k", Evidence(), with_error(1)).empty());
}

TEST_CASE("memory may grow by a tenth and a little") {
  constexpr std::int64_t kMiB = std::int64_t{1} << 20;
  CHECK(evidence_gates("k", with_memory(100 * kMiB, 0), with_memory(111 * kMiB, 0)).empty());
  const auto more = evidence_gates("k", with_memory(100 * kMiB, 0), with_memory(112 * kMiB, 0));
  REQUIRE(more.size() == 1);
  CHECK(more[0].gate == "memory");
  CHECK(evidence_gates("k", with_memory(0, 0), with_memory(kMiB, 4096)).empty());
  const auto declared = evidence_gates("k", with_memory(0, 0), with_memory(0, 4097));
  REQUIRE(declared.size() == 1);
  CHECK(declared[0].gate == "workspace");
  CHECK(evidence_gates("k", Evidence(), with_memory(kMiB << 10, 1 << 30)).empty());  // unknown
}

TEST_CASE("half a per cent more instructions fail, of the same code path only") {
  const auto count = [](std::int64_t n, const char* target = "AVX2") {
    return Instructions{n, target, ""};
  };
  CHECK_FALSE(instruction_gate("k", count(100'000), count(100'500)));
  REQUIRE(instruction_gate("k", count(100'000), count(100'501)));
  CHECK_THAT(instruction_gate("k", count(100'000), count(110'000))->why,
             Contains("AVX2") && Contains("+10.00 %"));
  CHECK_FALSE(instruction_gate("k", count(100'000), count(90'000)));
  CHECK_FALSE(instruction_gate("k", count(100'000), count(200'000, "SSE4")));
  CHECK_FALSE(instruction_gate("k", Instructions{}, count(200'000)));
}
