#include "harness/report/verdicts.hpp"

#include <catch2/catch.hpp>
#include <sstream>

namespace ashlar::report {

using Catch::Contains;
using claims::Outcome;

namespace {

claims::Verdict verdict(const std::string& id, Outcome outcome, const std::string& reason = "") {
  claims::Verdict made;
  made.id = id;
  made.outcome = outcome;
  made.reason = reason;
  return made;
}

claims::Claim claim(const std::string& id, const std::string& reported) {
  claims::Claim made;
  made.id = id;
  made.says = "it says, of " + id;
  made.source = "section 3.1";
  made.reported = reported;
  return made;
}

std::vector<Judged> judged() {
  Judged suite;
  suite.file.suite = "attention";
  suite.file.claims = {claim("fa2-causal-block-skip", "1.7 to 1.8 x"), claim("fa2-h100", "335")};
  auto contradicted =
      verdict("fa2-causal-block-skip", Outcome::contradicted,
              "the interval lies below the expected range at seqlen 4096, and more words follow");
  contradicted.measured = claims::Measured{1.4, 1.45, 1.5};
  contradicted.expect = claims::Range{1.6, 2.0};
  contradicted.unit = "x";
  contradicted.required = true;
  contradicted.cells = 4;
  contradicted.cells_reproduced = 1;
  contradicted.evidence.push_back({"run", "0123456789abcdef", "key", {0}});
  auto slope = verdict("fa2-memory-linear", Outcome::reproduced);
  slope.measured = claims::Measured{1, 1, 1};
  slope.direction = claims::Range{0.5, std::numeric_limits<double>::infinity()};
  suite.verdicts = {contradicted, slope,
                    verdict("fa2-h100", Outcome::not_run, "needs a CUDA device"),
                    verdict("fa2-a100", Outcome::not_run, "needs a CUDA device"),
                    verdict("fa2-train", Outcome::out_of_reach, "eight A100")};
  return {suite};
}

std::size_t longest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);)
    longest = std::max(longest, display_width(line));
  return longest;
}

}  // namespace

TEST_CASE("verdicts are grouped by outcome under the headline", "[report]") {
  const std::string text = verdict_text(judged(), {false, 120});
  CHECK_THAT(text, Catch::StartsWith("attention: "));
  CHECK_THAT(text, Contains("contradicted (1)") && Contains("reproduced (1)"));
  CHECK_THAT(text, Contains("1.7 to 1.8 x") && Contains("1.6 to 2") && Contains("1.450") &&
                       Contains("[1.400, 1.500]"));
  CHECK_THAT(text, Contains("≥ 0.5"));
  CHECK_THAT(text, Contains("needs a CUDA device (2)") && Contains("fa2-h100, fa2-a100"));
  CHECK_THAT(text, Contains("eight A100 (1)"));
  CHECK_THAT(text, !Contains("\x1b["));
  CHECK_THAT(verdict_text(judged(), {true, 120}), Contains("\x1b[31m"));
}

TEST_CASE("long text is wrapped to the width", "[report]") {
  for (const std::size_t width : {72u, 80u, 100u, 160u}) {
    const std::string text = verdict_text(judged(), {false, width});
    std::string body = text.substr(text.find('\n'));  // the headline is one sentence
    CHECK(longest_line(body) <= width);
    CHECK_THAT(body, Contains("follow"));
  }
}

TEST_CASE("every claim can be listed", "[report]") {
  VerdictOptions options;
  options.every = true;
  const std::string text = verdict_text(judged(), options);
  CHECK_THAT(text, !Contains("needs a CUDA device (2)") && Contains("335"));
}

TEST_CASE("the verdict table in the other formats", "[report]") {
  const std::string markdown = verdict_table(judged(), Format::markdown);
  CHECK_THAT(markdown, Contains("| contradicted | fa2-causal-block-skip (required)"));
  CHECK_THAT(markdown, Contains("1 of 4 cells as expected"));
  CHECK_THAT(verdict_table(judged(), Format::latex), Contains("\\begin{tabular}{llllll}"));
  const std::string csv = verdict_table(judged(), Format::csv);
  CHECK_THAT(csv, Contains("\"it says, of fa2-causal-block-skip\""));
  const auto rows = model::Json::parse(verdict_table(judged(), Format::json));
  REQUIRE(rows.size() == 5);
  CHECK(rows[0]["verdict"] == std::string(claims::name_of(Outcome::contradicted)));
  CHECK(rows[0]["case_ids"][0] == "0123456789abcdef");
  CHECK(rows[1]["direction_high"] == "inf");
  CHECK(rows[1]["says"].is_null());  // a verdict whose claim the file does not hold
  CHECK(rows[2]["measured"].is_null());
}

TEST_CASE("a file with a title has a headline of its own", "[report]") {
  std::vector<Judged> suites = judged();
  suites.push_back(suites.front());
  suites.back().file.title = "our own goals";
  CHECK_THAT(verdict_text(suites), Catch::StartsWith("attention: ") &&
                                       Contains("\nattention, our own goals: 1 of 5 claims"));
  CHECK_THAT(verdict_table(suites, Format::markdown), Contains("**attention, our own goals**"));
  const auto rows = model::Json::parse(verdict_table(suites, Format::json));
  CHECK(rows[0]["title"].is_null());
  CHECK(rows.back()["title"] == "our own goals");
}

TEST_CASE("no claims are a sentence", "[report]") {
  CHECK(verdict_text({}) == "no claims to judge\n");
  CHECK(verdict_table({}, Format::markdown) == "no claims to judge\n");
  CHECK(verdict_table({}, Format::json) == "[]\n");
}

}  // namespace ashlar::report
