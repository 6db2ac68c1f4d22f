// Runs of a batch on a GPU as loops on a CPU, against the reference's: every thread's part of every
// phase, for teams of several shapes and in several orders.
#include "impls/bcd/cuda_batch.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "impls/bcd/data.hpp"
#include "impls/bcd/test_batch_rules.hpp"
#include "impls/bcd/test_batch_run.hpp"
#include "impls/bcd/test_drawn.hpp"

namespace ashlar::bcd {
namespace cuda_batch_host_test {
namespace {

using testing::batch_problems;
using testing::batch_rules;
using testing::check_rules;
using testing::HostAnswer;
using testing::HostShape;
using testing::noise_decides;
using testing::run_on_host;
using testing::ThreadOrder;

}  // namespace

TEST_CASE("every rule of a batch goes the reference's way in teams of any shape") {
  int checked = 0;
  for (const Problem& problem : batch_problems()) {
    for (const HostShape& shape :
         {HostShape{1, 1}, HostShape{1, 7}, HostShape{1, 64}, HostShape{3, 5}, HostShape{7, 32}}) {
      checked += check_rules(problem, batch_rules(problem, 4), shape, {.iterations = 12});
    }
  }
  CHECK(checked > 500);
}

TEST_CASE("blocks of one coordinate and of all, and short last ones") {
  for (const Problem& problem : batch_problems()) {
    const Index size = problem.size();
    for (const Index k : {Index{1}, Index{5}, size - 1, size}) {
      std::vector<Rule> rules = batch_rules(problem, k);
      if (k == size - 1 || problem.penalty.nonnegative) std::erase_if(rules, noise_decides);
      check_rules(problem, rules, {2, 16}, {.iterations = 8});
    }
  }
  const Problem single = drawn::random_problem(Loss::least_squares, 1, 1);
  check_rules(single, batch_rules(single, 1), {1, 8}, {.iterations = 3});
  const Problem number = drawn::random_problem(Loss::quadratic, 0, 1);
  check_rules(number, batch_rules(number, 1), {2, 3}, {.iterations = 3});
}

TEST_CASE("the order of threads within a phase does not show in a bit") {
  for (const Problem& problem : batch_problems()) {
    const BatchPlan plan(problem, batch_rules(problem, 6), {}, {.iterations = 9});
    for (const HostShape& shape : {HostShape{1, 33}, HostShape{4, 9}}) {
      HostShape turned = shape;
      const auto forward = run_on_host(plan, shape);
      for (const ThreadOrder order : {ThreadOrder::backward, ThreadOrder::shuffled}) {
        turned.order = order;
        const auto other = run_on_host(plan, turned);
        for (std::size_t i = 0; i < plan.count(); ++i) {
          CHECK(other[i].x == forward[i].x);
          CHECK(other[i].trace.gap == forward[i].trace.gap);
        }
      }
    }
  }
}

TEST_CASE("many iterations on the paper's kind of data") {
  const FeatureShape shape{.rows = 120, .columns = 210};
  for (const Problem& problem : {make_a_prime(1, {}, shape), make_b(1, shape)}) {
    for (const Index k : {Index{5}, Index{30}}) {
      std::vector<Rule> rules;
      for (const Rule& rule : batch_rules(problem, k)) {
        // One of each kind of part; the rest is above.
        if (rule.partition == Partition::variable || rule.partition == Partition::sort)
          rules.push_back(rule);
      }
      check_rules(problem, rules, {2, 16}, {.iterations = 40, .refresh_every = 15}, 1e-7);
    }
  }
}

TEST_CASE("gaps are measured against a known minimiser, and runs stop below a tolerance") {
  for (Problem problem : {make_lattice(7, 6, 5, 1), drawn::random_problem(Loss::quadratic, 0, 17),
                          drawn::random_problem(Loss::least_squares, 40, 12)}) {
    for (const bool nonnegative : {false, true}) {
      if (nonnegative && problem.loss == Loss::quadratic) continue;
      if (nonnegative) problem.penalty = {.lambda = 2, .nonnegative = true};
      const Optimum optimum = find_optimum(problem);
      REQUIRE(!optimum.x.empty());
      std::vector<Rule> rules;
      for (Rule rule : batch_rules(problem, 4)) {
        // Scores that tie but for rounding part ways on lattices.
        if (problem.lattice && kernel::looks_at_gradient(rule.selection)) continue;
        if (noise_decides(rule)) continue;
        rules.push_back(rule);
      }
      // A tolerance that gaps pass steeply.
      const double start = make_reference_objective(problem)->gap(optimum);
      check_rules(problem, rules, {1, 32}, {.iterations = 300, .tolerance = 1e-4 * start}, 1e-9,
                  optimum);
    }
  }
}

TEST_CASE("equal scores go to the lowest index, and runs end where nothing is left to do") {
  // The same column four times, and rows without a slope.
  std::vector<double> dense;
  for (int row = 0; row < 6; ++row) {
    for (int column = 0; column < 8; ++column) dense.push_back(column < 4 ? row + 1 : column - row);
  }
  Problem problem;
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(6, 8, dense));
  problem.targets = {3, -1, 4, 1, -5, 9};
  std::vector<Rule> variable;
  std::vector<Rule> fixed;
  for (const Rule& rule : batch_rules(problem, 2)) {
    if (rule.update != Update::lipschitz_block) continue;
    (rule.partition == Partition::variable ? variable : fixed).push_back(rule);
  }
  check_rules(problem, variable, {2, 4}, {.iterations = 5});
  // Scores of whole blocks are equal to the bit at x = 0 only; from then on rounding decides.
  check_rules(problem, fixed, {2, 4}, {.iterations = 1});
  problem.targets.assign(6, 0.0);
  std::vector<Rule> rules = variable;
  rules.insert(rules.end(), fixed.begin(), fixed.end());
  const BatchPlan idle(problem, rules, {}, {.iterations = 5});
  const auto found = run_on_host(idle, {1, 8});
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const bool looks = kernel::looks_at_gradient(rules[i].selection);
    CHECK(found[i].trace.iterations() == (looks ? 1 : 5));
    CHECK(found[i].trace.block_size.back() == (looks ? 0 : 2));
    CHECK(found[i].trace.gap.back() == 0);
  }
}

TEST_CASE("columns that are there twice are solved for by the pseudo-inverse") {
  Problem problem = drawn::random_problem(Loss::least_squares, 19, 6);
  std::vector<double> dense(19 * 12);
  for (Index column = 0; column < 6; ++column) {
    const auto rows = problem.features->by_column.indices_of(column);
    const auto values = problem.features->by_column.values_of(column);
    for (std::size_t e = 0; e < rows.size(); ++e) {
      dense[rows[e] * 12 + column] = dense[rows[e] * 12 + 6 + column] = values[e];
    }
  }
  problem.features = std::make_shared<const FeatureMatrix>(features_from_dense(19, 12, dense));
  std::vector<Rule> rules;
  for (const Rule& rule : batch_rules(problem, 12)) {
    if (rule.update == Update::matrix) rules.push_back(rule);
  }
  REQUIRE(rules.size() > 8);
  check_rules(problem, rules, {1, 16}, {.iterations = 1}, 1e-8);
}

TEST_CASE("a run whose scores are no numbers ends there") {
  Problem problem = drawn::random_problem(Loss::least_squares, 9, 5);
  std::vector<Rule> rules;
  for (const Rule& rule : batch_rules(problem, 2)) {
    if (kernel::looks_at_gradient(rule.selection)) rules.push_back(rule);
  }
  problem.targets[3] = std::nan("");  // which validate() of problems would refuse
  const BatchPlan plan(problem, rules, {}, {.iterations = 4});
  for (const HostAnswer& answer : run_on_host(plan, {1, 4})) {
    CHECK(answer.trace.diverged);
    CHECK(answer.trace.iterations() == 0);
  }
}

TEST_CASE("what has no form in a batch is refused with a reason") {
  const Problem squares = drawn::random_problem(Loss::least_squares, 29, 600);
  Rule rule;
  CHECK(!batch_rule_unsupported(squares, rule));
  rule.update = Update::message_passing;
  CHECK_THAT(*batch_rule_unsupported(squares, rule),
             Catch::Contains("message-passing") && Catch::Contains("cuda_forest.hpp"));
  rule.update = Update::matrix;
  rule.block_size = 513;
  CHECK_THAT(*batch_rule_unsupported(squares, rule), Catch::Contains("513"));
  CHECK_THROWS_AS(BatchPlan(squares, std::vector<Rule>{rule}, {}, {}), std::invalid_argument);
  CHECK_THROWS_AS(BatchPlan(squares, std::vector<Rule>{}, {}, {}), std::invalid_argument);
  CHECK_THROWS_AS(BatchPlan(squares, std::vector<Rule>{Rule{}}, {}, {.iterations = -1}),
                  std::invalid_argument);
  const Problem graph = drawn::random_problem(Loss::quadratic, 0, 12);
  CHECK_THAT(*batch_rule_unsupported(graph, {.partition = Partition::trees}),
             Catch::Contains("'trees'") && Catch::Contains("cuda_forest.hpp"));
  CHECK_THAT(*batch_rule_unsupported(graph, {.selection = Selection::greedy_tree}),
             Catch::Contains("'greedy-tree'") && Catch::Contains("cuda_forest.hpp"));
  const Problem classes = drawn::random_problem(Loss::softmax, 9, 4, 3);
  CHECK(!batch_rule_unsupported(classes, Rule{}));
  CHECK_THAT(*batch_rule_unsupported(classes, {.partition = Partition::order,
                                               .selection = Selection::maximum_improvement}),
             Catch::Contains("maximum-improvement"));
}

}  // namespace cuda_batch_host_test
}  // namespace ashlar::bcd
