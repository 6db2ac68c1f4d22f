#pragma once
// Rules and problems for the tests of batches on a GPU, and what the reference makes of them.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "impls/bcd/cuda_batch_plan.hpp"
#include "impls/bcd/cuda_batch_run.hpp"
#include "impls/bcd/test_drawn.hpp"

namespace ashlar::bcd::testing {

/// All rules of a batch's parts, and of some that it has not, that fit the problem and have a form
/// in a batch.
inline std::vector<Rule> batch_rules(const Problem& problem, Index block_size) {
  constexpr Partition kPartitions[] = {Partition::variable, Partition::order, Partition::sort,
                                       Partition::hessian_average, Partition::trees};
  constexpr Selection kSelections[] = {Selection::random,
                                       Selection::cyclic,
                                       Selection::lipschitz,
                                       Selection::gs,
                                       Selection::gsl,
                                       Selection::gsd,
                                       Selection::gsq_nonnegative,
                                       Selection::general,
                                       Selection::gsq,
                                       Selection::maximum_improvement,
                                       Selection::greedy_tree};
  constexpr Update kUpdates[] = {
      Update::lipschitz_block,    Update::line_search,    Update::matrix, Update::dense_exact,
      Update::projected_gradient, Update::proximal,       Update::newton, Update::two_metric,
      Update::projected_newton,   Update::message_passing};
  std::vector<Rule> rules;
  for (const Partition partition : kPartitions) {
    for (const Selection selection : kSelections) {
      for (const Update update : kUpdates) {
        Rule rule;
        rule.partition = partition;
        rule.selection = selection;
        rule.update = update;
        rule.norm = rules.size() % 2 == 0 ? Norm::l1 : Norm::l2;
        rule.block_size = block_size;
        rule.allow_short_block = true;
        rule.seed = 3 + rules.size();
        try {
          validate(rule, problem);
        } catch (const std::invalid_argument&) {
          continue;
        }
        if (!batch_rule_unsupported(problem, rule)) rules.push_back(rule);
      }
    }
  }
  return rules;
}

/// What is solved for has a gradient of rounding alone, among which a greedy rule then chooses
/// where little else is left.
inline bool noise_decides(const Rule& rule) {
  const bool solves = kernel::solves_block(rule.update) || kernel::searches_line(rule.update) ||
                      rule.update == Update::projected_newton;
  return solves && kernel::looks_at_gradient(rule.selection);
}

/// One of each loss, and least squares with both penalties.
inline std::vector<Problem> batch_problems() {
  std::vector<Problem> problems{drawn::random_problem(Loss::least_squares, 29, 23, 1, 6, 0.3),
                                drawn::random_problem(Loss::logistic, 29, 23, 1, 6, 0.3),
                                drawn::random_problem(Loss::softmax, 29, 8, 3, 6, 0.4),
                                drawn::random_problem(Loss::quadratic, 0, 23, 1, 6, 0.3)};
  Problem nonnegative = problems[0];
  nonnegative.penalty = {.lambda = 3, .nonnegative = true};
  Problem with_sign = problems[0];
  with_sign.penalty = {.lambda = 3};
  problems.push_back(nonnegative);
  problems.push_back(with_sign);
  return problems;
}

struct ExpectedRun {
  Trace trace;
  std::vector<double> x;
};
inline ExpectedRun expected_run(const Problem& problem, const Rule& rule, const Optimum& optimum,
                                const BatchOptions& options) {
  Parts parts = make_parts(problem, rule);
  ExpectedRun expected;
  expected.trace = solve(parts, optimum,
                         {.iterations = options.iterations,
                          .tolerance = options.tolerance,
                          .least_iterations = options.least_iterations});
  expected.x.assign(parts.objective->x().begin(), parts.objective->x().end());
  return expected;
}

/// The largest difference, relative to the largest number.
inline double relative_distance(const std::vector<double>& found,
                                const std::vector<double>& expected) {
  double scale = 1e-300;
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    scale = std::max(scale, std::abs(expected[i]));
    worst = std::max(worst, std::abs(found[i] - expected[i]));
  }
  return worst / scale;
}

}  // namespace ashlar::bcd::testing
