// Greedy rules for blocks of a partition, against scores written down anew and against enumeration.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <stdexcept>

#include "impls/bcd/selection.hpp"
#include "impls/bcd/test_problems.hpp"
#include "impls/bcd/test_selection.hpp"

namespace ashlar::bcd::testing {
namespace {

constexpr std::array kGreedyFixed{Selection::gs, Selection::gsl, Selection::gsd, Selection::gsq,
                                  Selection::maximum_improvement};

std::size_t chosen_by(const Rule& rule, const Blocks& blocks, Objective& objective,
                      std::span<const double> lipschitz) {
  const auto selection = make_selection(rule, blocks, objective);
  const Block block = selection->select(objective, lipschitz);
  const auto place = std::find(blocks.begin(), blocks.end(), copy_of(block));
  REQUIRE(place != blocks.end());
  return place - blocks.begin();
}

std::size_t chosen_by(const Rule& rule, const Blocks& blocks, Objective& objective) {
  return chosen_by(rule, blocks, objective, objective.lipschitz());
}

std::vector<double> random_x(Objective& objective, std::uint32_t seed) {
  Mersenne stream(seed);
  std::vector<double> x(objective.size());
  for (double& entry : x) entry = stream.normal();
  return x;
}

/// Gaussian elimination without pivoting of H_b d = g, H_b symmetric positive definite.
std::vector<double> solved(std::vector<double> h, std::vector<double> g) {
  const std::size_t k = g.size();
  for (std::size_t pivot = 0; pivot < k; ++pivot) {
    for (std::size_t row = pivot + 1; row < k; ++row) {
      const double factor = h[pivot * k + row] / h[pivot * k + pivot];
      for (std::size_t column = pivot; column < k; ++column) {
        h[column * k + row] -= factor * h[column * k + pivot];
      }
      g[row] -= factor * g[pivot];
    }
  }
  for (std::size_t row = k; row-- > 0;) {
    for (std::size_t column = row + 1; column < k; ++column)
      g[row] -= h[column * k + row] * g[column];
    g[row] /= h[row * k + row];
  }
  return g;
}

/// What a block is worth, by definitions of their own.
struct Worth {
  double gradient_bound = 0;  // 0.5 ||g_b||^2 / L_b
  double matrix_bound = 0;    // 0.5 g_b' H_b^-1 g_b
  double improvement = 0;     // f(x) - min_d f(x + U_b d); for quadratics
};

Worth worth_of(Block block, Objective& objective) {
  const std::span<const double> gradient = objective.gradient();
  std::vector<double> g;
  for (const Index i : block) g.push_back(gradient[i]);
  std::vector<double> h(g.size() * g.size());
  objective.bound_block(block, h);
  std::vector<double> step = solved(h, g);
  double square = 0;
  Worth worth;
  for (std::size_t i = 0; i < g.size(); ++i) {
    square += g[i] * g[i];
    worth.matrix_bound += 0.5 * g[i] * step[i];
    step[i] = -step[i];
  }
  worth.gradient_bound = 0.5 * square / largest_eigenvalue(h, static_cast<Index>(block.size()));
  worth.improvement = objective.value() - objective.value_after(block, step);
  return worth;
}

/// Whether `chosen` is best among all by one kind of worth.
bool is_best(std::size_t chosen, const std::vector<Worth>& worths, double Worth::*kind) {
  return std::all_of(worths.begin(), worths.end(), [&](const Worth& one) {
    return worths[chosen].*kind >= one.*kind * (1 - 1e-9);
  });
}

TEST_CASE("GSL, GSQ and MI maximise the progress that they stand for", "[bcd]") {
  int gs_is_worse = 0;
  int broken_is_seen = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    DenseObjective objective(dense_quadratic(12, seed));
    objective.set_x(random_x(objective, seed + 100));
    Rule rule{.partition = seed % 2 == 0 ? Partition::sort : Partition::order,
              .block_size = static_cast<Index>(1 + seed % 4)};
    const Blocks blocks = make_blocks(rule, objective);
    std::vector<Worth> worths;
    for (const auto& block : blocks) worths.push_back(worth_of(block, objective));
    std::map<Selection, std::size_t> chosen;
    for (const Selection selection : kGreedyFixed) {
      rule.selection = selection;
      chosen[selection] = chosen_by(rule, blocks, objective);
    }
    CAPTURE(seed, rule.block_size);
    // Above all others, and so above GS and GSD in particular.
    CHECK(is_best(chosen[Selection::gsl], worths, &Worth::gradient_bound));
    CHECK(is_best(chosen[Selection::gsq], worths, &Worth::matrix_bound));
    CHECK(is_best(chosen[Selection::maximum_improvement], worths, &Worth::improvement));
    const Worth& best = worths[chosen[Selection::maximum_improvement]];
    for (const Worth& one : worths) {
      CHECK(best.improvement >= one.matrix_bound * (1 - 1e-9));
      CHECK(one.matrix_bound >= one.gradient_bound * (1 - 1e-9));
    }
    gs_is_worse += is_best(chosen[Selection::gs], worths, &Worth::gradient_bound) ? 0 : 1;
    // A rule that is broken: the block after the right one.
    const std::size_t broken = (chosen[Selection::gsl] + 1) % blocks.size();
    broken_is_seen += is_best(broken, worths, &Worth::gradient_bound) ? 0 : 1;
  }
  CHECK(gs_is_worse > 0);
  CHECK(broken_is_seen >= 39);
}

/// Scores of section 2.3 as they are written there.
double written_score(const Rule& rule, Block block, Objective& objective,
                     std::span<const double> lipschitz, double block_constant) {
  const std::span<const double> g = objective.gradient();
  double squares = 0;
  double magnitudes = 0;
  for (const Index i : block) {
    const double term = rule.selection == Selection::gsd ? g[i] / std::sqrt(lipschitz[i]) : g[i];
    squares += term * term;
    magnitudes += std::abs(term);
  }
  const double norm = rule.norm == Norm::l2 ? std::sqrt(squares) : magnitudes;
  return rule.selection == Selection::gsl ? norm / std::sqrt(block_constant) : norm;
}

TEST_CASE("scores of fixed blocks are those of the formulas in both norms", "[bcd]") {
  int norms_differ = 0;
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    DenseObjective objective(dense_quadratic(12, seed));
    objective.set_x(random_x(objective, seed));
    std::vector<double> estimates(12);
    Mersenne stream(seed);
    for (double& one : estimates) one = std::exp2(stream.integer(8));
    for (const Update update : {Update::matrix, Update::line_search}) {
      const std::span<const double> lipschitz = update == Update::line_search
                                                    ? std::span<const double>(estimates)
                                                    : objective.lipschitz();
      for (const Selection selection : {Selection::gs, Selection::gsl, Selection::gsd}) {
        std::array<std::size_t, 2> chosen{};
        for (const Norm norm : {Norm::l2, Norm::l1}) {
          const Rule rule{.partition = Partition::average,
                          .selection = selection,
                          .update = update,
                          .norm = norm,
                          .block_size = 3};
          const Blocks blocks = make_blocks(rule, objective);
          const std::vector<double> exact = block_lipschitz(objective, blocks);
          std::vector<double> scores;
          for (std::size_t place = 0; place < blocks.size(); ++place) {
            double constant = exact[place];
            if (update == Update::line_search) {
              constant = 0;
              for (const Index i : blocks[place]) constant = std::max(constant, estimates[i]);
            }
            scores.push_back(written_score(rule, blocks[place], objective, lipschitz, constant));
          }
          const std::size_t place = chosen_by(rule, blocks, objective, lipschitz);
          CAPTURE(seed, name_of(selection), name_of(update), norm == Norm::l1);
          CHECK(scores[place] >= *std::max_element(scores.begin(), scores.end()) * (1 - 1e-12));
          chosen[norm == Norm::l1] = place;
        }
        norms_differ += chosen[0] != chosen[1] ? 1 : 0;
      }
    }
  }
  CHECK(norms_differ > 0);
}

TEST_CASE("the first of equal blocks is taken", "[bcd]") {
  DenseObjective objective(laplacian_problem(graph_of(8, {})));
  objective.fixed_gradient = {0, 1, -1, 1, 1, -1, 0, 0};
  for (const Norm norm : {Norm::l2, Norm::l1}) {
    for (const Selection selection : kGreedyFixed) {
      const Rule rule{
          .partition = Partition::order, .selection = selection, .norm = norm, .block_size = 2};
      const Blocks blocks = make_blocks(rule, objective);
      CAPTURE(name_of(selection));
      CHECK(chosen_by(rule, blocks, objective) == 1);
    }
  }
}

TEST_CASE("nothing is selected where the gradient is 0, and a NaN is an error", "[bcd]") {
  DenseObjective objective(laplacian_problem(graph_of(8, {})));
  for (const Selection selection : kGreedyFixed) {
    const Rule rule{.partition = Partition::order, .selection = selection, .block_size = 4};
    const Blocks blocks = make_blocks(rule, objective);
    const auto rule_part = make_selection(rule, blocks, objective);
    objective.fixed_gradient.assign(8, 0.0);
    CHECK(rule_part->select(objective, objective.lipschitz()).empty());
    objective.fixed_gradient[5] = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS(rule_part->select(objective, objective.lipschitz()), std::runtime_error);
  }
}

TEST_CASE("gsq stands columns that are the same", "[bcd]") {
  // Columns 0 and 1 are one column: H_b has no inverse.
  Problem problem;
  problem.loss = Loss::least_squares;
  problem.features = std::make_shared<FeatureMatrix>(
      features_from_dense(3, 4, std::vector<double>{2, 2, 0, 1, 1, 1, 3, 0, 0, 0, 1, 1}));
  problem.targets = {5, 1, -2};
  const auto objective = make_reference_objective(problem);
  const Rule rule{.partition = Partition::order, .selection = Selection::gsq, .block_size = 2};
  const Blocks blocks = make_blocks(rule, *objective);
  // g_0 = -11: 0.5 * 121 / 5; the other block can take at most 0.5 * (1 + 29) less the residual.
  CHECK(chosen_by(rule, blocks, *objective) == 0);
}

TEST_CASE("maximum improvement on a logistic loss leaves x and beats every step", "[bcd]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Draws draws(seed);
    const Problem problem = make_random(Loss::logistic, {.rows = 30, .columns = 12, .density = 0.4},
                                        static_cast<std::uint32_t>(seed));
    const auto objective = make_reference_objective(problem);
    const std::vector<double> x = draws.vector(12, 0.1);
    objective->set_x(x);
    const double value = objective->value();
    const Rule rule{
        .partition = Partition::sort, .selection = Selection::maximum_improvement, .block_size = 3};
    const Blocks blocks = make_blocks(rule, *objective);
    const std::size_t place = chosen_by(rule, blocks, *objective);
    CHECK(std::equal(x.begin(), x.end(), objective->x().begin()));
    CHECK(objective->value() == value);
    // By Newton steps of the test's own: no block improves more.
    std::vector<double> improvement;
    for (const auto& block : blocks) {
      for (int step = 0; step < 30; ++step) {
        std::vector<double> g(3);
        std::vector<double> h(9);
        objective->gradient_of(block, g);
        objective->hessian_block(block, h);
        std::vector<double> newton = solved(h, g);
        for (double& entry : newton) entry = -entry;
        while (objective->value_after(block, newton) > objective->value()) {
          for (double& entry : newton) entry /= 2;
          if (std::abs(newton[0]) < 1e-300) break;
        }
        objective->move(block, newton);
      }
      improvement.push_back(value - objective->value());
      objective->set_x(x);
    }
    CAPTURE(seed);
    CHECK(improvement[place] >=
          *std::max_element(improvement.begin(), improvement.end()) * (1 - 1e-6));
  }
}

TEST_CASE("gsq-nonnegative of fixed blocks sums the gains of projected steps", "[bcd]") {
  Problem problem = dense_quadratic(6, 2);
  problem.penalty.nonnegative = true;
  DenseObjective objective(problem);
  objective.constants = {1, 2, 4, 1, 1, 8};
  objective.set_x(std::vector<double>{0, 1, 0.5, 0, 3, 0});
  // d = (0, -1, 0.25, 0, -1, 0.5), s = (0, -3, -0.125, 0, -0.5, -1).
  objective.fixed_gradient = {5, 4, -1, 0, 1, -4};
  const Rule rule{.partition = Partition::order,
                  .selection = Selection::gsq_nonnegative,
                  .update = Update::projected_gradient,
                  .block_size = 2};
  const Blocks blocks = make_blocks(rule, objective);
  CHECK(chosen_by(rule, blocks, objective) == 0);
  objective.fixed_gradient[1] = 2.5;  // s_1 = -1.5, a tie with block 2: the first
  objective.constants[1] = 2;
  CHECK(chosen_by(rule, blocks, objective) == 0);
  objective.fixed_gradient[1] = 2.25;
  CHECK(chosen_by(rule, blocks, objective) == 2);
}

}  // namespace
}  // namespace ashlar::bcd::testing
