// Values that the paper's figures show on data that are the paper's own, and where an independent
// program got more digits: the whole way from the generator to the curve.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <catch2/catch.hpp>

#include "suites/bcd/rules.hpp"
#include "suites/bcd/suite.hpp"

using namespace ashlar;
using namespace ashlar::bcd;
using namespace ashlar::bcd::suite;

namespace {

model::Outcome outcome_at(const std::string& experiment, const std::string& implementation,
                          const model::Point& point) {
  static const model::Suite declared = bcd::suite::make();
  const model::Experiment* found = declared.find(experiment);
  REQUIRE(found != nullptr);
  const model::Implementation* wanted = found->find(implementation);
  REQUIRE(wanted != nullptr);
  return wanted->study(found->problem(point, 1).get());
}

const std::vector<double>& column(const model::Outcome& outcome, const std::string& name) {
  for (const auto& [known, values] : outcome.curves.at(0).columns)
    if (known == name) return values;
  throw std::out_of_range(name);
}

double gap_at(const model::Outcome& outcome, double iteration) {
  const auto& iterations = column(outcome, "iteration");
  const auto at = std::find(iterations.begin(), iterations.end(), iteration);
  REQUIRE(at != iterations.end());
  return column(outcome, "gap")[static_cast<std::size_t>(at - iterations.begin())];
}

const model::Point kB({{"data", "B"}, {"block", 5}});

}  // namespace

TEST_CASE("figure 6a: forests on the lattice") {
  const model::Point d(model::Point::Axes{{"data", "D"}});
  const auto red_black = outcome_at("figure-6a", "red-black", d);
  const auto trees = outcome_at("figure-6a", "tree-partitions", d);
  CHECK(gap_at(red_black, 0) == Approx(1045999575.2270696).epsilon(1e-12));
  CHECK(gap_at(red_black, 100) == Approx(2.127e6).epsilon(5e-3));
  CHECK(gap_at(trees, 100) == Approx(8.231e4).epsilon(5e-3));
  // The other way round in every respect: larger blocks that are no forests end far behind.
  CHECK(gap_at(outcome_at("figure-6a", "general", d), 100) > 50 * gap_at(red_black, 100));
  CHECK(gap_at(outcome_at("figure-6a", "greedy-tree", d), 100) < gap_at(trees, 100));
}

TEST_CASE("the support is found within the bounds of the theory, by full steps and by blocks") {
  const model::Point rows(model::Point::Axes{{"rows", 400}});
  for (const char* name : {"full", "random-fb"}) {
    CAPTURE(name);
    const auto outcome = outcome_at("identification", name, rows);
    CHECK(outcome.metrics.at("delta") > 0);
    CHECK(outcome.metrics.at("identified") >= 1);
    CHECK(outcome.metrics.at("identified") <= outcome.metrics.at("bound"));
    CHECK(outcome.metrics.at("bound") < 1e12);
  }
}

TEST_CASE("figure 8 and the two norms on the logistic problem") {
  CHECK(outcome_at("figure-8", "cyclic-fb", kB).metrics.at("gap") == Approx(134.6).epsilon(1e-3));
  CHECK(outcome_at("norms", "gsl-fb-l1", kB).metrics.at("gap") == Approx(60.92).epsilon(1e-3));
  CHECK(outcome_at("norms", "gsl-fb-l2", kB).metrics.at("gap") == Approx(58.24).epsilon(1e-3));
}

TEST_CASE("figure 7: a handful of iterations where blocks are larger than the support") {
  const model::Point point(model::Point::Axes{{"block", 50}});
  for (const char* name : {"pn-vb", "tmp-vb"}) {
    INFO(name);
    const auto outcome = outcome_at("figure-7", name, point);
    CHECK(outcome.metrics.at("iterations") <= 12);
    CHECK(outcome.metrics.at("support") == 49);
    CHECK(outcome.metrics.at("identified") <= 6);
  }
  CHECK(outcome_at("figure-7", "pg-vb", point).metrics.at("iterations") >= 50);
  CHECK(data_set("A-l1", 1)->optimum.value == Approx(5453511.848984).epsilon(1e-12));
}

TEST_CASE("the same seed gives the same curve, and another seed another one where it should") {
  const auto once = outcome_at("figure-8", "random-vb", kB);
  const auto again = outcome_at("figure-8", "random-vb", kB);
  CHECK(column(once, "gap") == column(again, "gap"));
  const model::Suite declared = bcd::suite::make();
  const model::Experiment& figure = *declared.find("figure-8");
  const auto other = figure.find("random-vb")->study(figure.problem(kB, 2).get());
  CHECK(column(once, "gap") != column(other, "gap"));
  CHECK(figure.seeds_of(kB, "random-vb") == 5);
  CHECK(figure.seeds_of(kB, "gs-vb") == 1);
  CHECK(figure.seeds_of(kB, "cyclic-fb") == 1);
  CHECK(figure.seeds_of(model::Point({{"data", "E"}, {"block", 5}}), "gs-vb") == 5);
}

TEST_CASE("curves keep their ends, iteration 100 and the first row below the tolerance") {
  Trace trace;
  for (int k = 0; k <= 300; ++k) {
    trace.gap.push_back(std::pow(10.0, 4 - k / 20.0));
    trace.block_size.push_back(5);
    trace.select_seconds.push_back(1e-3);
    trace.update_seconds.push_back(1e-3);
    trace.flops.push_back(k);
    trace.bytes.push_back(2 * k);
  }
  Problem problem;
  const auto outcome = outcome_of(trace, problem);
  const auto& iterations = column(outcome, "iteration");
  for (const double k : {0.0, 100.0, 241.0, 300.0})
    CHECK(std::count(iterations.begin(), iterations.end(), k) == 1);
  CHECK(iterations.size() < 80);
  CHECK(outcome.metrics.at("iterations") == 241);
  CHECK_FALSE(outcome.metrics.contains("identified"));
  trace.gap.assign(301, 1.0);
  CHECK(std::isinf(outcome_of(trace, problem).metrics.at("iterations")));
}

TEST_CASE("random rules by the authors' draws") {
  // Values are those of a program in NumPy that has nothing of this one: seed(1), the data, then
  // the blocks.
  const std::map<std::pair<int, std::string>, double> expected{
      {{5, "random-fb"}, 156.48258328331457},    {{5, "lipschitz-fb"}, 152.14002659888888},
      {{5, "random-vb"}, 337.43180890191377},    {{5, "lipschitz-vb"}, 265.4056211418724},
      {{5, "cyclic-vb"}, 295.77724670460816},    {{50, "lipschitz-fb"}, 35.80977690633495},
      {{50, "lipschitz-vb"}, 78.34867322253805}, {{50, "cyclic-vb"}, 77.84329842389101},
      {{50, "la-random"}, 10.999482867896912},   {{50, "lb-random"}, 85.56832415678733}};
  for (const auto& [where, gap] : expected) {
    INFO(where.first << " " << where.second);
    const model::Point point({{"data", "B"}, {"block", where.first}});
    CHECK(outcome_at("draws", where.second, point).metrics.at("gap") == Approx(gap).epsilon(1e-6));
  }
}
