#include "harness/run/plan.hpp"

#include <set>

#include <catch2/catch.hpp>

#include "harness/testing/toy.hpp"

using namespace ashlar::run;
using namespace ashlar::model;

namespace {

Registry toy() {
  Registry registry;
  registry.push_back(ashlar::testing::toy_suite());
  return registry;
}

Plan plan(const Filter& filter, Mode mode = Mode::quick) {
  static const Registry registry = toy();
  return make_plan(registry, filter, mode, 1);
}

}  // namespace

TEST_CASE("the whole toy: points, cases, least work first, controls once per experiment") {
  const Plan all = plan({});
  CHECK(all.points.size() == 3 * 2 + 1 + 1 + 2);
  CHECK(all.points.front().point.integer("length") == 64);
  int with_controls = 0;
  for (const PlannedPoint& planned : all.points) with_controls += planned.with_controls ? 1 : 0;
  CHECK(plan({.suites = {"toy", "toy"}}).points.size() ==
        all.points.size());   // named twice, run once
  CHECK(with_controls == 3);  // a study has none
}

TEST_CASE("a study counts its seeds, and one where the seed changes nothing") {
  Suite suite("seeds", "Seeds");
  suite.study<int>("fit")
      .axis("n", {1, 2})
      .seeds(5)
      .varies([](const Point& point, std::string_view implementation) {
        return implementation == "random" || point.integer("n") == 2;
      })
      .problem([](const Point&, std::uint64_t) { return 0; })
      .add(Tier::reference, "random", [](const int&) { return Outcome(); })
      .add(Tier::reference, "greedy", [](const int&) { return Outcome(); });
  Registry registry;
  registry.push_back(std::move(suite));
  CHECK(make_plan(registry, {}, Mode::quick, 1).cases() == 5 + 1 + 5 + 5);
}

TEST_CASE("filters choose, and combine") {
  CHECK(plan({.where = {{"length", "256"}}, .only = {"toy/scale"}}).points.size() == 2);
  CHECK(plan({.where = {{"length", "256"}, {"length", "64"}, {"variant", "plain"}},
              .only = {"toy/scale"}})
            .points.size() == 2);
  const Plan tier = plan({.only = {"toy/scale"}, .tiers = {"reference"}});
  for (const PlannedPoint& planned : tier.points) {
    REQUIRE(planned.implementations.size() == 1);
    CHECK(planned.implementations[0]->name == "loop");
  }
  const Plan skipped = plan({.only = {"toy/scale"}, .skip = {"python", "absent"}});
  CHECK(skipped.points.front().implementations.size() == 4);
}

TEST_CASE("wrong words are answered with what there is") {
  CHECK_THROWS_WITH(plan({.suites = {"toi"}}),
                    Catch::Contains("unknown suite 'toi'; did you mean 'toy'"));
  CHECK_THROWS_WITH(plan({.where = {{"lenght", "64"}}}), Catch::Contains("did you mean 'length'"));
  CHECK_THROWS_WITH(plan({.where = {{"length", "63"}}}),
                    Catch::Contains("no value '63' in mode quick; it has"));
  CHECK_THROWS_WITH(plan({.where = {{"length", "4096"}}}), Catch::Contains("another mode has it"));
  CHECK_THROWS_WITH(plan({.only = {"("}}),
                    Catch::Contains("--only") && Catch::Contains("regular expression"));
  CHECK_THROWS_WITH(plan({.only = {"no-such-case"}}), Catch::Contains("nothing to run"));
  CHECK_THROWS_WITH(plan({.tiers = {"cudda"}}), Catch::Contains("did you mean 'cuda'"));
}

TEST_CASE("an experiment without points says what it waits for") {
  Registry registry = toy();
  registry.front().study<int>("waiting").about("on a file: set TOY_FILE").axis("file", {});
  const auto planned = [&](const std::string& only) {
    return make_plan(registry, {.only = {only}}, Mode::quick, 1);
  };
  CHECK_THROWS_WITH(
      planned("waiting"),
      Catch::Contains("'waiting' has no points in mode quick: on a file: set TOY_FILE"));
  CHECK_THROWS_WITH(planned("toy/waiting/"), Catch::Contains("TOY_FILE"));
  CHECK_THROWS_WITH(planned("nobody"), Catch::Contains("'ashlar list cases' shows what there is"));
  // Something else was named as well, and a filter took it.
  CHECK_THROWS_WITH(make_plan(registry, {.only = {"toy/"}, .skip = {"."}}, Mode::quick, 1),
                    Catch::Contains("'ashlar list cases' shows what there is"));
}

TEST_CASE(
    "the hash of a plan changes with what is planned, the mode and the seed, and with nothing "
    "else") {
  static const Registry registry = toy();
  const Plan a = make_plan(registry, {}, Mode::quick, 1);
  CHECK(make_plan(registry, {}, Mode::quick, 1).hash == a.hash);
  CHECK(make_plan(registry, {}, Mode::quick, 2).hash != a.hash);
  CHECK(make_plan(registry, {}, Mode::full, 1).hash != a.hash);
  CHECK(make_plan(registry, {.skip = {"loop"}}, Mode::quick, 1).hash != a.hash);
}

TEST_CASE("on a GPU what runs there is planned, and what is declared to run beside it") {
  CHECK_THROWS_WITH(plan({.only = {"scale"}}, Mode::gpu), Catch::Contains("nothing to run"));
  const Plan on_gpu = plan({}, Mode::gpu);
  REQUIRE(on_gpu.points.size() == 2);
  for (const PlannedPoint& point : on_gpu.points) {
    std::set<std::string> names;
    for (const auto* implementation : point.implementations) names.insert(implementation->name);
    CHECK(names == std::set<std::string>{"beside-device", "on-device", "python-on-device"});
  }
  const Plan alone = plan({.skip = {"beside"}}, Mode::gpu);
  CHECK(alone.hash != on_gpu.hash);
  for (const PlannedPoint& point : alone.points) CHECK(point.implementations.size() == 2);
}

TEST_CASE("a point's seed depends on the point and the run's seed, not on the implementation") {
  static const Registry registry = toy();
  const Experiment& scale = *registry.front().find("scale");
  const auto points = scale.points(Mode::quick);
  CHECK(point_seed(1, scale, points[0]) != point_seed(1, scale, points[1]));
  CHECK(point_seed(1, scale, points[0]) != point_seed(2, scale, points[0]));
}

TEST_CASE("shards part the points of a plan among them, whole, and keep its hash") {
  const Plan whole = plan({});
  for (const int count : {1, 2, 3, 50}) {
    std::size_t points = 0;
    std::set<std::string> seen;
    int with_controls = 0;
    for (int index = 1; index <= count; ++index) {
      const Plan part = part_of(whole, {index, count});
      CHECK(part.hash == whole.hash);
      for (const PlannedPoint& planned : part.points) {
        ++points;
        seen.insert(case_key(*planned.experiment, planned.point, ""));
        with_controls += planned.with_controls ? 1 : 0;
      }
    }
    CHECK(points == whole.points.size());
    CHECK(seen.size() == whole.points.size());
    CHECK(with_controls == 3);
  }
  CHECK(parse_shard("2/4").index == 2);
  CHECK(parse_shard("4/4").count == 4);
  for (const char* wrong :
       {"", "/", "1", "1/", "/2", "0/2", "3/2", "1/2/3", "a/b", "1/2 ", "-1/2", "1/99999999999"})
    CHECK_THROWS_AS(parse_shard(wrong), UsageError);
}
