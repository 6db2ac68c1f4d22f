// Updates without a constraint: each decreases f by what its bound promises, at random points of
// small problems of every loss.
#include "impls/bcd/update.hpp"

#include <catch2/catch.hpp>

#include "impls/bcd/test_update.hpp"
#include "impls/bcd/theory.hpp"

namespace ashlar::bcd {
namespace update_tests {

using namespace testing;

/// body(objective at a random x, random block of it), on every small problem and for sizes 1 to p.
template <class Body>
void at_random_places(std::uint64_t seed, const Body& body) {
  Draws draws(seed);
  for (const Problem& problem : small_problems()) {
    const auto objective = make_reference_objective(problem);
    const Index size = problem.size();
    for (int round = 0; round < 12; ++round) {
      objective->set_x(draws.vector(size, round % 3 == 0 ? 10.0 : 0.3));
      const Index k = round == 0 ? size : 1 + below(draws, size);
      body(*objective, Block(random_block(size, k, draws)));
    }
  }
}

TEST_CASE("updates: a gradient step keeps its promise, and half of L_b does not") {
  int broken = 0;
  int places = 0;
  at_random_places(41, [&](Objective& objective, Block block) {
    const double promised = gradient_progress(objective, block);
    const std::vector<double> start(objective.x().begin(), objective.x().end());
    const auto update = make_update(rule_of(Update::lipschitz_block), objective);
    CHECK(update_fault(*update, objective, block, promised) == "");
    // The control: twice the step, as from a power iteration that stopped too early.
    std::vector<double> twice;
    for (const Index i : block) twice.push_back(2 * (objective.x()[i] - start[i]));
    objective.set_x(start);
    const double before = objective.value();
    const std::string fault =
        decrease_fault(before, objective.value_after(block, twice), 2 * promised);
    const Loss loss = objective.problem().loss;
    // On a quadratic of one variable it overshoots by as much again: no decrease at all.
    if (block.size() == 1 && (loss == Loss::quadratic || loss == Loss::least_squares)) {
      CHECK(fault != "");
    }
    broken += !fault.empty();
    ++places;
  });
  CHECK(broken > places / 4);
}

TEST_CASE("updates: L_b lies between the largest L_i and their sum") {
  at_random_places(43, [&](Objective& objective, Block block) {
    if (objective.problem().loss == Loss::softmax) return;  // L_i is not H_ii there
    const std::vector<double> g = block_gradient(objective, block);
    const double lipschitz = 0.5 * dot(g, g) / gradient_progress(objective, block);
    double largest = 0;
    double sum = 0;
    for (const Index i : block) {
      largest = std::max(largest, objective.lipschitz()[i]);
      sum += objective.lipschitz()[i];
    }
    CHECK(lipschitz >= largest * (1 - 1e-12));
    CHECK(lipschitz <= sum * (1 + 1e-12));
  });
}

TEST_CASE("updates: the matrix step keeps its promise, and is exact where H is the Hessian") {
  at_random_places(47, [&](Objective& objective, Block block) {
    const double promised = matrix_progress(objective, block);
    const std::vector<double> before = block_gradient(objective, block);
    const auto update = make_update(rule_of(Update::matrix), objective);
    CHECK(update_fault(*update, objective, block, promised) == "");
    const Loss loss = objective.problem().loss;
    if (loss == Loss::quadratic || loss == Loss::least_squares) {
      CHECK(norm_of(block_gradient(objective, block)) <= 1e-9 * (1 + norm_of(before)));
    }
  });
}

TEST_CASE(
    "updates: nothing outside the block moves, blocks come in any order, empty ones do nothing") {
  const std::vector<Update> all{Update::lipschitz_block, Update::line_search, Update::matrix,
                                Update::newton};
  for (const Update kind : all) {
    CAPTURE(name_of(kind));
    at_random_places(53, [&](Objective& objective, Block block) {
      const std::vector<double> start(objective.x().begin(), objective.x().end());
      const auto update = make_update(rule_of(kind), objective);
      update->update(objective, {});
      CHECK(std::equal(start.begin(), start.end(), objective.x().begin()));
      update->update(objective, block);
      std::vector<double> forwards(objective.x().begin(), objective.x().end());
      for (Index i = 0; i < objective.size(); ++i) {
        if (std::find(block.begin(), block.end(), i) == block.end()) CHECK(forwards[i] == start[i]);
      }
      const std::vector<Index> reversed(block.rbegin(), block.rend());
      objective.set_x(start);
      make_update(rule_of(kind), objective)->update(objective, reversed);
      // The pseudo-inverse of a Hessian that spans 15 decades, as far out, is not stable enough.
      const Loss loss = objective.problem().loss;
      if (kind == Update::newton && (loss == Loss::logistic || loss == Loss::softmax)) return;
      const double scale = 1 + norm_of(forwards);
      for (Index i = 0; i < objective.size(); ++i) {
        CHECK(std::fabs(objective.x()[i] - forwards[i]) <= 1e-7 * scale);
      }
    });
  }
}

TEST_CASE("updates: estimates of L hold where they are used and never fall") {
  Draws draws(59);
  int raised = 0;
  for (const Problem& problem : small_problems()) {
    const auto objective = make_reference_objective(problem);
    objective->set_x(draws.vector(problem.size()));
    const auto update = make_update(rule_of(Update::line_search), *objective);
    REQUIRE(update->estimates());
    std::vector<double> before(update->estimates()->begin(), update->estimates()->end());
    CHECK(before == std::vector<double>(static_cast<std::size_t>(problem.size()), 1.0));
    for (int round = 0; round < 30; ++round) {
      const Index k = 1 + below(draws, problem.size());
      const std::vector<Index> block = random_block(problem.size(), k, draws);
      const std::vector<double> g = block_gradient(*objective, block);
      const double value = objective->value();
      update->update(*objective, block);
      const std::span<const double> now = *update->estimates();
      double largest = 0;
      double trace = 0;
      for (const Index i : block) {
        largest = std::max(largest, before[i]);
        trace += objective->lipschitz()[i];
      }
      const double estimate = now[block[0]];
      CHECK(decrease_fault(value, objective->value(), dot(g, g) / (2 * estimate)) == "");
      CHECK(estimate >= largest);
      CHECK(estimate <= std::max(largest, 2 * trace));
      raised += estimate > largest;
      for (Index i = 0; i < problem.size(); ++i) {
        const bool inside = std::find(block.begin(), block.end(), i) != block.end();
        CHECK(now[i] == (inside ? estimate : before[i]));
      }
      before.assign(now.begin(), now.end());
    }
  }
  CHECK(raised > 0);
  const Problem problem = random_problem(Loss::least_squares, 7, 13);
  const auto objective = make_reference_objective(problem);
  CHECK_FALSE(make_update(rule_of(Update::matrix), *objective)->estimates());
}

TEST_CASE("updates: Newton with a line search decreases f from anywhere") {
  Draws draws(61);
  for (const Loss loss : {Loss::logistic, Loss::softmax}) {
    // More columns than rows: separable, no minimiser.
    const Problem problem = random_problem(loss, 6, 15, 3, 3, 0.7);
    const auto objective = make_reference_objective(problem);
    for (const double scale : {0.0, 1.0, 30.0, 1000.0}) {
      CAPTURE(name_of(loss), scale);
      objective->set_x(draws.vector(problem.size(), scale));
      const auto update = make_update(rule_of(Update::newton), *objective);
      const double start = objective->value();
      for (int round = 0; round < 60; ++round) {
        const double before = objective->value();
        const std::vector<Index> block =
            random_block(problem.size(), 1 + below(draws, problem.size()), draws);
        update->update(*objective, block);
        CHECK(decrease_fault(before, objective->value(), 0) == "");
      }
      CHECK(objective->value() < (scale <= 1 ? 0.1 : 1) * start);
    }
  }
}

TEST_CASE("updates: Newton where the Hessian has vanished and the gradient has not") {
  // One example with a margin of -800: slope -1, curvature exp(-800) = 0.
  Problem problem;
  problem.loss = Loss::logistic;
  problem.features =
      std::make_shared<const FeatureMatrix>(features_from_dense(1, 2, std::vector<double>{1, 2}));
  problem.targets = {1};
  const auto objective = make_reference_objective(problem);
  objective->set_x(std::vector<double>{-400, -200});
  const auto update = make_update(rule_of(Update::newton), *objective);
  const double promised = gradient_progress(*objective, every_coordinate(2));
  CHECK(promised > 0.1);
  CHECK(update_fault(*update, *objective, every_coordinate(2), promised) == "");
}

TEST_CASE("updates: parts that do not go together are refused") {
  const Problem logistic = random_problem(Loss::logistic, 5, 4);
  const auto objective = make_reference_objective(logistic);
  CHECK_THROWS_AS(make_update(rule_of(Update::projected_newton), *objective),
                  std::invalid_argument);
  CHECK_THROWS_AS(make_update(rule_of(Update::dense_exact), *objective), std::invalid_argument);
  Problem lasso = random_problem(Loss::least_squares, 5, 4);
  lasso.penalty.lambda = 1;
  const auto penalised = make_reference_objective(lasso);
  CHECK_THROWS_AS(make_update(rule_of(Update::matrix), *penalised), std::invalid_argument);
  CHECK_NOTHROW(make_update(rule_of(Update::proximal), *penalised));
}

}  // namespace update_tests
}  // namespace ashlar::bcd
