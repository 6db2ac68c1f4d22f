// Greedy rules that form blocks anew, against all C(12, k) sets of coordinates.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "impls/bcd/selection.hpp"
#include "impls/bcd/test_selection.hpp"

namespace ashlar::bcd::testing {
namespace {

std::vector<Index> selected(const Rule& rule, Objective& objective,
                            std::span<const double> lipschitz) {
  return copy_of(make_selection(rule, {}, objective)->select(objective, lipschitz));
}
std::vector<Index> selected(const Rule& rule, Objective& objective) {
  return selected(rule, objective, objective.lipschitz());
}

/// The set of k of 12 coordinates with the largest worth.
std::vector<Index> best_set(Index k, const std::function<double(Block)>& worth) {
  std::vector<Index> best;
  double most = -1;
  for (unsigned bits = 0; bits < 1U << 12; ++bits) {
    if (std::popcount(bits) != k) continue;
    std::vector<Index> set;
    for (Index i = 0; i < 12; ++i) {
      if ((bits >> i & 1) != 0) set.push_back(i);
    }
    if (const double value = worth(set); value > most) {
      most = value;
      best = set;
    }
  }
  return best;
}

/// 0.5 g_b' diag(bound)^-1 g_b: what a step with that bound guarantees.
double diagonal_progress(Block block, std::span<const double> g, std::span<const double> bound) {
  double sum = 0;
  for (const Index i : block) sum += 0.5 * g[i] * g[i] / bound[i];
  return sum;
}

void randomise(DenseObjective& objective, std::uint32_t seed) {
  Mersenne stream(seed);
  std::vector<double> x(objective.size());
  for (double& entry : x) entry = stream.normal();
  objective.set_x(x);
}

TEST_CASE("variable blocks maximise their bound over all sets", "[bcd]") {
  for (std::uint32_t seed = 1; seed <= 10; ++seed) {
    DenseObjective objective(dense_quadratic(12, seed));
    randomise(objective, seed);
    const std::vector<double> ones(12, 1.0);
    for (const auto& [selection, bound] :
         std::vector<std::pair<Selection, std::span<const double>>>{
             {Selection::gs, ones},
             {Selection::gsl, objective.row_sums()},
             {Selection::gsd, objective.lipschitz()}}) {
      for (const Index k : {1, 3, 5, 11, 12}) {
        const std::span<const double> g = objective.gradient();
        const auto worth = [&, diagonal = bound](Block set) {
          return diagonal_progress(set, g, diagonal);
        };
        const std::vector<Index> block =
            selected({.selection = selection, .block_size = k}, objective);
        const std::vector<Index> best = best_set(k, worth);
        CAPTURE(seed, name_of(selection), k);
        CHECK(block == best);
        // A block with one coordinate changed is not the best.
        if (k == 12) continue;
        std::vector<Index> broken = block;
        Index outside = 0;
        while (std::find(block.begin(), block.end(), outside) != block.end()) ++outside;
        broken[k / 2] = outside;
        CHECK(worth(broken) < worth(best));
      }
    }
  }
}

TEST_CASE("row sums bound H, and gsl uses them where gsd uses L_i", "[bcd]") {
  DenseObjective objective(laplacian_problem(graph_of(4, {})));
  objective.fixed_gradient = {1, 2, 3, 4};
  objective.constants = {1, 100, 100, 100};
  objective.sums = {100, 1, 100, 100};
  CHECK(selected({.selection = Selection::gs, .block_size = 1}, objective) ==
        std::vector<Index>{3});
  CHECK(selected({.selection = Selection::gsl, .block_size = 1}, objective) ==
        std::vector<Index>{1});
  CHECK(selected({.selection = Selection::gsd, .block_size = 1}, objective) ==
        std::vector<Index>{0});
  // gsd takes what the update believes, where it believes something.
  CHECK(selected({.selection = Selection::gsd, .update = Update::line_search, .block_size = 1},
                 objective, std::vector<double>{1, 1, 1, 1}) == std::vector<Index>{3});
}

TEST_CASE("ties of coordinates go to the lower index", "[bcd]") {
  DenseObjective objective(laplacian_problem(graph_of(9, {})));
  objective.fixed_gradient = {1, -2, 2, 1, -1, 2, -2, 0, 1};
  const auto gs = [&](Index k) {
    return selected({.selection = Selection::gs, .block_size = k}, objective);
  };
  CHECK(gs(1) == std::vector<Index>{1});
  CHECK(gs(3) == std::vector<Index>{1, 2, 5});
  CHECK(gs(6) == std::vector<Index>{0, 1, 2, 3, 5, 6});
  CHECK(gs(9) == std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7, 8});
  // The same for a rule that is used again.
  const auto rule = make_selection({.selection = Selection::gs, .block_size = 3}, {}, objective);
  for (int time = 0; time < 5; ++time) {
    CHECK(copy_of(rule->select(objective, objective.lipschitz())) == std::vector<Index>{1, 2, 5});
    std::reverse(objective.fixed_gradient.begin(), objective.fixed_gradient.end());
    CHECK(copy_of(rule->select(objective, objective.lipschitz())) == std::vector<Index>{2, 3, 6});
    std::reverse(objective.fixed_gradient.begin(), objective.fixed_gradient.end());
  }
}

/// 0.5 g_b' H_b^-1 g_b.
double matrix_progress(Block block, DenseObjective& objective) {
  std::vector<double> root(block.size() * block.size());
  objective.bound_block(block, root);
  invert_root(root, static_cast<Index>(block.size()), 0);
  const std::span<const double> g = objective.gradient();
  double sum = 0;
  for (std::size_t row = 0; row < block.size(); ++row) {
    double product = 0;
    for (std::size_t column = 0; column < block.size(); ++column) {
      product += root[column * block.size() + row] * g[block[column]];
    }
    sum += 0.5 * product * product;
  }
  return sum;
}

TEST_CASE("gsq of variable blocks is an approximation of the best set", "[bcd]") {
  double least = 1;
  double mean = 0;
  int trials = 0;
  for (std::uint32_t seed = 1; seed <= 8; ++seed) {
    DenseObjective objective(dense_quadratic(12, seed));
    randomise(objective, seed);
    for (const Index k : {1, 3, 6}) {
      const std::vector<Index> block =
          selected({.selection = Selection::gsq, .block_size = k}, objective);
      REQUIRE(static_cast<Index>(block.size()) == k);
      REQUIRE(std::is_sorted(block.begin(), block.end()));
      const double best = matrix_progress(
          best_set(k, [&](Block set) { return matrix_progress(set, objective); }), objective);
      const double ratio = matrix_progress(block, objective) / best;
      CHECK(ratio > 0);
      CHECK(ratio <= 1 + 1e-9);
      least = std::min(least, ratio);
      mean += ratio;
      ++trials;
    }
  }
  WARN("progress of gsq over the best set's: mean " << mean / trials << ", least " << least);
}

/// Section 2.3 (15) with sorting and dense products only.
std::vector<Index> thresholded(DenseObjective& objective, Index k) {
  const auto p = static_cast<std::size_t>(objective.size());
  const double mu = 1 / objective.bound_lambda_max();
  const std::vector<double> g(objective.gradient().begin(), objective.gradient().end());
  std::vector<double> d(p);
  for (std::size_t i = 0; i < p; ++i) d[i] = g[i] / std::sqrt(objective.lipschitz()[i]);
  std::vector<Index> order(p);
  for (int round = 0; round < 10; ++round) {
    std::vector<double> next(p);
    for (std::size_t i = 0; i < p; ++i) {
      double product = 0;
      for (std::size_t j = 0; j < p; ++j) {
        product += objective.h(static_cast<Index>(i), static_cast<Index>(j)) * d[j];
      }
      next[i] = d[i] - mu * (g[i] + product);
    }
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](Index one, Index other) {
      return std::abs(next[one]) > std::abs(next[other]);
    });
    for (std::size_t place = k; place < p; ++place) next[order[place]] = 0;
    double change = 0;
    for (std::size_t i = 0; i < p; ++i) change += (next[i] - d[i]) * (next[i] - d[i]);
    d = next;
    if (std::sqrt(change) < 1e-10) break;
  }
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

TEST_CASE("gsq of variable blocks takes the steps that were published", "[bcd]") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    DenseObjective objective(dense_quadratic(15, seed));
    randomise(objective, seed);
    for (const Index k : {1, 2, 5, 14, 15}) {
      CAPTURE(seed, k);
      CHECK(selected({.selection = Selection::gsq, .block_size = k}, objective) ==
            thresholded(objective, k));
    }
  }
}

TEST_CASE("gsq-nonnegative takes the coordinates that gain most", "[bcd]") {
  Problem problem = dense_quadratic(6, 2);
  problem.penalty.nonnegative = true;
  DenseObjective objective(problem);
  objective.constants = {1, 2, 4, 1, 1, 8};
  objective.set_x(std::vector<double>{0, 1, 0.5, 0, 3, 0});
  objective.fixed_gradient = {5, 4, -1, 0, 1, -4};
  Rule rule{.selection = Selection::gsq_nonnegative, .update = Update::projected_gradient};
  const auto take = [&](Index k) {
    rule.block_size = k;
    return selected(rule, objective);
  };
  // s = (0, -3, -0.125, 0, -0.5, -1).
  CHECK(take(1) == std::vector<Index>{1});
  CHECK(take(3) == std::vector<Index>{1, 4, 5});
  // Coordinates with nothing to gain fill the block.
  CHECK(take(5) == std::vector<Index>{0, 1, 2, 4, 5});
  // A bound at 0 that the gradient presses against: nothing to do at all.
  objective.set_x(std::vector<double>(6, 0.0));
  objective.fixed_gradient = {5, 4, 1, 0, 1, 4};
  CHECK(take(2).empty());
}

TEST_CASE("general takes the cube root of p", "[bcd]") {
  CHECK(cube_root(2400) == 13);
  CHECK(cube_root(1900) == 12);
  for (const Index root : {1, 2, 3, 10, 100, 1000, 1290}) {
    CHECK(cube_root(root * root * root) == root);
    CHECK(cube_root(root * root * root - 1) == root - 1);
    CHECK(cube_root(root * root * root + 1) == root);
  }
  CHECK(cube_root(std::numeric_limits<Index>::max()) == 1290);
  DenseObjective objective(laplacian_problem(graph_of(9, {})));
  objective.fixed_gradient = {1, -2, 2, 1, -1, 2, -3, 0, 1};
  CHECK(selected({.selection = Selection::general, .update = Update::dense_exact}, objective) ==
        std::vector<Index>{1, 6});
}

TEST_CASE("variable blocks are empty where nothing is to be done, and NaN is an error", "[bcd]") {
  DenseObjective objective(laplacian_problem(graph_of(9, {})));
  for (const Selection selection :
       {Selection::gs, Selection::gsl, Selection::gsd, Selection::gsq, Selection::general}) {
    CAPTURE(name_of(selection));
    const Rule rule{.selection = selection, .block_size = 9};
    objective.fixed_gradient.assign(9, 0.0);
    CHECK(selected(rule, objective).empty());
    objective.fixed_gradient[4] = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS(selected(rule, objective), std::runtime_error);
  }
}

}  // namespace
}  // namespace ashlar::bcd::testing
