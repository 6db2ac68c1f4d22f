#include <algorithm>
#include <fstream>

#include <unistd.h>

#include <catch2/catch.hpp>

#include "harness/claims/testing.hpp"

namespace ashlar::claims {
namespace {

namespace fs = std::filesystem;
using testing::Records;

/// A claim file with its CSV in a folder of its own.
class Files {
 public:
  Files() {
    std::string name = (fs::temp_directory_path() / "ashlar-claims-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~Files() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  ClaimFile load(const std::string& csv, const std::string& toml) const {
    std::ofstream(folder_ / "reported.csv") << csv;
    std::ofstream(folder_ / "claims.toml") << toml;
    return claims::load(folder_ / "claims.toml");
  }
  std::vector<std::string> problems(const std::string& csv, const std::string& toml) const {
    try {
      load(csv, toml);
    } catch (const ClaimError& error) {
      return error.problems();
    }
    return {};
  }

 private:
  fs::path folder_;
};

const std::string kCsv = R"(# reported, GFLOP/s times 1e-3
row,method,1,2,4
big-hd64-nc,fa1,0.5,0.6,?
big-hd64-nc,fa2,1.0,1.5,2.0
big-hd64-nc,torch,0.1,0.2,-
big-hd64-c,fa2,0.7,0.8,0.9
small-hd64-nc,fa2,9,9,9
)";

std::string grid(const std::string& more = "", const std::string& check = R"(
form = "within"
experiment = "sum"
metric = "rate"
expect = [0.8, 1.25]
)") {
  return fmt::format(R"(suite = "toy"
[[grid]]
id = "fig7"
file = "reported.csv"
row = "big-{{dtype}}-{{causal}}"
columns = "n"
source = "figure 7"
unit = "TFLOP/s"
scale = 1000
reach = "direct"
because = "same device"
{}
[grid.values]
dtype = {{ hd64 = "f32" }}
causal = {{ nc = false, c = true }}
method = {{ fa2 = "fast", fa1 = "naive", torch = "gpu" }}
[grid.check]
{})",
                     more, check);
}

const Claim& find(const ClaimFile& file, const std::string& id) {
  const auto it = std::find_if(file.claims.begin(), file.claims.end(),
                               [&](const Claim& claim) { return claim.id == id; });
  INFO(id);
  REQUIRE(it != file.claims.end());
  return *it;
}

TEST_CASE("one claim per cell, with the axis values that the row and the column name") {
  const Files files;
  const ClaimFile file = files.load(kCsv, grid());
  CHECK(file.claims.size() == 11);  // 12 cells in rows that match, one of them unknown
  const Claim& claim = find(file, "fig7-big-hd64-c-fa2-2");
  CHECK(claim.reported == "0.8 TFLOP/s");
  CHECK(claim.says == "fa2 in big-hd64-c at n = 2: 0.8 TFLOP/s");
  CHECK(claim.check->of->implementation.text == "fast");
  CHECK(claim.check->per == Approx(800));
  std::map<std::string, Value> axes;
  for (const auto& [name, value] : claim.check->of->axes) axes[name.text] = value;
  CHECK(axes == std::map<std::string, Value>{{"dtype", "f32"}, {"causal", true}, {"n", 2}});
  const Claim& memory = find(file, "fig7-big-hd64-nc-torch-4");
  CHECK(memory.check->form == Form::holds);
  CHECK(memory.check->statuses == std::vector{record::Status::out_of_memory});
  CHECK(memory.reported == "out of memory");
}

TEST_CASE("methods, templates and placeholders for experiment and machine") {
  const Files files;
  const ClaimFile file = files.load(kCsv, R"(suite = "toy"
[[grid]]
id = "f"
file = "reported.csv"
row = "{on}-{experiment}-nc"
methods = "fa2"
columns = "n"
source = "figure 7"
says = "{method} does {value} {unit} at {column} in {row}"
unit = "T"
reach = "direct"
because = "b"
[grid.values]
on = { big = "H100", small = "A100" }
experiment = { hd64 = "sum" }
[grid.check]
form = "within"
metric = "rate"
direction = [0.5, 2]
)");
  CHECK(file.claims.size() == 6);
  const Claim& claim = find(file, "f-small-hd64-nc-fa2-4");
  CHECK(claim.on == std::vector<std::string>{"A100"});
  CHECK(claim.check->experiment.text == "sum");
  CHECK(claim.says == "fa2 does 9 T at 4 in small-hd64-nc");
  CHECK(claim.check->of->implementation.text == "fa2");
  CHECK(claim.check->of->axes.size() == 1);
}

TEST_CASE("a grid of ratios to another method") {
  const Files files;
  const ClaimFile file = files.load(kCsv, grid("", R"(
form = "ratio"
experiment = "sum"
metric = "rate"
against = "fa1"
expect = [0.5, 2]
)"));
  CHECK(find(file, "fig7-big-hd64-nc-fa2-2").check->per == Approx(1.5 / 0.6));
  CHECK(find(file, "fig7-big-hd64-nc-fa2-2").check->to->implementation.text == "naive");
  // fa1 is unknown at 4, is no row beside causal, and gives no claim itself; torch keeps its 1
  // and 2.
  CHECK(file.claims.size() == 4);
}

TEST_CASE("numbers and 'out of memory' may be claims of different grids") {
  const Files files;
  const ClaimFile numbers = files.load(kCsv, grid("cells = \"numbers\""));
  CHECK(numbers.claims.size() == 10);
  const ClaimFile memory = files.load(kCsv, grid("cells = \"out-of-memory\""));
  REQUIRE(memory.claims.size() == 1);
  CHECK(memory.claims[0].id == "fig7-big-hd64-nc-torch-4");
  const auto problems = files.problems(kCsv, grid("cells = \"number\""));
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], Catch::Contains("unknown cells 'number'; did you mean 'numbers'?"));
}

TEST_CASE("a grid out of reach needs no check and no values") {
  const Files files;
  const ClaimFile file = files.load(kCsv, R"(suite = "toy"
[[grid]]
id = "f"
file = "reported.csv"
row = "small-{x}-nc"
columns = "n"
source = "figure 7"
reach = "out-of-reach"
because = "another device"
)");
  CHECK(file.claims.size() == 3);
  CHECK(judge(file, {}).at(0).outcome == Outcome::out_of_reach);
}

TEST_CASE("cells are judged by measured over reported, or by the status") {
  const Files files;
  const ClaimFile file = files.load(kCsv, grid());
  Records records;
  records.run("r1");
  records.steady(Records::point(1), "fast", 1.0);  // 1e6 operations in 1 us: 1000 GFLOP/s
  records.steady(Records::point(2), "fast", 2.0);  // 500 of 1500
  records.failed(Records::point(4), "gpu", record::Status::out_of_memory, "");
  records.failed(Records::point(1), "gpu", record::Status::unsupported, "no device");
  std::map<std::string, Verdict> verdicts;
  for (const Verdict& verdict : judge(file, records.set)) verdicts[verdict.id] = verdict;
  CHECK(verdicts.at("fig7-big-hd64-nc-fa2-1").outcome == Outcome::reproduced);
  CHECK(verdicts.at("fig7-big-hd64-nc-fa2-1").measured->estimate == Approx(1.0).epsilon(0.01));
  CHECK(verdicts.at("fig7-big-hd64-nc-fa2-2").outcome == Outcome::contradicted);
  CHECK(verdicts.at("fig7-big-hd64-nc-torch-4").outcome == Outcome::reproduced);
  CHECK(verdicts.at("fig7-big-hd64-nc-torch-1").outcome == Outcome::not_run);
  CHECK(verdicts.at("fig7-big-hd64-nc-torch-1").reason == "gpu unsupported: no device");
  CHECK(verdicts.at("fig7-big-hd64-nc-fa1-1").outcome == Outcome::not_run);
}

TEST_CASE("problems in a grid and in its CSV") {
  const Files files;
  const auto only = [&](const std::string& csv, const std::string& toml) {
    const auto problems = files.problems(csv, toml);
    CHECK(problems.size() == 1);
    return problems.empty() ? "" : problems.front();
  };
  CHECK_THAT(only("row,method,1\nbig-a-b,fa2,617s\n", grid()),
             Catch::EndsWith("reported.csv:2:1: '617s' must be a number, '-' (out of memory) or "
                             "'?' (unknown)"));
  CHECK_THAT(only("row,method,1\nbig-a-b,fa2\n", grid()),
             Catch::Contains("reported.csv:2: 2 cells, but the header has 3"));
  CHECK_THAT(only("row,method,1\nother,fa2,1\n", grid()),
             Catch::Contains("claims.toml:5:7: ") &&
                 Catch::Contains("no row of reported.csv has the shape"));
  CHECK_THAT(only(kCsv, grid("methods = [\"fa3\"]")),
             Catch::Contains("claims.toml:12:12: ") && Catch::Contains("no method 'fa3'"));
  CHECK_THAT(only(kCsv, grid("",
                             "form = \"slope\"\nexperiment = \"sum\"\nmetric = \"rate\"\n"
                             "expect = [1, 2]")),
             Catch::Contains("unknown form 'slope'"));
  CHECK_THAT(only(kCsv, grid("",
                             "form = \"ratio\"\nexperiment = \"sum\"\nmetric = \"rate\"\n"
                             "expect = [1, 2]")),
             Catch::Contains("'against' is missing"));
  CHECK_THAT(only(kCsv, grid("rwo = 2")), Catch::Contains("unknown key 'rwo'"));
  CHECK_THAT(only("", grid()), Catch::Contains("has no header line"));
}

}  // namespace
}  // namespace ashlar::claims
