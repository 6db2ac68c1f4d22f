// Methods of optimized parts against those of reference parts: the same blocks and the same
// iterates.
#include "impls/bcd/optimized.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "impls/bcd/data.hpp"
#include "impls/bcd/test_drawn.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::bcd::drawn {
namespace {

constexpr Partition kAllPartitions[] = {Partition::variable,  Partition::order,
                                        Partition::sort,      Partition::hessian_average,
                                        Partition::red_black, Partition::trees};
constexpr Selection kAllSelections[] = {Selection::random,
                                        Selection::cyclic,
                                        Selection::lipschitz,
                                        Selection::gs,
                                        Selection::gsl,
                                        Selection::gsd,
                                        Selection::gsq,
                                        Selection::gsq_nonnegative,
                                        Selection::maximum_improvement,
                                        Selection::greedy_tree,
                                        Selection::random_tree,
                                        Selection::general};
constexpr Update kAllUpdates[] = {Update::lipschitz_block,
                                  Update::line_search,
                                  Update::matrix,
                                  Update::newton,
                                  Update::message_passing,
                                  Update::dense_exact,
                                  Update::projected_gradient,
                                  Update::projected_newton,
                                  Update::two_metric,
                                  Update::proximal};

Block select_by(SelectionRule& selection, Parts& parts) {
  Objective& objective = *parts.objective;
  const auto estimates = parts.update->estimates();
  return selection.select(objective, estimates ? *estimates : objective.lipschitz());
}

/// Whether scores are equal but for rounding, so that the two tiers may choose different blocks:
/// two nodes beside one labelled node; coordinates that were solved for, all of which a forest
/// sorts.
bool may_tie(const Problem& problem, const Rule& rule) {
  return problem.lattice.has_value() || rule.selection == Selection::greedy_tree;
}

/// How far the iterates are apart after some iterations, relative to the largest coordinate. The
/// optimized selection must choose what the reference's chooses on the same objective and, but for
/// ties, on its own.
double worst_difference(const Problem& problem, const Rule& rule, int iterations,
                        const OptimizedOptions& options = {}) {
  Parts reference = make_parts(problem, rule);
  Parts optimized = make_optimized_parts(problem, rule, options);
  const auto witness = make_selection(rule, *optimized.blocks, *optimized.objective);
  for (int iteration = 0; iteration < iterations; ++iteration) {
    INFO("iteration " << iteration);
    const Block block = select_by(*optimized.selection, optimized);
    CHECK(std::ranges::equal(block, select_by(*witness, optimized)));
    if (!may_tie(problem, rule)) {
      CHECK(std::ranges::equal(block, select_by(*reference.selection, reference)));
    }
    reference.update->update(*reference.objective, block);
    optimized.update->update(*optimized.objective, block);
  }
  double scale = 1e-300;
  double worst = 0;
  for (Index i = 0; i < problem.size(); ++i) {
    scale = std::max(scale, std::abs(reference.objective->x()[i]));
    worst = std::max(worst, std::abs(reference.objective->x()[i] - optimized.objective->x()[i]));
  }
  return worst / scale;
}

bool fits(const Rule& rule, const Problem& problem) {
  try {
    validate(rule, problem);
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

int check_all_rules(const Problem& problem, Index block_size, int iterations) {
  int checked = 0;
  for (const Partition partition : kAllPartitions) {
    for (const Selection selection : kAllSelections) {
      for (const Update update : kAllUpdates) {
        Rule rule;
        rule.partition = partition;
        rule.selection = selection;
        rule.update = update;
        rule.norm = block_size % 2 == 0 ? Norm::l1 : Norm::l2;
        rule.block_size = block_size;
        rule.allow_short_block = true;
        if (!fits(rule, problem)) continue;
        CAPTURE(name_of(problem.loss), name_of(partition), name_of(selection), name_of(update),
                block_size);
        CHECK(worst_difference(problem, rule, iterations) <= 1e-9);
        ++checked;
      }
    }
  }
  return checked;
}

TEST_CASE("every rule that fits goes the reference's way") {
  int checked = 0;
  for (const Loss loss : {Loss::least_squares, Loss::logistic, Loss::softmax, Loss::quadratic}) {
    const Problem problem = random_problem(loss, 29, 23, loss == Loss::softmax ? 3 : 1, 6, 0.3);
    checked += check_all_rules(problem, 4, 12);
  }
  Problem nonnegative = random_problem(Loss::least_squares, 29, 23, 1, 6, 0.3);
  nonnegative.penalty = {.lambda = 3, .nonnegative = true};
  checked += check_all_rules(nonnegative, 4, 12);
  Problem signed_penalty = nonnegative;
  signed_penalty.penalty.nonnegative = false;
  checked += check_all_rules(signed_penalty, 4, 12);
  checked += check_all_rules(make_lattice(7, 5, 6, 1), 3, 12);
  CHECK(checked > 100);
}

TEST_CASE("50 iterations on the paper's kind of data, on every target, and some with k = p") {
  const FeatureShape shape{.rows = 120, .columns = 210};
  const Problem problems[] = {make_a_prime(1, {}, shape), make_b(1, shape),
                              make_c(1, {.rows = 90, .columns = 70}, 9)};
  for (const core::Isa isa : {core::Isa::avx2, core::Isa::avx512}) {
    if (isa > core::hardware_isa()) continue;
    const core::ScopedIsaLimit limit(isa);
    for (const Problem& problem : problems) {
      for (const Index k : {Index{30}, problem.size()}) {
        for (const Selection selection : {Selection::gs, Selection::gsl}) {
          Rule rule;
          rule.selection = selection;
          rule.update = Update::lipschitz_block;
          rule.block_size = k;
          CAPTURE(name_of(problem.loss), k, name_of(selection));
          CHECK(worst_difference(problem, rule, k > 100 ? 4 : 50) <= 1e-9);
        }
      }
    }
  }
}

TEST_CASE("two threads and refreshing at every move change nothing") {
  const Problem problem = make_b(1, {.rows = 120, .columns = 210});
  Rule rule;
  rule.selection = Selection::gsd;
  rule.update = Update::newton;
  rule.block_size = 7;
  CHECK(worst_difference(problem, rule, 30, {.threads = 2}) <= 1e-9);
  CHECK(worst_difference(problem, rule, 30, {.refresh_every = 1}) <= 1e-9);
}

TEST_CASE("a solve by optimized parts finds the optimum") {
  const Problem problem = make_lattice(12, 11, 9, 1);
  const Optimum optimum = find_optimum(problem);
  Rule rule;
  rule.selection = Selection::greedy_tree;
  rule.update = Update::message_passing;
  Parts parts = make_optimized_parts(problem, rule);
  const Trace trace = solve(parts, optimum, {.iterations = 2000});
  CHECK(trace.converged);
}

}  // namespace
}  // namespace ashlar::bcd::drawn
