#include <fstream>

#include <unistd.h>

#include <catch2/catch.hpp>

#include "harness/claims/testing.hpp"
#include "harness/model/suite.hpp"

namespace ashlar::claims {
namespace {

using testing::claim_text;
using testing::claims_of;

std::vector<std::string> problems_of(const std::string& text) {
  try {
    parse(text, "claims.toml");
  } catch (const ClaimError& error) {
    return error.problems();
  }
  return {};
}

/// The only problem of a claim with this check.
std::string problem_of(const std::string& check, const std::string& more = "",
                       const std::string& reach = "direct") {
  const auto problems = problems_of(claim_text(check, more, reach));
  INFO(check);
  CHECK(problems.size() == 1);
  return problems.empty() ? "" : problems.front();
}

const std::string kRatio =
    "form = \"ratio\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
    "of = { implementation = \"naive\" }\nto = { implementation = \"fast\" }\n";

TEST_CASE("a full claim is read") {
  const ClaimFile file = parse(R"(suite = "toy"
title = "our own goals"
[[claim]]
id = "toy-2x"
says = "twice as fast"
source = "section 3"
reported = { value = [1.7, 1.8], unit = "x", text = "abstract" }
setting = "a big machine"
reach = "scaled"
because = "smaller"
on = "H100"
required = true
changed = ["once: a reason", "twice: another"]
[claim.check]
form = "ratio"
experiment = "sum"
metric = "time"
of = { implementation = "fast", causal = false }
to = { causal = true }
where = { n = [1, 2], dtype = "f32", size = { min = 3 } }
over = "geomean"
expect = [1.6, 2]
direction = [1.05, inf]
)",
                               "claims.toml");
  REQUIRE(file.claims.size() == 1);
  const Claim& claim = file.claims[0];
  CHECK(file.suite == "toy");
  CHECK(file.title == "our own goals");
  CHECK(claim.id == "toy-2x");
  CHECK(claim.reported == "1.7 to 1.8 x (abstract)");
  CHECK(claim.reported_value == Range{1.7, 1.8});
  CHECK(claim.reach == Reach::scaled);
  CHECK(claim.on == std::vector<std::string>{"H100"});
  CHECK(claim.required);
  CHECK(claim.changed.size() == 2);
  REQUIRE(claim.check.has_value());
  const Check& check = *claim.check;
  CHECK(check.form == Form::ratio);
  CHECK(check.over == Over::geomean);
  CHECK(check.to->implementation.text == "fast");
  CHECK(check.to->axes.at(0).second == Value(true));
  CHECK(check.expect == Range{1.6, 2});
  CHECK(check.direction->high == std::numeric_limits<double>::infinity());
  CHECK(check.where.size() == 3);
  CHECK(check.experiment.place.line == 16);
}

TEST_CASE("a syntax error has its place") {
  const auto problems = problems_of("suite = \"toy\"\n[[claim]]\nid = oops\n");
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], Catch::StartsWith("claims.toml:3:6: "));
}

TEST_CASE("every problem is listed, with its place") {
  const auto problems = problems_of(R"(suit = "toy"
[[claim]]
id = "Bad Id"
says = 3
reach = "directt"
because = "b"
reported = { unit = "x" }
[claim.check]
form = "ratoi"
)");
  REQUIRE(problems.size() == 8);
  CHECK(problems[0] == "claims.toml:1:1: claim file: unknown key 'suit'; did you mean 'suite'?");
  CHECK(problems[1] == "claims.toml:1:1: claim file: 'suite' is missing");
  CHECK_THAT(problems[2], Catch::StartsWith("claims.toml:3:6: ") &&
                              Catch::Contains("lower-case letters, digits and '-'"));
  CHECK_THAT(problems[3], Catch::StartsWith("claims.toml:4:8: ") &&
                              Catch::Contains("'says' must be a text, not a number"));
  CHECK_THAT(problems[4],
             Catch::StartsWith("claims.toml:2:1: ") && Catch::Contains("'source' is missing"));
  CHECK_THAT(problems[5], Catch::Contains("'reported' needs 'value' or 'text'"));
  CHECK_THAT(problems[6], Catch::StartsWith("claims.toml:5:9: ") &&
                              Catch::EndsWith("unknown reach 'directt'; did you mean 'direct'?"));
  CHECK_THAT(problems[7], Catch::StartsWith("claims.toml:9:8: ") &&
                              Catch::EndsWith("unknown form 'ratoi'; did you mean 'ratio'?"));
}

TEST_CASE("keys of checks: unknown, of another form, missing, of a wrong type") {
  CHECK_THAT(problem_of(kRatio + "expct = [1, 2]\nexpect = [1, 2]"),
             Catch::StartsWith("claims.toml:16:1: ") && Catch::Contains("did you mean 'expect'?"));
  CHECK_THAT(problem_of(kRatio + "expect = [1, 2]\nlevel = 2"),
             Catch::Contains("form 'ratio' has no key 'level'"));
  CHECK_THAT(problem_of(kRatio), Catch::Contains("form 'ratio' needs 'expect' or 'direction'"));
  CHECK_THAT(problem_of(kRatio + "expect = [2, 1]"),
             Catch::StartsWith("claims.toml:16:10: ") &&
                 Catch::Contains("'expect' has its low end 2 above its high end 1; swap them"));
  CHECK_THAT(problem_of(kRatio + "expect = [1, nan]"), Catch::Contains("must be [low, high]"));
  CHECK_THAT(problem_of(kRatio + "expect = 3"), Catch::Contains("must be [low, high]"));
  CHECK_THAT(problem_of(kRatio + "expect = [1, 2]\nover = \"mean\""),
             Catch::Contains("unknown over 'mean'"));
  CHECK_THAT(problem_of(kRatio + "expect = [1, 2]\nwhere = { n = { mn = 1 } }"),
             Catch::Contains("unknown key 'mn'; did you mean 'min'?"));
  CHECK_THAT(problem_of(kRatio + "expect = [1, 2]\nwhere = { n = [] }"),
             Catch::Contains("must list values"));
  CHECK_THAT(problem_of(kRatio + "expect = [1, 2]\nfirst_below = 1"),
             Catch::Contains("'first_below' needs 'curve'"));
  CHECK_THAT(problem_of("form = \"slope\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
                        "of = { implementation = \"a\" }\nexpect = [1, 2]"),
             Catch::Contains("'along' is missing"));
  CHECK_THAT(problem_of("form = \"equal\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
                        "of = { implementation = \"a\" }\nvalue = 2"),
             Catch::Contains("'time' is never equal twice"));
  CHECK_THAT(problem_of("form = \"equal\"\nexperiment = \"sum\"\nmetric = \"bytes\"\n"
                        "of = { implementation = \"a\" }"),
             Catch::Contains("needs either 'to' or 'value'"));
  CHECK_THAT(problem_of("form = \"holds\"\nexperiment = \"sum\"\nstatus = \"oom\""),
             Catch::Contains("unknown status 'oom'"));
  CHECK_THAT(problem_of("form = \"ordering\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
                        "implementations = [\"a\"]"),
             Catch::Contains("two implementations at least"));
  CHECK_THAT(problem_of("form = \"within\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
                        "of = { n = 1 }\nexpect = [1, 2]"),
             Catch::Contains("'implementation' is missing"));
}

TEST_CASE("axes of the two sides, of where and of along must not collide") {
  const std::string start = "form = \"ratio\"\nexperiment = \"sum\"\nmetric = \"time\"\n";
  CHECK_THAT(
      problem_of(start + "of = { implementation = \"a\", causal = true }\n"
                         "to = { implementation = \"a\" }\nexpect = [1, 2]"),
      Catch::StartsWith("claims.toml:14:") && Catch::Contains("axis 'causal' is missing in 'to'"));
  CHECK_THAT(problem_of(start + "of = { implementation = \"a\", n = 1 }\nto = { n = 2 }\n"
                                "where = { n = 3 }\nexpect = [1, 2]"),
             Catch::Contains("axis 'n' stands in 'of' too"));
  CHECK_THAT(problem_of(start + "of = { implementation = \"a\", n = [1, 2] }\nto = { n = 2 }\n"
                                "expect = [1, 2]"),
             Catch::Contains("one value here"));
}

TEST_CASE("what a claim of each reach must have") {
  const auto text = [](const std::string& reach, const std::string& more) {
    return fmt::format(
        "suite = \"toy\"\n[[claim]]\nid = \"c\"\nsays = \"s\"\nsource = \"s\"\n"
        "reported = {{ text = \"r\" }}\nreach = \"{}\"\nbecause = \"b\"\n{}",
        reach, more);
  };
  CHECK(problems_of(text("out-of-reach", "")).empty());
  CHECK(problems_of(text("direct", "needs = \"a GPU\"")).empty());
  CHECK_THAT(problems_of(text("direct", "")).at(0), Catch::Contains("[claim.check] is missing"));
  CHECK_THAT(problems_of(text("out-of-reach", "[claim.check]\nform = \"holds\"")).at(0),
             Catch::Contains("never checked"));
  CHECK_THAT(problems_of(text("out-of-reach", "needs = \"x\"")).at(0),
             Catch::Contains("remove 'needs'"));
}

TEST_CASE("'on' is a name or a list of names") {
  const auto on = [](const char* value) {
    return claims_of(kRatio + "expect = [1, 2]", fmt::format("on = {}", value)).claims.at(0).on;
  };
  CHECK(on("[\"H100 80GB HBM3\", \"H200\"]") == std::vector<std::string>{"H100 80GB HBM3", "H200"});
  CHECK_THAT(problem_of(kRatio + "expect = [1, 2]", "on = \"\""), Catch::Contains("'on' is empty"));
  CHECK_THAT(problem_of(kRatio + "expect = [1, 2]", "on = [\"H100\", 2]"),
             Catch::Contains("must be a text or a list of texts"));
}

TEST_CASE("an id is used once") {
  const std::string one = claim_text(kRatio + "expect = [1, 2]");
  const auto problems = problems_of(one + one.substr(one.find("[[claim]]")));
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], Catch::Contains("id 'c' is used twice; the first is in line 3"));
}

TEST_CASE("names are compared with what is declared") {
  Catalog catalog;
  add_declarations(catalog, "toy", model::Json::parse(testing::kDeclared));
  const auto problem = [&](const std::string& check, const std::string& more = "") {
    try {
      validate(claims_of(check, more), catalog);
    } catch (const ClaimError& error) {
      return std::string(error.what());
    }
    return std::string("no problem");
  };
  const auto ratio = [](const char* experiment, const char* fast, const char* where) {
    return fmt::format(
        "form = \"ratio\"\nexperiment = \"{}\"\nmetric = \"time\"\n"
        "of = {{ implementation = \"naive\" }}\nto = {{ implementation = \"{}\" }}\n"
        "where = {{ {} }}\nexpect = [1, 2]",
        experiment, fast, where);
  };
  CHECK(problem(ratio("sum", "fast", "n = 1024")) == "no problem");
  CHECK(problem(ratio("smu", "fast", "n = 1")) ==
        "claims.toml:12:14: unknown experiment 'smu'; did you mean 'sum'?");
  CHECK(problem(ratio("sum", "fats", "n = 1")) ==
        "claims.toml:15:25: unknown implementation 'fats'; did you mean 'fast'?");
  CHECK_THAT(problem(ratio("sum", "fast", "causl = true")),
             Catch::Contains("unknown axis 'causl'; did you mean 'causal'?"));
  CHECK_THAT(problem(ratio("sum", "fast", "causal = \"yes\"")),
             Catch::Contains("axis 'causal' has values like false, never yes"));
  CHECK_THAT(problem("form = \"within\"\nexperiment = \"fit\"\nmetric = \"time\"\n"
                     "of = { implementation = \"greedy\" }\nexpect = [1, 2]"),
             Catch::Contains("a study has no 'time'"));
  SECTION("values, once the declarations of every mode are there") {
    catalog["sum"].complete = true;
    CHECK(problem(ratio("sum", "fast", "n = 4")) == "no problem");
    CHECK_THAT(problem(ratio("sum", "fast", "n = [2, 1024]")),
               Catch::StartsWith("claims.toml:16:11: ") &&
                   Catch::EndsWith("unknown value 1024 of axis 'n'; known: 1, 2, 4"));
    CHECK_THAT(problem(ratio("sum", "fast", "dtype = \"f23\"")),
               Catch::Contains("unknown value f23 of axis 'dtype'; did you mean 'f32'?"));
    CHECK(problem(ratio("sum", "fast", "n = { min = 1000 }")) == "no problem");
  }
  SECTION("metrics, once records say what an implementation records") {
    const auto within = [](const char* metric) {
      return fmt::format(
          "form = \"within\"\nexperiment = \"sum\"\nmetric = \"{}\"\n"
          "of = {{ implementation = \"fast\" }}\nexpect = [1, 2]",
          metric);
    };
    CHECK(problem(within("multiplicatoins")) == "no problem");
    CHECK(problem(within("multiplicatoins"), "needs = \"a counter\"") == "no problem");
    testing::Records records;
    records.run("r1");
    records.counted(testing::Records::point(1), "naive", "additions", 1);
    add_records(catalog, "toy", records.set);
    CHECK(problem(within("multiplicatoins")) == "no problem");  // fast was not run
    records.timed(testing::Records::point(1), "fast", 0, {});   // or only profiled
    add_records(catalog, "toy", records.set);
    CHECK(problem(within("multiplicatoins")) == "no problem");
    records.counted(testing::Records::point(1), "fast", "multiplications", 1);
    add_records(catalog, "toy", records.set);
    CHECK_THAT(
        problem(within("multiplicatoins")),
        Catch::StartsWith("claims.toml:13:10: fast records no 'multiplicatoins'; did you mean "
                          "'multiplications'?"));
    for (const char* known : {"multiplications", "time", "bytes", "norm.out.rms"})
      CHECK(problem(within(known)) == "no problem");
  }
  SECTION("a claim that needs something may name what is not there; the key must not outlive it") {
    CHECK(problem(ratio("backward", "fast", "n = 1"), "needs = \"the backward pass\"") ==
          "no problem");
    const auto file = claims_of(ratio("sum", "fast", "n = 1"), "needs = \"the sum\"");
    const auto warnings = validate(file, catalog);
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0],
               Catch::StartsWith("claims.toml:3:6: ") && Catch::Contains("remove 'needs'"));
  }
}

TEST_CASE("a suite declares the values of all its modes") {
  model::Suite suite("toy", "A toy");
  struct Nothing {};
  suite.study<Nothing>("fit")
      .axis("rank", {1, 2})
      .in(model::Mode::gpu, {8})
      .metric("gap", model::Better::lower, "dB")
      .problem([](const Point&, std::uint64_t) { return Nothing{}; })
      .add(model::Tier::reference, "greedy", [](const Nothing&) { return model::Outcome{}; });
  Catalog catalog;
  add_declarations(catalog, suite);
  const Declaration& declared = catalog.at("fit");
  CHECK(declared.complete);
  CHECK(declared.study);
  CHECK(declared.axes.at("rank") == std::vector<Value>{1, 2, 8});
  CHECK(declared.metrics.at("gap").unit == "dB");
}

TEST_CASE("a file that is not there") {
  CHECK_THROWS_WITH(load("/nowhere/claims.toml"), "/nowhere/claims.toml: cannot be read");
}

}  // namespace
}  // namespace ashlar::claims
