#include "harness/report/verdicts.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <iterator>
#include <set>
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
              "1 of 4 cells as expected; worst at seqlen=4096, head_dim=128, causal=true, and more "
              "words follow");
  contradicted.measured = claims::Measured{1.4, 1.45, 1.5};
  contradicted.expect = claims::Range{1.6, 2.0};
  contradicted.unit = "x";
  contradicted.required = true;
  contradicted.cells = 4;
  contradicted.cells_judged = 4;
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

TEST_CASE("verdicts are grouped by outcome under the headline, one line of columns each",
          "[report]") {
  const std::string text = verdict_text(judged(), {false, 100});
  CHECK(text ==
        "attention: 1 of 5 claims reproduced, 1 contradicted, 2 not run here, 1 out of reach\n"
        "\n"
        "contradicted (1)                    reported      expected  measured\n"
        "  fa2-causal-block-skip (required)  1.7 to 1.8 x  1.6 to 2  1.450x [1.400, 1.500]\n"
        "    1 of 4 cells as expected; worst at seqlen=4096, head_dim=128, causal=true, and more "
        "words follow\n"
        "\n"
        "reproduced (1)       reported  expected           measured\n"
        "  fa2-memory-linear            ≥ 0.5 (direction)  1.000\n"
        "\n"
        "not-run (2)\n"
        "  needs a CUDA device (2)\n"
        "    fa2-h100, fa2-a100\n"
        "\n"
        "out-of-reach (1)\n"
        "  eight A100 (1)\n"
        "    fa2-train\n");
  const std::string painted = verdict_text(judged(), {true, 100});
  CHECK_THAT(painted, Contains("\x1b[31mcontradicted (1)"));
  CHECK_THAT(text, !Contains("\x1b["));
}

TEST_CASE("long text is wrapped to the width, and no word is broken", "[report]") {
  std::vector<Judged> suites = judged();
  suites[0].file.claims[0].reported = "significant speed-up when batch size times heads is small";
  std::istringstream in(verdict_text(suites, {false, 400}));
  const std::set<std::string> words{std::istream_iterator<std::string>(in), {}};
  for (const std::size_t width : {40u, 60u, 72u, 80u, 90u, 100u, 160u}) {
    INFO(width);
    const std::string text = verdict_text(suites, {false, width});
    CHECK(longest_line(text) <= width);
    CHECK_THAT(text, Contains("follow"));
    std::istringstream out(text);
    for (std::string word; out >> word;)
      if (word.rfind("reported", 0) != 0 && word != "expected" && word != "measured" &&
          word.back() != ';')
        CHECK(words.count(word) == 1);
  }
  // Without room for columns they become a sentence.
  CHECK_THAT(verdict_text(judged(), {false, 64}),
             Contains("contradicted (1)\n  fa2-causal-block-skip (required)\n"
                      "    reported 1.7 to 1.8 x; expected 1.6 to 2; measured 1.450x\n"));
  // What was reported in a sentence stands below the line.
  CHECK_THAT(verdict_text(suites, {false, 100}),
             Contains("contradicted (1)                    reported  expected  measured\n"
                      "  fa2-causal-block-skip (required)            1.6 to 2  1.450x [1.400, "
                      "1.500]\n"
                      "    reported: significant speed-up when batch size times heads is small\n"));
}

TEST_CASE("what asks for a look comes first; other questions than the paper's say why",
          "[report]") {
  Judged suite;
  suite.file.suite = "attention";
  for (const Outcome outcome : {Outcome::reproduced, Outcome::direction_only, Outcome::inconclusive,
                                Outcome::contradicted}) {
    const std::string id = fmt::format("c-{}", claims::name_of(outcome));
    suite.file.claims.push_back(claim(id, "2 x"));
    suite.verdicts.push_back(verdict(id, outcome, "a reason"));
  }
  suite.file.claims[0].because = "a closed form";
  suite.verdicts[0].reach = claims::Reach::model;
  suite.file.claims[1].because = "a smaller machine";
  suite.verdicts[1].reach = claims::Reach::scaled;
  const std::string text = verdict_text({suite}, {false, 80});
  std::size_t at = 0;
  for (const char* id : {"c-contradicted", "c-inconclusive", "c-direction-only", "c-reproduced"}) {
    const std::size_t next = text.find(id);
    CHECK(next != std::string::npos);
    CHECK(next > at);
    at = next;
  }
  CHECK_THAT(text, Contains("    a reason\n    scaled: a smaller machine\n"));
  CHECK_THAT(text, Contains("    a reason\n    by a model: a closed form\n"));
  CHECK_THAT(text, Contains("reproduced (0; 1 by a model)"));
  CHECK_THAT(verdict_table({suite}, Format::markdown), Contains("a reason (scaled)"));
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
  CHECK_THAT(markdown, !Contains("| not-run"));  // counted in the line below the table
  CHECK_THAT(verdict_table(judged(), Format::markdown, true), Contains("| not-run"));
  CHECK_THAT(verdict_table(judged(), Format::latex), Contains("\\begin{tabular}{llllll}"));
  const std::string csv = verdict_table(judged(), Format::csv);
  CHECK_THAT(csv, Contains("\"it says, of fa2-causal-block-skip\""));
  const auto rows = model::Json::parse(verdict_table(judged(), Format::json));
  REQUIRE(rows.size() == 5);
  CHECK(rows[0]["verdict"] == std::string(claims::name_of(Outcome::contradicted)));
  CHECK(rows[0]["case_ids"][0] == "0123456789abcdef");
  CHECK(rows[0]["cells_judged"] == 4);
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
