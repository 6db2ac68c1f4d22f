// Batches of runs on a GPU against the reference. Without a device every case prints why it is
// skipped and passes.
#include "impls/bcd/cuda_batch.hpp"

#include <iostream>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/data.hpp"
#include "impls/bcd/test_batch_rules.hpp"
#include "impls/core/cuda/device.hpp"

namespace ashlar::bcd {
namespace cuda_batch_test {
namespace {

using namespace testing;

bool skipped() {
  if (core::cuda::device_status().available) return false;
  std::cout << "skipped: " << core::cuda::device_status().reason << "\n";
  return true;
}

std::vector<BatchTeam> teams() {
  std::vector<BatchTeam> teams{BatchTeam::automatic, BatchTeam::block, BatchTeam::grid};
  if (core::cuda::device_status().compute_capability >= 90) teams.push_back(BatchTeam::cluster);
  return teams;
}

std::vector<double> x_of(const CudaBatch& batch, std::size_t run, const Problem& problem) {
  std::vector<double> x(static_cast<std::size_t>(problem.size()));
  batch.x(run, x);
  return x;
}

void check_batch(const Problem& problem, const std::vector<Rule>& rules, BatchOptions options,
                 double tolerance, const Optimum& optimum = {}) {
  std::vector<ExpectedRun> expected;
  for (const Rule& rule : rules) {
    expected.push_back(expected_run(problem, rule, optimum, options));
  }
  for (const BatchTeam team : teams()) {
    options.team = team;
    const auto batch = make_cuda_batch(problem, rules, optimum, options);
    batch->run();
    for (std::size_t run = 0; run < rules.size(); ++run) {
      CAPTURE(name_of(problem.loss), name_of(rules[run].partition), name_of(rules[run].selection),
              name_of(rules[run].update), rules[run].block_size, static_cast<int>(team));
      const BatchTrace trace = batch->trace(run);
      REQUIRE(trace.iterations() == expected[run].trace.iterations());
      CHECK(trace.block_size == expected[run].trace.block_size);
      CHECK(trace.converged == expected[run].trace.converged);
      CHECK(relative_distance(trace.gap, expected[run].trace.gap) <= tolerance);
      CHECK(relative_distance(x_of(*batch, run, problem), expected[run].x) <= tolerance);
    }
  }
}

}  // namespace

TEST_CASE("without a device the reason of a batch is given") {
  const Problem problem = drawn::random_problem(Loss::least_squares, 7, 13);
  const bool available = core::cuda::device_status().available;
  CHECK(cuda_batch_unsupported(problem, Rule{}).has_value() != available);
  if (!available) {
    CHECK_THROWS_AS(make_cuda_batch(problem, std::vector<Rule>(2), {}), std::invalid_argument);
  }
}

TEST_CASE("what a batch does not take is refused") {
  if (skipped()) return;
  const Problem problem = drawn::random_problem(Loss::least_squares, 7, 13);
  const std::vector<Rule> rules(3);
  CHECK_THROWS_AS(make_cuda_batch(problem, {}, {}), std::invalid_argument);
  CHECK_THROWS_AS(make_cuda_batch(problem, rules, {}, {.cluster_blocks = 3}),
                  std::invalid_argument);
  Rule tree;
  tree.selection = Selection::greedy_tree;
  CHECK_THROWS_AS(make_cuda_batch(problem, std::vector<Rule>{tree}, {}), std::invalid_argument);
  const auto batch = make_cuda_batch(problem, rules, {});
  batch->run();
  CHECK_THROWS_AS(batch->trace(3), std::invalid_argument);
  std::vector<double> small(12);
  CHECK_THROWS_AS(batch->x(0, small), std::invalid_argument);
}

TEST_CASE("every rule of a batch on a GPU goes the reference's way") {
  if (skipped()) return;
  for (const Problem& problem : batch_problems()) {
    for (const Index k : {Index{1}, Index{4}, problem.size()}) {
      std::vector<Rule> rules = batch_rules(problem, k);
      if (problem.penalty.nonnegative) std::erase_if(rules, noise_decides);
      check_batch(problem, rules, {.iterations = 10, .refresh_every = 4}, 1e-9);
    }
  }
}

TEST_CASE("more runs than teams, twice, on the paper's kind of data") {
  if (skipped()) return;
  const Problem problem = make_b(1, {.rows = 120, .columns = 210});
  std::vector<Rule> rules;
  for (int seed = 1; seed <= 60; ++seed) {  // 360 runs; 264 blocks are under way on 132 processors
    for (const Selection selection : {Selection::random, Selection::gsl, Selection::gsd}) {
      for (const Index k : {5, 30}) {
        Rule rule;
        rule.selection = selection;
        rule.block_size = k;
        rule.update = k == 5 ? Update::matrix : Update::lipschitz_block;
        rule.seed = static_cast<std::uint64_t>(seed);
        rules.push_back(rule);
      }
    }
  }
  const BatchOptions options{.iterations = 40, .team = BatchTeam::block};
  const auto batch = make_cuda_batch(problem, rules, {}, options);
  batch->run();
  std::vector<std::vector<double>> first;
  for (std::size_t run = 0; run < rules.size(); ++run) first.push_back(x_of(*batch, run, problem));
  batch->run();
  for (std::size_t run = 0; run < rules.size(); ++run) {
    CHECK(x_of(*batch, run, problem) == first[run]);
  }
  for (std::size_t run = 0; run < 6; ++run) {
    const ExpectedRun expected = expected_run(problem, rules[run], {}, options);
    CHECK(relative_distance(first[run], expected.x) <= 1e-8);
  }
}

TEST_CASE("runs on a GPU stop below a tolerance") {
  if (skipped()) return;
  const Problem problem = drawn::random_problem(Loss::least_squares, 40, 12);
  const Optimum optimum = find_optimum(problem);
  const double start = make_reference_objective(problem)->gap(optimum);
  std::vector<Rule> rules = batch_rules(problem, 4);
  std::erase_if(rules, noise_decides);
  check_batch(problem, rules, {.iterations = 300, .tolerance = 1e-4 * start}, 1e-9, optimum);
}

TEST_CASE("matrices that shared memory cannot hold") {
  if (skipped()) return;
  const Problem problem = drawn::random_problem(Loss::least_squares, 350, 250, 1, 2, 0.1);
  std::vector<Rule> rules;
  for (const Update update : {Update::lipschitz_block, Update::matrix}) {
    Rule rule;
    rule.selection = Selection::gsd;
    rule.update = update;
    rule.block_size = 200;
    rules.push_back(rule);
  }
  check_batch(problem, rules, {.iterations = 1}, 1e-8);
}

}  // namespace cuda_batch_test
}  // namespace ashlar::bcd
