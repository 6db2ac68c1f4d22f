// The parts of a batch's iteration by themselves: top-k, eigenvalues, solving.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/block_algebra.hpp"
#include "impls/bcd/cuda_batch_nonnegative.hpp"
#include "impls/bcd/cuda_batch_top.hpp"
#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/test_batch_run.hpp"
#include "impls/bcd/test_drawn.hpp"

namespace ashlar::bcd {
namespace cuda_batch_parts_test {
namespace {

using testing::HostMemory;
using testing::HostTeam;
using testing::ThreadOrder;

std::vector<Index> sorted_top(const std::vector<double>& scores, Index count) {
  std::vector<Index> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](Index one, Index other) { return scores[one] > scores[other]; });
  order.resize(static_cast<std::size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<Index> team_top(const std::vector<double>& scores, Index count, int blocks, int threads,
                            ThreadOrder order) {
  const auto size = static_cast<Index>(scores.size());
  HostMemory memory({.size = size, .most_block = size, .blocks = blocks});
  std::copy(scores.begin(), scores.end(), memory.memory().ranks);
  HostTeam team(blocks, threads, order);
  const kernel::TopFound found = kernel::select_top(team, memory.memory(), size, count);
  if (found.diverged) return {-1};
  return {memory.memory().block, memory.memory().block + found.count};
}

void check_top(const std::vector<double>& scores) {
  const auto size = static_cast<Index>(scores.size());
  for (const Index count : {Index{1}, Index{2}, size / 3, size / 2, size - 1, size}) {
    if (count < 1 || count > size) continue;
    CAPTURE(size, count);
    const std::vector<Index> expected = sorted_top(scores, count);
    CHECK(team_top(scores, count, 1, 1, ThreadOrder::forward) == expected);
    CHECK(team_top(scores, count, 1, 37, ThreadOrder::backward) == expected);
    CHECK(team_top(scores, count, 5, 20, ThreadOrder::shuffled) == expected);
  }
}

/// B'B of a random B with `rank` rows, scaled by columns.
std::vector<double> random_gram(Index k, Index rank, drawn::Draws& draws, double spread = 1) {
  std::vector<double> factor = draws.vector(k * rank);
  for (Index j = 0; j < k; ++j) {
    const double scale = std::pow(10.0, spread * draws.uniform());
    for (Index r = 0; r < rank; ++r) factor[j * rank + r] *= scale;
  }
  std::vector<double> gram(static_cast<std::size_t>(k) * k);
  for (Index i = 0; i < k; ++i) {
    for (Index j = 0; j < k; ++j) {
      gram[i * k + j] =
          std::inner_product(factor.begin() + i * rank, factor.begin() + (i + 1) * rank,
                             factor.begin() + j * rank, 0.0);
    }
  }
  for (Index i = 0; i < k; ++i) {
    for (Index j = 0; j < i; ++j) gram[i * k + j] = gram[j * k + i];
  }
  return gram;
}

double team_eigenvalue(const std::vector<double>& matrix, Index k, int threads, ThreadOrder order) {
  HostMemory memory({.size = k, .most_block = k, .most_matrix = k});
  std::copy(matrix.begin(), matrix.end(), memory.memory().near.matrix);
  HostTeam team(1, threads, order);
  kernel::largest_eigenvalue(team, memory.memory().near, *memory.memory().scalars, k);
  return memory.memory().scalars->constant;
}

struct Solved {
  int how = 0;
  std::vector<double> x;
};
Solved team_solve(const std::vector<double>& matrix, const std::vector<double>& right, int threads,
                  bool by_eigenvectors) {
  const auto k = static_cast<Index>(right.size());
  HostMemory memory({.size = k, .most_block = k, .most_matrix = k, .inverses = true});
  kernel::TeamMemory& of_team = memory.memory();
  std::copy(matrix.begin(), matrix.end(), of_team.near.matrix);
  std::copy(right.begin(), right.end(), of_team.near.right);
  HostTeam team(1, threads, ThreadOrder::shuffled);
  kernel::solve_cholesky(team, of_team.near, *of_team.scalars, k);
  const int how = of_team.scalars->solved;
  if (by_eigenvectors) {
    kernel::solve_by_eigenvectors(team, of_team, k);
  } else {
    kernel::solve_back(team, of_team.near, k);
  }
  return {how, {of_team.near.right, of_team.near.right + k}};
}

double largest_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  double scale = 1e-300;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return worst / scale;
}

struct Minimised {
  kernel::ActiveSetAction action = kernel::ActiveSetAction::newton;
  std::vector<double> d;
};
Minimised team_minimise(const std::vector<double>& matrix, const std::vector<double>& gradient,
                        std::vector<double> x, int threads) {
  const auto k = static_cast<Index>(x.size());
  HostMemory memory(
      {.size = k, .most_block = k, .most_matrix = k, .inverses = true, .active_sets = true});
  kernel::TeamMemory& of_team = memory.memory();
  std::copy(matrix.begin(), matrix.end(), of_team.near.matrix);
  std::copy(gradient.begin(), gradient.end(), of_team.block_gradient);
  std::vector<Index> block(x.size());
  std::iota(block.begin(), block.end(), 0);
  kernel::BatchRun run;
  run.update = Update::projected_newton;
  run.x = x.data();
  HostTeam team(1, threads, ThreadOrder::shuffled);
  kernel::minimise_block(team, {{}, run, of_team, block.data(), k, -1, false});
  return {of_team.active->action, {of_team.step, of_team.step + k}};
}

}  // namespace

TEST_CASE("a team takes the largest scores, and the lowest indices on ties") {
  drawn::Draws draws(1);
  for (const Index size : {1, 2, 5, 31, 100, 1000}) {
    std::vector<double> scores;
    for (Index i = 0; i < size; ++i) scores.push_back(std::abs(draws.normal()));
    check_top(scores);
    for (double& score : scores) score = std::floor(4 * score);  // many ties, and zeros
    check_top(scores);
    for (double& score : scores) score = 1.5;
    check_top(scores);
  }
}

TEST_CASE("a team takes the largest scores of very different magnitudes") {
  drawn::Draws draws(2);
  std::vector<double> scores;
  for (int i = 0; i < 300; ++i) scores.push_back(std::pow(10.0, 300 * (2 * draws.uniform() - 1)));
  scores.push_back(0);
  scores.push_back(std::numeric_limits<double>::denorm_min());
  scores.push_back(std::numeric_limits<double>::max());
  check_top(scores);
  // All but the largest are in the last digit of the first pass, and differ in the last bit.
  std::vector<double> close{1e30};
  for (int i = 0; i < 40; ++i) close.push_back(1 + (i * 7 % 40) * 0x1p-52);
  check_top(close);
}

TEST_CASE("no score but zeros gives no block, and one that is no number is told") {
  CHECK(team_top(std::vector<double>(50, 0.0), 3, 2, 8, ThreadOrder::forward).empty());
  std::vector<double> scores(50, 1.0);
  scores[17] = std::nan("");
  CHECK(team_top(scores, 3, 2, 8, ThreadOrder::forward) == std::vector<Index>{-1});
}

TEST_CASE("a block finds the largest eigenvalue, whoever counts") {
  drawn::Draws draws(3);
  for (const Index k : {1, 2, 3, 4, 5, 8, 31, 64, 100}) {
    for (const double spread : {0.0, 3.0}) {
      const std::vector<double> matrix = random_gram(k, std::max<Index>(1, k / 2), draws, spread);
      const double expected = largest_eigenvalue(matrix, k);
      for (const int threads : {1, 7, 64, 256}) {
        CAPTURE(k, spread, threads);
        const double found = team_eigenvalue(matrix, k, threads, ThreadOrder::shuffled);
        CHECK(std::abs(found - expected) <= 1e-13 * expected);
        CHECK(found == team_eigenvalue(matrix, k, threads, ThreadOrder::backward));
      }
    }
  }
}

TEST_CASE("the largest eigenvalue of special matrices") {
  const Index k = 6;
  std::vector<double> matrix(36, 1.0);  // of rank 1
  CHECK(team_eigenvalue(matrix, k, 16, ThreadOrder::forward) == Approx(6).epsilon(1e-14));
  matrix.assign(36, 0.0);
  CHECK(team_eigenvalue(matrix, k, 16, ThreadOrder::forward) == 0);
  for (Index i = 0; i < k; ++i) matrix[i * (k + 1)] = i == 2 ? 5 : 1e-3 * i;
  CHECK(team_eigenvalue(matrix, k, 16, ThreadOrder::forward) == Approx(5).epsilon(1e-14));
  for (Index i = 0; i < k; ++i) matrix[i * (k + 1)] = 3;  // one eigenvalue, six times
  CHECK(team_eigenvalue(matrix, k, 16, ThreadOrder::forward) == Approx(3).epsilon(1e-14));
}

TEST_CASE("a block solves with a matrix by Cholesky's method and by Jacobi's") {
  drawn::Draws draws(4);
  for (const Index k : {1, 2, 3, 5, 8, 31, 64}) {
    const std::vector<double> matrix = random_gram(k, 2 * k + 3, draws);
    const std::vector<double> right = draws.vector(k);
    std::vector<double> expected = right;
    REQUIRE(solve_cholesky(matrix, expected));
    for (const int threads : {1, 5, 64}) {
      CAPTURE(k, threads);
      const Solved direct = team_solve(matrix, right, threads, false);
      CHECK(direct.how == 2);
      CHECK(largest_distance(direct.x, expected) <= 1e-10);
      CHECK(largest_distance(team_solve(matrix, right, threads, true).x, expected) <= 1e-10);
    }
  }
}

TEST_CASE("a singular matrix is told, and solved with by its pseudo-inverse") {
  drawn::Draws draws(5);
  for (const Index k : {2, 5, 12, 33}) {
    const Index rank = k / 2;
    const std::vector<double> matrix = random_gram(k, rank, draws);
    // A right side in the matrix's range, as gradients are.
    const std::vector<double> part = draws.vector(k);
    std::vector<double> right(static_cast<std::size_t>(k));
    for (Index i = 0; i < k; ++i) {
      for (Index j = 0; j < k; ++j) right[i] += matrix[j * k + i] * part[j];
    }
    std::vector<double> expected = right;
    solve_pseudo_inverse(matrix, expected);
    CAPTURE(k);
    const Solved found = team_solve(matrix, right, 16, true);
    CHECK(found.how != 2);
    CHECK(largest_distance(found.x, expected) <= 1e-9);
  }
}

TEST_CASE("a block minimises a quadratic under x >= 0") {
  drawn::Draws draws(6);
  for (const Index k : {1, 2, 5, 17, 40}) {
    for (int draw = 0; draw < 6; ++draw) {
      const std::vector<double> matrix = random_gram(k, 2 * k + 1, draws);
      const std::vector<double> gradient = draws.vector(k, 10);
      std::vector<double> x = draws.vector(k);
      for (double& entry : x) entry = std::max(0.0, entry);
      const NonnegativeStep expected = minimise_nonnegative(matrix, gradient, x);
      for (const int threads : {1, 6, 64}) {
        CAPTURE(k, draw, threads);
        const Minimised found = team_minimise(matrix, gradient, x, threads);
        CHECK(found.action == kernel::ActiveSetAction::done);
        CHECK(largest_distance(found.d, expected.d) <= 1e-11);
        for (Index i = 0; i < k; ++i)
          CHECK((x[i] + found.d[i] == 0) == (x[i] + expected.d[i] == 0));
      }
    }
  }
}

TEST_CASE("a quadratic without a minimum is told") {
  const std::vector<double> falling{1, 0, 0, 0};  // along the second coordinate
  CHECK(team_minimise(falling, {1, -1}, {0, 0}, 4).action == kernel::ActiveSetAction::failed);
  const std::vector<double> saddle{1, 2, 2, 1};
  CHECK(team_minimise(saddle, {-1, -1}, {1, 1}, 4).action == kernel::ActiveSetAction::failed);
}

TEST_CASE("pairs meet each other once") {
  for (const Index k : {2, 4, 10}) {
    std::vector<int> met(static_cast<std::size_t>(k * k));
    for (Index round = 0; round < k - 1; ++round) {
      for (Index pair = 0; pair < k / 2; ++pair) {
        Index one = 0;
        Index other = 0;
        kernel::paired(k, round, pair, one, other);
        ++met[std::min(one, other) * k + std::max(one, other)];
      }
    }
    for (Index i = 0; i < k; ++i) {
      for (Index j = 0; j < k; ++j) CHECK(met[i * k + j] == (i < j ? 1 : 0));
    }
  }
}

}  // namespace cuda_batch_parts_test
}  // namespace ashlar::bcd
