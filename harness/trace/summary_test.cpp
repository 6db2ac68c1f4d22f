#include "harness/trace/summary.hpp"

#include <catch2/catch.hpp>

namespace ashlar::trace {
namespace {

using Catch::Contains;

Timeline made_up() {
  Process supervisor;
  supervisor.role = Role::supervisor;
  supervisor.lanes = {{0, "", "ashlar", {{"round 0", 0, 9'000'000, {}, false}}}};
  Process worker;
  worker.lanes = {{0,
                   "",
                   "ashlar",
                   {{"point", 0, 8'000'000, {}, false},
                    {"sample", 1'000'000, 2'000'000, {}, false},
                    {"sample", 3'000'000, 6'000'000, {}, true}}},
                  {1, "", "cuBLAS", {{"sample", 0, 4'000'000, {}, false}}}};
  worker.started = {{"ashlar", {"transfer", 0, 5'000'000, {}, false}}};
  return {{supervisor, worker}};
}

}  // namespace

TEST_CASE("ranges of one name are one line, apart by side and domain") {
  const std::vector<RangeTotal> all = totals(made_up());
  REQUIRE(all.size() == 5);
  CHECK(all[0] == RangeTotal{Role::supervisor, "ashlar", "round 0", 1, 9'000'000, 9'000'000, 0});
  const auto find = [&](const std::string& domain, const std::string& name) {
    for (const RangeTotal& total : all) {
      if (total.role == Role::worker && total.domain == domain && total.name == name) return total;
    }
    return RangeTotal();
  };
  CHECK(find("ashlar", "point") ==
        RangeTotal{Role::worker, "ashlar", "point", 1, 8'000'000, 4'000'000, 0});
  CHECK(find("ashlar", "sample") ==
        RangeTotal{Role::worker, "ashlar", "sample", 2, 4'000'000, 4'000'000, 1});
  CHECK(find("cuBLAS", "sample").exclusive_ns == 4'000'000);
  CHECK(find("ashlar", "transfer") ==
        RangeTotal{Role::worker, "ashlar", "transfer", 1, 5'000'000, std::nullopt, 0});
}

TEST_CASE("a range within one of its own name counts once in inclusive time") {
  Process worker;
  worker.lanes = {{0,
                   "",
                   "ashlar",
                   {{"recurse", 0, 100, {}, false},
                    {"recurse", 10, 90, {}, false},
                    {"recurse", 200, 250, {}, false}}}};
  const std::vector<RangeTotal> all = totals({{worker}});
  REQUIRE(all.size() == 1);
  CHECK(all[0].count == 3);
  CHECK(all[0].inclusive_ns == 150);
  CHECK(all[0].exclusive_ns == 150);
}

TEST_CASE("the table says what is missing, what never ended, and how much more there is") {
  Timeline timeline = made_up();
  timeline.processes[1].dropped = 12;
  timeline.processes[1].unmatched = 1;
  const std::string whole = summary_text(timeline);
  CHECK_THAT(whole, Contains("12 ranges are missing"));
  CHECK_THAT(whole, Contains("1 ends of ranges that nobody began"));
  CHECK_THAT(whole, Contains("sample [1 never ended]"));
  CHECK_THAT(whole, Contains("sample (cuBLAS)"));
  CHECK_THAT(whole, Contains("        1         8.000         4.000  33.3 %  point\n"));
  CHECK_THAT(whole, Contains("        1         5.000             -       -  transfer\n"));
  CHECK_THAT(summary_text(timeline, 1), Contains("        3 more\n"));
  CHECK_THAT(summary_text({}), Contains("no ranges were recorded"));
}

TEST_CASE("a long name is cut between characters") {
  Process worker;
  std::string name(56, 'x');
  for (int i = 0; i < 20; ++i) name += "\xc3\xa9";  // e with an accent
  worker.lanes = {{0, "", "ashlar", {{name, 0, 1, {}, false}}}};
  CHECK_THAT(summary_text({{worker}}), Contains(std::string(56, 'x') + "...\n"));
}

}  // namespace ashlar::trace
