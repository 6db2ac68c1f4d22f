// Softmax in batches on a GPU: its parts as loops on a CPU against the reference's formulas, and
// whole runs where classes matter. cuda_batch_host_test.cpp has it among the other losses.
#include "impls/bcd/cuda_batch_softmax.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "impls/bcd/data.hpp"
#include "impls/bcd/losses.hpp"
#include "impls/bcd/test_batch_run.hpp"
#include "impls/bcd/test_drawn.hpp"

namespace ashlar::bcd {
namespace cuda_batch_softmax_test {
namespace {

using testing::batch_rules;
using testing::check_rules;
using testing::HostMemory;
using testing::HostShape;
using testing::HostTeam;
using testing::noise_decides;
using testing::relative_distance;
using testing::ThreadOrder;

Problem drawn_softmax(Index rows, Index columns, Index classes, std::uint64_t seed = 6) {
  return drawn::random_problem(Loss::softmax, rows, columns, classes, seed, 0.4);
}

/// A rule that looks at Hessians and one that thresholds, in blocks of all coordinates.
std::vector<Rule> needs_everything(const Problem& problem) {
  return {{.update = Update::newton, .block_size = problem.size()},
          {.selection = Selection::gsq, .block_size = problem.size()}};
}

/// A problem as a team has it, and its memory.
struct SoftmaxTeam {
  SoftmaxTeam(const Problem& problem, const HostShape& shape)
      : plan(problem, needs_everything(problem), {}, {}),
        shared(plan.problem(plan.inputs().data())),
        of_team(plan.sizes(shape.blocks)),
        memory(of_team.memory()),
        team(shape.blocks, shape.threads, ThreadOrder::shuffled),
        objective(make_reference_objective(problem)) {}

  void set_x(std::vector<double> to) {
    x = std::move(to);
    objective->set_x(x);
    kernel::row_products(team, shared, x.data(), memory.scores);
    kernel::evaluate_rows(team, shared, memory, true);
  }
  std::vector<double> matrix_of(const std::vector<Index>& block, double share,
                                const double* weights) {
    const auto k = static_cast<Index>(block.size());
    team.each([&](const kernel::Worker& w) {
      kernel::assemble_part(shared, block.data(), k, share, weights, memory.near.matrix, w);
    });
    return {memory.near.matrix, memory.near.matrix + block.size() * block.size()};
  }
  double share_of(const std::vector<Index>& block) {
    kernel::count_classes(team, shared, memory, block.data(), static_cast<Index>(block.size()));
    return kernel::class_share(shared, memory);
  }

  BatchPlan plan;
  kernel::BatchProblem shared;
  HostMemory of_team;
  kernel::TeamMemory& memory;
  HostTeam team;
  std::unique_ptr<Objective> objective;
  std::vector<double> x;
};

const HostShape kShapes[] = {{1, 1}, {1, 32}, {3, 7}};

/// Everything; a column's classes; one class; some of each; a single coordinate.
std::vector<std::vector<Index>> some_blocks(const Problem& problem) {
  const Index classes = problem.classes;
  std::vector<Index> all(static_cast<std::size_t>(problem.size()));
  std::iota(all.begin(), all.end(), 0);
  std::vector<Index> column(static_cast<std::size_t>(classes));
  std::iota(column.begin(), column.end(), classes);
  std::vector<Index> one_class;
  for (Index i = 1; i < problem.size(); i += classes) one_class.push_back(i);
  std::vector<Index> mixed;
  for (Index i = 0; i < problem.size(); i += 2 + classes) mixed.push_back(i);
  return {all, column, one_class, mixed, {problem.size() - 1}};
}

/// In one row after the other: scores of the problem's size, of decided rows, of margins that
/// exp() cannot hold, and equal ones.
std::vector<double> hard_scores(const Problem& problem) {
  constexpr double kScales[] = {1, 40, 900, 0};
  drawn::Draws draws(11);
  std::vector<double> scores;
  for (Index r = 0; r < problem.features->rows; ++r) {
    for (Index c = 0; c < problem.classes; ++c) scores.push_back(kScales[r % 4] * draws.normal());
  }
  return scores;
}

void set_scores(SoftmaxTeam& parts, const std::vector<double>& scores) {
  for (Index e = 0; e < static_cast<Index>(scores.size()); ++e) {
    const kernel::ClassPlace at = kernel::class_place(parts.shared, e);
    parts.memory.scores[kernel::score_place(parts.shared, at.line, at.of_class)] = scores[e];
  }
}

/// Relative to each number, so that small ones count.
bool near(double found, double expected) {
  return std::abs(found - expected) <= 4e-15 * std::abs(expected);
}

}  // namespace

TEST_CASE("rows of softmax are evaluated without overflow and cancellation") {
  for (const Index classes : {2, 3, 10}) {
    const Problem problem = drawn_softmax(17, 5, classes);
    const std::vector<double> scores = hard_scores(problem);
    for (const HostShape& shape : kShapes) {
      SoftmaxTeam parts(problem, shape);
      set_scores(parts, scores);
      kernel::evaluate_rows(parts.team, parts.shared, parts.memory, true);
      for (Index r = 0; r < problem.features->rows; ++r) {
        CAPTURE(classes, shape.blocks, r);
        const auto target = static_cast<std::size_t>(problem.targets[r]);
        std::vector<double> p(scores.begin() + r * classes, scores.begin() + (r + 1) * classes);
        const SoftmaxRow row = softmax_in_place(p, target);
        CHECK(near(parts.memory.losses[r], row.loss));
        for (Index c = 0; c < classes; ++c) {
          const bool is_target = static_cast<std::size_t>(c) == target;
          CHECK(near(parts.memory.slopes[kernel::slope_place(parts.shared, r, c)],
                     is_target ? -row.one_minus(p, target) : p[c]));
          for (Index other = 0; other < classes; ++other) {
            CHECK(near(kernel::row_weight(parts.shared, parts.memory.curvatures, r, c, other),
                       c == other ? p[c] * row.one_minus(p, c) : -p[c] * p[other]));
          }
        }
      }
    }
  }
}

TEST_CASE("slopes and curvatures of softmax are differences of losses and slopes") {
  const Problem problem = drawn_softmax(13, 4, 5);
  SoftmaxTeam parts(problem, {2, 4});
  drawn::Draws draws(12);
  const std::vector<double> scores = draws.vector(13 * 5);
  set_scores(parts, scores);
  kernel::evaluate_rows(parts.team, parts.shared, parts.memory, true);
  const std::vector<double> slopes(parts.memory.slopes, parts.memory.slopes + 13 * 5);
  const std::vector<double> curvatures(parts.memory.curvatures, parts.memory.curvatures + 13 * 6);
  constexpr double kStep = 1e-5;
  for (Index c = 0; c < 5; ++c) {
    set_scores(parts, scores);
    for (Index r = 0; r < 13; ++r) {
      for (Index other = 0; other < 5; ++other) {
        parts.memory.moved[kernel::score_place(parts.shared, r, other)] = other == c ? 1 : 0;
      }
      const double rise = kernel::moved_row_loss(parts.shared, parts.memory, r, kStep) -
                          kernel::moved_row_loss(parts.shared, parts.memory, r, -kStep);
      CHECK(std::abs(rise / (2 * kStep) - slopes[r * 5 + c]) <= 1e-9);
    }
    std::vector<double> changes(13 * 5);
    for (const double sign : {1.0, -1.0}) {
      std::vector<double> moved = scores;
      for (Index r = 0; r < 13; ++r) moved[r * 5 + c] += sign * kStep;
      set_scores(parts, moved);
      kernel::evaluate_rows(parts.team, parts.shared, parts.memory, false);
      for (Index e = 0; e < 13 * 5; ++e) {
        changes[e] += sign * parts.memory.slopes[e] / (2 * kStep);
      }
    }
    for (Index r = 0; r < 13; ++r) {
      for (Index other = 0; other < 5; ++other) {
        CHECK(std::abs(kernel::row_weight(parts.shared, curvatures.data(), r, other, c) -
                       changes[r * 5 + other]) <= 1e-9);
      }
    }
  }
}

TEST_CASE("gradients and blocks of both matrices of softmax are the reference's") {
  for (const Index classes : {2, 3, 10}) {
    const Problem problem = drawn_softmax(17, 5, classes);
    for (const HostShape& shape : kShapes) {
      SoftmaxTeam parts(problem, shape);
      drawn::Draws draws(13);
      parts.set_x(draws.vector(problem.size(), 0.3));
      kernel::BatchRun run;
      run.variable = false;
      run.x = parts.x.data();
      kernel::look_at_gradient(parts.team, parts.shared, run, parts.memory);
      const auto gradient = parts.objective->gradient();
      const std::vector<double> expected(gradient.begin(), gradient.end());
      const double* const found = parts.memory.gradient;
      CHECK(relative_distance({found, found + problem.size()}, expected) <= 1e-13);
      for (Index i = 0; i < problem.size(); ++i) {
        CHECK(kernel::derivative(parts.shared, i, run.x, parts.memory.slopes) == found[i]);
      }
      for (const std::vector<Index>& block : some_blocks(problem)) {
        CAPTURE(classes, shape.blocks, block.size());
        std::set<Index> in_block;
        for (const Index i : block) in_block.insert(i % classes);
        const double q = std::min(classes, static_cast<Index>(in_block.size()) + 1);
        CHECK(parts.share_of(block) == 1 / q);
        std::vector<double> matrix(block.size() * block.size());
        parts.objective->bound_block(block, matrix);
        CHECK(relative_distance(parts.matrix_of(block, 1 / q, nullptr), matrix) <= 1e-13);
        // The check tells the whole matrix's share from the block's.
        if (q < classes) {
          CHECK(relative_distance(parts.matrix_of(block, 1.0 / classes, nullptr), matrix) > 1e-2);
        }
        parts.objective->hessian_block(block, matrix);
        CHECK(relative_distance(parts.matrix_of(block, 1 / q, parts.memory.curvatures), matrix) <=
              1e-13);
      }
    }
  }
}

TEST_CASE("products with the bound of softmax are the reference's, of sparse directions too") {
  for (const Index classes : {2, 3, 10}) {
    const Problem problem = drawn_softmax(17, 5, classes);
    for (const HostShape& shape : kShapes) {
      SoftmaxTeam parts(problem, shape);
      for (const std::vector<Index>& block : some_blocks(problem)) {
        CAPTURE(classes, shape.blocks, block.size());
        drawn::Draws draws(14);
        std::vector<double> v(static_cast<std::size_t>(problem.size()));
        for (const Index i : block) v[i] = draws.normal();
        std::copy(v.begin(), v.end(), parts.memory.thought);
        std::copy(block.begin(), block.end(), parts.memory.support);
        kernel::bound_product(parts.team, parts.shared, parts.memory,
                              static_cast<Index>(block.size()));
        std::vector<double> expected(v.size());
        parts.objective->bound_product(v, expected);
        const double* const found = parts.memory.product;
        CHECK(relative_distance({found, found + problem.size()}, expected) <= 1e-13);
      }
    }
  }
}

TEST_CASE("rules of softmax with many classes, some without an example") {
  Problem problem = drawn_softmax(23, 4, 10);
  std::replace(problem.targets.begin(), problem.targets.end(), 7.0, 2.0);
  for (const HostShape& shape : {HostShape{1, 16}, HostShape{3, 9}}) {
    // Fewer coordinates than classes, a column's classes and some more.
    for (const Index k : {4, 13}) {
      const int checked = check_rules(problem, batch_rules(problem, k), shape, {.iterations = 8});
      CHECK(checked > 60);
    }
  }
}

TEST_CASE("softmax with penalties") {
  for (const Penalty penalty : {Penalty{.lambda = 2, .nonnegative = true}, Penalty{.lambda = 2}}) {
    Problem problem = drawn_softmax(29, 8, 3);
    problem.penalty = penalty;
    std::vector<Rule> rules = batch_rules(problem, 4);
    REQUIRE(rules.size() > 6);
    std::erase_if(rules, noise_decides);
    check_rules(problem, rules, {3, 5}, {.iterations = 12, .refresh_every = 4});
  }
}

TEST_CASE("many iterations on the paper's kind of softmax") {
  const Problem problem = make_c(1, {.rows = 60, .columns = 40}, 6);
  for (const Index k : {Index{5}, Index{24}}) {
    std::vector<Rule> rules;
    for (const Rule& rule : batch_rules(problem, k)) {
      if (rule.partition == Partition::variable || rule.partition == Partition::sort)
        rules.push_back(rule);
    }
    check_rules(problem, rules, {2, 16}, {.iterations = 20, .refresh_every = 8}, 1e-7);
  }
}

TEST_CASE("more scores than loops over indices reach are refused") {
  Problem problem;
  problem.loss = Loss::softmax;
  problem.classes = 1 << 14;
  constexpr Index kRows = 65532;  // times 16385 is the most below 2^30
  problem.features = std::make_shared<const FeatureMatrix>(
      features_from_dense(kRows, 1, std::vector<double>(kRows, 1.0)));
  CHECK(!batch_rule_unsupported(problem, Rule{}));
  problem.features = std::make_shared<const FeatureMatrix>(
      features_from_dense(kRows + 1, 1, std::vector<double>(kRows + 1, 1.0)));
  CHECK_THAT(*batch_rule_unsupported(problem, Rule{}), Catch::Contains("16384 classes"));
}

}  // namespace cuda_batch_softmax_test
}  // namespace ashlar::bcd
