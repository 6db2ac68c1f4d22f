#include "harness/gate/instructions.hpp"

#include <catch2/catch.hpp>

#include "harness/testing/program.hpp"
#include "harness/testing/toy.hpp"

using namespace ashlar;
using gate::Instructions;

namespace {

std::map<std::string, Instructions> count_toy(const std::string& length) {
  model::Registry registry;
  registry.push_back(testing::toy_suite());
  run::Filter filter;
  filter.only = {"toy/scale/"};
  filter.where = {{"length", length}, {"variant", "plain"}};
  const run::Plan plan = run::make_plan(registry, filter, model::Mode::quick, 1);
  const testing::Folder scratch;
  return gate::count_instructions(ASHLAR_TOY, plan.points.front(), plan, scratch.path());
}

}  // namespace

TEST_CASE("the count is read from callgrind's output") {
  CHECK(gate::parse_callgrind("version: 1\nevents: Ir\nsummary: 12\n\ntotals: 12\n") == 12);
  CHECK(gate::parse_callgrind("totals: 2853113\n") == 2853113);
  CHECK(gate::parse_callgrind("totals: 12 3 4\n") == 12);  // with a cache simulation beside
  CHECK_FALSE(gate::parse_callgrind("").has_value());
  CHECK_FALSE(gate::parse_callgrind("totals: none\n").has_value());
}

TEST_CASE("counts repeat exactly, grow with the work, and name what was counted") {
  const auto first = count_toy("1024");
  if (first.at("loop").why_not.find("valgrind") != std::string::npos) {
    WARN("skipped: " << first.at("loop").why_not);
    return;
  }
  REQUIRE(first.at("loop").why_not == "");
  CHECK(first.at("loop").target == "toy none");
  const auto again = count_toy("1024");
  const auto shorter = count_toy("256");
  for (const char* name : {"loop", "tenfold", "unrolled", "in-place"}) {
    INFO(name << ": " << first.at(name).why_not);
    REQUIRE(first.at(name).count.has_value());
    CHECK(first.at(name).count == again.at(name).count);
    CHECK(*first.at(name).count > *shorter.at(name).count);
  }
  CHECK(*first.at("tenfold").count > 5 * *first.at("loop").count);
  CHECK_FALSE(first.at("python").count.has_value());
  CHECK(first.at("python").why_not == "another program");
  CHECK_FALSE(first.at("absent").count.has_value());
}
