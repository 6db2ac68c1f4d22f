#include "harness/model/suite.hpp"

#include <catch2/catch.hpp>

using namespace ashlar::model;

namespace {

struct Problem {
  std::int64_t n = 0;
};
struct Answer {
  double value = 0;
  explicit Answer(const Problem&) {}
  std::vector<TensorView> tensors() { return {{"value", ElementType::f64, {1}, &value}}; }
};

Problem make_problem(const Point& point, std::uint64_t) { return {point.integer("n")}; }
void twice(const Problem& problem, Answer& answer) {
  answer.value = 2.0 * static_cast<double>(problem.n);
}

/// A complete declaration; each test spoils one thing.
ExperimentBuilder<Problem, Answer> declare(Suite& suite) {
  auto builder = suite.experiment<Problem, Answer>("double");
  builder.axis("n", {1, 2, 3})
      .in(Mode::quick, {1})
      .axis("flag", {false, true})
      .problem(make_problem)
      .work([](const Point&) {
        return Work{1, 8, "f32"};
      })
      .oracle(
          "exact",
          [](const Problem& problem) {
            return Expected{{"value", {}, {2.0 * static_cast<double>(problem.n)}}};
          },
          [](const Point&) {
            return Tolerances{{"", {.max_abs = 0}}};
          })
      .add(Tier::naive, "twice", twice)
      .control("zero", [](const Problem&, Answer& answer) { answer.value = 0; });
  return builder;
}

}  // namespace

TEST_CASE("points are the cross product in declaration order, by mode, filtered") {
  Suite suite("s", "S");
  auto builder = declare(suite);
  const Experiment& experiment = *suite.find("double");
  CHECK(experiment.points(Mode::full).size() == 6);
  CHECK(experiment.points(Mode::full)[1].text() == "n=1,flag=true");
  CHECK(experiment.points(Mode::quick).size() == 2);
  builder.keep([](const Point& point, Mode) { return !point.flag("flag"); });
  CHECK(experiment.points(Mode::full).size() == 3);
}

TEST_CASE("plain functions become methods; poison fills answers with NaN") {
  Suite suite("s", "S");
  declare(suite);
  const Experiment& experiment = *suite.find("double");
  const auto problem = experiment.problem(experiment.points(Mode::full).back(), 1);
  const Implementation& twice_it = *experiment.find("twice");
  CHECK(twice_it.supports(problem.get()).yes);
  const auto trial = twice_it.bind(problem);
  trial->poison();
  CHECK(std::isnan(trial->answer()[0].value(0)));
  trial->prepare();
  trial->execute(nullptr);
  CHECK(trial->answer()[0].value(0) == 6.0);
}

TEST_CASE("mode gpu has what runs on a device, and what is declared to run beside it") {
  Suite suite("s", "S");
  declare(suite)
      .add(Tier::optimized, "beside", twice, {.beside_device = true})
      .add(Tier::reference, "model", twice, {.device = Device::model})
      .add(Tier::cuda, "on", twice, {.device = Device::cuda});
  std::vector<std::string> in_gpu;
  for (const Implementation& one : suite.find("double")->implementations) {
    CHECK(one.runs_in(Mode::quick));
    CHECK(one.runs_in(Mode::full));
    if (one.runs_in(Mode::gpu)) in_gpu.push_back(one.name);
  }
  CHECK(in_gpu == std::vector<std::string>{"beside", "on"});
}

TEST_CASE("mode quick does without what takes long to start") {
  Suite suite("s", "S");
  declare(suite).add(Tier::peer, "interpreted", twice, {.slow_start = true});
  const Implementation& one = *suite.find("double")->find("interpreted");
  CHECK_FALSE(one.runs_in(Mode::quick));
  CHECK(one.runs_in(Mode::full));
  CHECK_FALSE(one.runs_in(Mode::gpu));
}

TEST_CASE("a faulty declaration is named") {
  Suite suite("s", "S");
  auto builder = declare(suite);
  CHECK_NOTHROW(suite.validate());
  SECTION("a name used twice") {
    builder.add(Tier::naive, "twice", twice);
    CHECK_THROWS_WITH(suite.validate(), Catch::Contains("'twice' is declared twice"));
  }
  SECTION("a control with an implementation's name") {
    builder.control("twice", twice);
    CHECK_THROWS_WITH(suite.validate(), Catch::Contains("twice"));
  }
  SECTION("an unknown baseline") {
    builder.baselines({"twise"});
    CHECK_THROWS_WITH(suite.validate(), Catch::Contains("did you mean 'twice'"));
  }
  SECTION("an external implementation without tensors") {
    builder.external(Tier::peer, "other", {"python3"});
    CHECK_THROWS_WITH(suite.validate(), Catch::Contains(".inputs"));
  }
  SECTION("beside a device that is not there, or on it") {
    builder.add(Tier::optimized, "beside", twice, {.beside_device = true});
    CHECK_THROWS_WITH(suite.validate(), Catch::Contains("'beside' is beside a device, where no"));
    builder.add(Tier::cuda, "on", twice, {.device = Device::cuda});
    CHECK_NOTHROW(suite.validate());
    builder.add(Tier::cuda, "both", twice, {.device = Device::cuda, .beside_device = true});
    CHECK_THROWS_WITH(suite.validate(), Catch::Contains("'both' is beside a device and on it"));
  }
  SECTION("no oracle, no control") {
    suite.experiment<Problem, Answer>("bare")
        .problem(make_problem)
        .add(Tier::naive, "twice", twice);
    CHECK_THROWS_WITH(suite.validate(), Catch::Contains("oracle"));
  }
}

TEST_CASE("names of modes and tiers are parsed, with suggestions") {
  CHECK(parse_mode("full") == Mode::full);
  CHECK_THROWS_WITH(parse_mode("ful"), Catch::Contains("did you mean 'full'"));
  CHECK_THROWS_WITH(parse_tier("optimised"), Catch::Contains("did you mean 'optimized'"));
}

TEST_CASE("the description holds what tables and figures need") {
  Suite suite("s", "S");
  declare(suite).baselines({"twice"}).figure({"time", "time", "n", {"flag"}, {}, "Title"});
  const Json json = suite.find("double")->describe(Mode::quick);
  CHECK(json.at("axes").at(0).at("values") == Json::array({1}));
  CHECK(json.at("implementations").at(0).at("tier") == "naive");
  CHECK(json.at("baselines").at(0) == "twice");
  CHECK(json.at("figures").at(0).at("x") == "n");
}
