// The schedule of rounds, and what threads do on a GPU done by loops on the CPU: every thread's
// part of a phase, threads in any order.
#include "impls/bcd/cuda_forest_block.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/data.hpp"
#include "impls/bcd/solve.hpp"
#include "impls/bcd/test_forests.hpp"

namespace ashlar::bcd {
namespace cuda_forest_block_test {
namespace {

using namespace testing;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A grid of so many blocks of so many threads, whose threads take turns in an order of its own.
class HostGrid {
 public:
  HostGrid(Index blocks, Index threads, std::uint64_t seed)
      : blocks_(blocks), threads_(threads), draws_(seed) {}

  void solve(const kernel::ForestBatch& batch, const double* right, double* x) {
    for (const Index number : shuffled(batch.count)) {
      std::vector<double> values(static_cast<std::size_t>(batch.most_slots), kNaN);
      narrow(batch.tasks[number], kernel::batch_vectors(batch, right, x, values.data(), number));
    }
  }
  void solve(const kernel::ForestTask& task, const kernel::ForestCall& call) {
    for (Index number = 0; number < kernel::grid_phases(task); ++number) {
      const kernel::ForestPhase phase = kernel::grid_phase(task, number);
      for (Index k = 0; k < call.count; ++k) {
        kernel::ForestVectors vectors = kernel::vectors_at(call, k);
        if (phase.kind == kernel::ForestPhaseKind::narrow) {
          std::vector<double> own(static_cast<std::size_t>(task.slots), kNaN);
          if (task.narrow == 0) vectors.values = own.data();
          narrow(task, vectors);
        } else {
          run_phase(task, vectors, phase, blocks_ * threads_);
        }
      }
    }
  }

 private:
  void narrow(const kernel::ForestTask& task, const kernel::ForestVectors& vectors) {
    const Index phases = kernel::forest_phases(task.narrow, task.level_count);
    for (Index number = 0; number < phases; ++number) {
      run_phase(task, vectors, kernel::forest_phase(task.narrow, task.level_count, number),
                threads_);
    }
  }
  void run_phase(const kernel::ForestTask& task, const kernel::ForestVectors& vectors,
                 const kernel::ForestPhase& phase, Index threads) {
    for (const Index warp : shuffled(threads / kernel::kLanes)) {
      const auto row = [&](Index slot, bool top) {
        kernel::finish_row(task, vectors, slot, sum_of_lanes(task, vectors, slot), top);
      };
      kernel::warp_slots(task, phase, warp, threads / kernel::kLanes, row);
    }
    for (const Index thread : shuffled(threads))
      kernel::thread_slots(task, vectors, phase, thread, threads);
  }
  static double sum_of_lanes(const kernel::ForestTask& task, const kernel::ForestVectors& vectors,
                             Index slot) {
    double lanes[kernel::kLanes];
    for (Index lane = 0; lane < kernel::kLanes; ++lane)
      lanes[lane] = kernel::row_part(task, vectors, slot, lane, kernel::kLanes);
    for (Index distance = kernel::kLanes / 2; distance > 0; distance /= 2) {
      for (Index lane = 0; lane < distance; ++lane) lanes[lane] += lanes[lane + distance];
    }
    return lanes[0];
  }
  std::vector<Index> shuffled(Index count) {
    std::vector<Index> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    shuffle(order, draws_);
    return order;
  }

  Index blocks_;
  Index threads_;
  Draws draws_;
};

kernel::ForestTask task_of(const ForestRounds& rounds, const std::vector<Index>& targets,
                           const OutsideRows* outside, Index narrow_slots) {
  kernel::ForestTask task = kernel::make_forest_task(
      rounds, targets, outside, [](const auto& values) { return values.data(); });
  if (narrow_slots != kernel::kNarrowSlots) task.narrow = rounds.narrow_from(narrow_slots);
  return task;
}

/// Right sides one after the other, in the block's order.
std::vector<double> solve_on_grid(const ForestRounds& rounds, const std::vector<double>& right,
                                  HostGrid grid, Index narrow_slots = kernel::kNarrowSlots) {
  const auto count = static_cast<Index>(right.size()) / std::max<Index>(1, rounds.nodes);
  std::vector<double> x(right.size(), kNaN);
  std::vector<double> values(
      static_cast<std::size_t>(rounds.slots()) * static_cast<std::size_t>(count), kNaN);
  const kernel::ForestTask task = task_of(rounds, rounds.places, nullptr, narrow_slots);
  grid.solve(task, {right.data(), x.data(), values.data(), count, rounds.nodes, rounds.slots()});
  return x;
}

struct Prepared {
  SymmetricMatrix matrix;
  std::vector<Index> block;
  ForestOrder order;
};

Prepared prepare(const std::vector<Index>& parents, Draws& draws) {
  Prepared prepared{forest_matrix(parents, draws), {}, {}};
  prepared.block = all_of(prepared.matrix);
  ForestFinder(prepared.matrix).find(prepared.block, prepared.order);
  return prepared;
}

std::vector<double> solved_on_cpu(const ForestOrder& order, std::vector<double> right) {
  std::vector<double> scratch;
  solve(order, right, scratch);
  return right;
}

/// Each place once, rows from lower levels, columns to higher ones, and few of these.
void check_rounds(const ForestRounds& rounds) {
  std::vector<Index> level_of(static_cast<std::size_t>(rounds.slots()), -1);
  Index slot = 0;
  for (std::size_t number = 0; number < rounds.levels.size(); ++number) {
    const ForestLevel& level = rounds.levels[number];
    REQUIRE(level.first == slot);
    REQUIRE(level.first <= level.longer);
    REQUIRE(level.longer <= level.end);
    REQUIRE(level.first < level.end);
    for (; slot < level.end; ++slot) level_of[slot] = static_cast<Index>(number);
  }
  REQUIRE(slot == rounds.slots());
  std::vector<int> seen(static_cast<std::size_t>(rounds.nodes));
  int wrong = 0;
  for (slot = 0; slot < rounds.slots(); ++slot) {
    const Index length = rounds.starts[slot + 1] - rounds.starts[slot];
    const bool longer = slot >= rounds.levels[level_of[slot]].longer;
    wrong += longer != (length > kShortRow) || length > kMostRowEntries;
    if (rounds.places[slot] >= 0) ++seen[rounds.places[slot]];
    for (Index e = rounds.starts[slot]; e < rounds.starts[slot + 1]; ++e)
      wrong += level_of[rounds.sources[e]] >= level_of[slot];
    for (const Index above : rounds.above[slot].slots)
      wrong += above >= 0 && level_of[above] <= level_of[slot];
  }
  CHECK(wrong == 0);
  CHECK(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
  // What the contraction promises, and what it does.
  const double nodes = std::max<double>(rounds.nodes, 1);
  CHECK(rounds.rounds <= 1 + std::log(nodes) / std::log(1.2));
  CHECK(rounds.rounds <= 2 + 1.5 * std::log2(nodes));
  CHECK(static_cast<double>(rounds.levels.size()) <= 3 + 1.5 * std::log2(nodes));
}

Index depth_of(const ForestOrder& order) {
  std::vector<Index> height(static_cast<std::size_t>(order.size()), 1);
  Index most = 0;
  for (Index step = 0; step < order.size(); ++step) {
    most = std::max(most, height[step]);
    if (order.parents[step] >= 0)
      height[order.parents[step]] = std::max(height[order.parents[step]], height[step] + 1);
  }
  return most;
}

/// Iterations of a partition as the kernel does them.
std::vector<double> sweep_on_grid(const Problem& problem, const std::vector<ForestBlock>& blocks,
                                  std::vector<double> x, int iterations, HostGrid grid,
                                  Index narrow_slots = kernel::kNarrowSlots) {
  for (int i = 0; i < iterations; ++i) {
    const ForestBlock& block = blocks[static_cast<std::size_t>(i) % blocks.size()];
    std::vector<double> values(block.nodes.size(), kNaN);
    grid.solve(task_of(block.rounds, block.nodes, &block.outside, narrow_slots),
               {problem.linear.data(), x.data(), values.data()});
  }
  return x;
}

/// The reference rules from x on, and their blocks.
Parts cyclic_parts(const Problem& problem, Partition partition, const std::vector<double>& x) {
  Rule rule;
  rule.partition = partition;
  rule.selection = Selection::cyclic;
  rule.update = Update::message_passing;
  Parts parts = make_parts(problem, rule);
  parts.objective->set_x(x);
  return parts;
}

void check_sweeps(const Problem& problem, Partition partition) {
  CAPTURE(problem.size(), name_of(partition));
  Draws draws(31);
  const std::vector<double> start = draws.vector(problem.size(), 3);
  const std::vector<ForestBlock> blocks =
      make_forest_blocks(*problem.matrix, *cyclic_parts(problem, partition, start).blocks);
  for (const int iterations : {1, 9}) {
    Parts parts = cyclic_parts(problem, partition, start);
    iterate(parts, iterations);
    const std::vector<double> found =
        sweep_on_grid(problem, blocks, start, iterations, HostGrid(3, 64, 1));
    CHECK(relative_difference(found, parts.objective->x()) < 1e-11);
    for (const Index narrow : {0, 30})
      CHECK(sweep_on_grid(problem, blocks, start, iterations, HostGrid(2, 96, 2), narrow) == found);
  }
}

}  // namespace

TEST_CASE("forests on a GPU: random blocks in any order of threads, against dense elimination") {
  Draws draws(21);
  for (int trial = 0; trial < 300; ++trial) {
    const Index size = 1 + below(draws, 45);
    const SymmetricMatrix matrix =
        forest_matrix(random_parents(size, 2 + below(draws, 12), draws), draws);
    std::vector<Index> block = all_of(matrix);
    shuffle(block, draws);
    block.resize(1 + static_cast<std::size_t>(below(draws, size)));
    ForestOrder order;
    ForestFinder(matrix).find(block, order);
    ForestRounds rounds = make_forest_rounds(order);
    check_rounds(rounds);
    const std::vector<double> right = draws.vector(static_cast<Index>(block.size()));
    const std::vector<double> dense = solve_ldl(dense_block(matrix, block), right);
    const std::vector<double> once = solve_on_grid(rounds, right, HostGrid(1, 64, 1));
    CHECK(relative_difference(once, dense) < 1e-12);
    for (const Index narrow : {0, 5, 20})
      CHECK(solve_on_grid(rounds, right, HostGrid(3, 32, 2), narrow) == once);
    // The control: an entry that is lost.
    if (rounds.shares.empty()) continue;
    rounds.shares[rounds.shares.size() / 2] = 0;
    CHECK(relative_difference(solve_on_grid(rounds, right, HostGrid(1, 64, 1)), dense) > 1e-9);
  }
}

TEST_CASE("forests on a GPU: few rounds whatever the shape, and the answers of the CPU") {
  Draws draws(22);
  for (const Index size : {1, 2, 3, 700, 30011}) {
    for (const ForestShape& shape : forest_shapes(size)) {
      CAPTURE(shape.name, size);
      const Prepared prepared = prepare(shape.parents, draws);
      const ForestRounds rounds = make_forest_rounds(prepared.order);
      check_rounds(rounds);
      const std::vector<double> right = draws.vector(size);
      const std::vector<double> expected = solved_on_cpu(prepared.order, right);
      const std::vector<double> found = solve_on_grid(rounds, right, HostGrid(4, 96, 3));
      CHECK(relative_difference(found, expected) < 1e-12);
      CHECK(backward_error(prepared.matrix, found, right) < 1e-12);
      CHECK(solve_on_grid(rounds, right, HostGrid(2, 64, 4), 1000) == found);
      CHECK(solve_on_grid(rounds, right, HostGrid(1, 256, 5), 0) == found);
    }
  }
}

TEST_CASE("forests on a GPU: a path of a million nodes takes twenty rounds") {
  Draws draws(23);
  constexpr Index kNodes = 1000000;
  const Prepared prepared = prepare(forest_shapes(kNodes).front().parents, draws);
  CHECK(depth_of(prepared.order) >= kNodes / 2);
  const ForestRounds rounds = make_forest_rounds(prepared.order);
  CHECK(rounds.rounds == 20);
  CHECK(rounds.levels.size() <= 20);
  CHECK(rounds.sources.size() <= 2 * static_cast<std::size_t>(kNodes));
  const std::vector<double> right = draws.vector(kNodes);
  const std::vector<double> found = solve_on_grid(rounds, right, HostGrid(8, 128, 6));
  CHECK(relative_difference(found, solved_on_cpu(prepared.order, right)) < 1e-12);
  CHECK(backward_error(prepared.matrix, found, right) < 1e-12);
}

TEST_CASE("forests on a GPU: a hub of a million leaves is three sums deep at most") {
  Draws draws(24);
  constexpr Index kNodes = 1000000;
  std::vector<Index> parents(kNodes, 0);
  parents[0] = -1;
  const Prepared prepared = prepare(parents, draws);
  const ForestRounds rounds = make_forest_rounds(prepared.order);
  CHECK(rounds.rounds == 2);
  CHECK(rounds.levels.size() == 4);
  const std::vector<double> right = draws.vector(kNodes);
  const std::vector<double> found = solve_on_grid(rounds, right, HostGrid(8, 128, 6));
  CHECK(backward_error(prepared.matrix, found, right) < 1e-12);
}

TEST_CASE("forests on a GPU: many right sides are each by itself, and may be overwritten") {
  Draws draws(25);
  for (const Index size : {1, 40, 9000}) {
    const Prepared prepared = prepare(random_parents(size, 50, draws), draws);
    const ForestRounds rounds = make_forest_rounds(prepared.order);
    const std::vector<double> right = draws.vector(5 * size);
    const std::vector<double> together = solve_on_grid(rounds, right, HostGrid(2, 96, 7));
    for (Index k = 0; k < 5; ++k) {
      const auto from = [&](const std::vector<double>& all) {
        return std::vector<double>(all.begin() + k * size, all.begin() + (k + 1) * size);
      };
      CHECK(from(together) == solve_on_grid(rounds, from(right), HostGrid(2, 96, 8)));
    }
    std::vector<double> in_place = right;
    std::vector<double> values(5 * rounds.places.size(), kNaN);
    HostGrid(2, 96, 9).solve(
        task_of(rounds, rounds.places, nullptr, kernel::kNarrowSlots),
        {in_place.data(), in_place.data(), values.data(), 5, size, rounds.slots()});
    CHECK(in_place == together);
  }
}

TEST_CASE("forests on a GPU: a batch of small forests is each by itself") {
  Draws draws(26);
  std::vector<ForestRounds> rounds;
  std::vector<std::int64_t> starts;
  std::vector<double> expected;
  std::vector<double> right;
  Index most_slots = 0;
  for (const Index size : {7, 1, 600, 0, 33}) {
    const ForestRounds& made = rounds.emplace_back(
        make_forest_rounds(prepare(random_parents(size, 9, draws), draws).order));
    starts.push_back(static_cast<std::int64_t>(right.size()));
    const std::vector<double> of_one = draws.vector(size);
    const std::vector<double> x = solve_on_grid(made, of_one, HostGrid(1, 32, 1));
    right.insert(right.end(), of_one.begin(), of_one.end());
    expected.insert(expected.end(), x.begin(), x.end());
    most_slots = std::max(most_slots, made.slots());
  }
  std::vector<kernel::ForestTask> tasks;
  tasks.reserve(rounds.size());
  for (const ForestRounds& made : rounds)
    tasks.push_back(task_of(made, made.places, nullptr, kernel::kNarrowSlots));
  std::vector<double> found(right.size(), kNaN);
  HostGrid(1, 64, 2).solve({tasks.data(), starts.data(), 5, most_slots}, right.data(),
                           found.data());
  CHECK(found == expected);
}

TEST_CASE("forests on a GPU: nothing, a cycle, and what is singular") {
  CHECK(make_forest_rounds(ForestOrder{}).levels.empty());
  CHECK(kernel::grid_phases(task_of(make_forest_rounds(ForestOrder{}), {}, nullptr, 6)) == 0);
  const std::vector<Edge> ring{{0, 1, -1.0}, {1, 2, -1.0}, {2, 0, -1.0}, {2, 3, -1.0}};
  const SymmetricMatrix matrix = symmetric_from_edges({3, 3, 4, 2}, ring);
  const Blocks all{{0, 3}, {0, 1, 2, 3}};
  CHECK_THROWS_WITH(make_forest_blocks(matrix, all), Catch::Contains("cycle"));
  const Blocks fine{{0, 1, 3}, {2}};
  CHECK(make_forest_blocks(matrix, fine).size() == 2);
  // An order that another elimination would accept: its pivots are not looked at.
  ForestOrder edge{{0, 1}, {1, -1}, {-1.0, 0.0}, {1.0, 1.0}, {1.0, 1e-17}, 1};
  CHECK_THROWS_WITH(make_forest_rounds(edge), Catch::Contains("singular"));
}

TEST_CASE("forests on a GPU: sweeps over partitions are the reference's") {
  // A lattice with labels, graphs so dense that rows outside are long, and a hub.
  std::vector<Problem> problems{make_lattice(7, 12, 15, 3), make_lattice(50, 50, 100, 1),
                                random_problem(Loss::quadratic, 0, 17, 1, 1),
                                random_problem(Loss::quadratic, 0, 90, 1, 2, 0.3),
                                random_problem(Loss::quadratic, 0, 1)};
  Draws draws(32);
  std::vector<Edge> edges;
  for (Index i = 1; i < 400; ++i) {
    edges.push_back({i, 0, -1.0});
    if (i > 1) edges.push_back({i, i - 1, 0.5});
  }
  std::vector<double> diagonal(400, 2.5);
  diagonal[0] = 400;
  Problem& wheel = problems.emplace_back();
  wheel.loss = Loss::quadratic;
  wheel.matrix = std::make_shared<const SymmetricMatrix>(symmetric_from_edges(diagonal, edges));
  wheel.linear = draws.vector(400);
  for (const Problem& problem : problems) {
    check_sweeps(problem, Partition::trees);
    check_sweeps(problem, Partition::red_black);
  }
}

TEST_CASE("forests on a GPU: a sweep that forgets an outside entry is found") {
  const Problem problem = make_lattice(12, 9, 10, 3);
  const std::vector<double> start = Draws(33).vector(problem.size(), 3);
  Parts parts = cyclic_parts(problem, Partition::trees, start);
  std::vector<ForestBlock> blocks = make_forest_blocks(*problem.matrix, *parts.blocks);
  iterate(parts, 2);
  const std::vector<double> good = sweep_on_grid(problem, blocks, start, 2, HostGrid(1, 32, 1));
  CHECK(relative_difference(good, parts.objective->x()) < 1e-11);
  blocks[1].outside.values[7] = 0;
  const std::vector<double> bad = sweep_on_grid(problem, blocks, start, 2, HostGrid(1, 32, 1));
  CHECK(relative_difference(bad, parts.objective->x()) > 1e-6);
}

}  // namespace cuda_forest_block_test
}  // namespace ashlar::bcd
