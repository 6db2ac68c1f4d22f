#include "impls/bcd/lattice.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/lattice_factors.hpp"
#include "impls/bcd/lattice_reference.hpp"
#include "impls/bcd/lattice_solver.hpp"
#include "impls/bcd/test_lattices.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::bcd {
namespace lattice_test {
namespace {

using namespace test;

// Single rows and columns, two of each, around the width of a vector, enough rows and columns for
// several shares.
constexpr LatticeSize kSizes[] = {{1, 1},  {1, 2},  {2, 1},   {2, 2},   {1, 9},   {9, 1},
                                  {2, 17}, {17, 2}, {3, 3},   {3, 16},  {4, 15},  {5, 31},
                                  {8, 33}, {33, 8}, {50, 50}, {7, 300}, {61, 47}, {40, 260}};

/// Dense Gauss-Jordan on the unknowns of one half: another way to the same minimiser.
std::vector<double> dense_half(const LatticeProblem& problem, LatticePartition partition, int half,
                               std::vector<double> x) {
  std::vector<Index> block;
  std::vector<int> place(x.size(), -1);
  for (Index c = 0; c < problem.columns; ++c) {
    for (Index r = 0; r < problem.rows; ++r) {
      const Index i = problem.node(r, c);
      if (problem.labelled[static_cast<std::size_t>(i)] != 0) continue;
      if (half_of(partition, problem.rows, r, c) != half) continue;
      place[static_cast<std::size_t>(i)] = static_cast<int>(block.size());
      block.push_back(i);
    }
  }
  const std::size_t k = block.size();
  std::vector<double> m(k * (k + 1));
  for (std::size_t a = 0; a < k; ++a) {
    const Index r = block[a] % problem.rows;
    const Index c = block[a] / problem.rows;
    double* const line = m.data() + a * (k + 1);
    const auto edge = [&](Index row, Index column) {
      if (row < 0 || row >= problem.rows || column < 0 || column >= problem.columns) return;
      const auto j = static_cast<std::size_t>(problem.node(row, column));
      line[a] += 1;
      if (place[j] >= 0) {
        line[place[j]] -= 1;
      } else {
        line[k] += x[j];
      }
    };
    edge(r - 1, c), edge(r + 1, c), edge(r, c - 1), edge(r, c + 1);
  }
  for (std::size_t pivot = 0; pivot < k; ++pivot) {
    double* const from = m.data() + pivot * (k + 1);
    for (std::size_t a = 0; a < k; ++a) {
      double* const line = m.data() + a * (k + 1);
      if (a == pivot || line[pivot] == 0) continue;
      const double factor = line[pivot] / from[pivot];
      for (std::size_t j = pivot; j <= k; ++j) line[j] -= factor * from[j];
    }
  }
  for (std::size_t a = 0; a < k; ++a)
    x[static_cast<std::size_t>(block[a])] = m[a * (k + 1) + k] / m[a * (k + 1) + a];
  return x;
}

}  // namespace

TEST_CASE("the halves of combs are two forests that hold every node") {
  for (const LatticeSize& size : kSizes) {
    INFO(size.rows << " x " << size.columns);
    for (const int half : {0, 1}) {
      // Edges inside a half, of union-find on nodes: none closes a cycle.
      std::vector<Index> root(static_cast<std::size_t>(size.rows * size.columns));
      for (std::size_t i = 0; i < root.size(); ++i) root[i] = static_cast<Index>(i);
      const auto find = [&](Index i) {
        while (root[static_cast<std::size_t>(i)] != i) i = root[static_cast<std::size_t>(i)];
        return i;
      };
      bool cycle = false;
      const auto edge = [&](Index r, Index c, Index r2, Index c2) {
        if (r2 >= size.rows || c2 >= size.columns) return;
        if (half_of(LatticePartition::combs, size.rows, r, c) != half) return;
        if (half_of(LatticePartition::combs, size.rows, r2, c2) != half) return;
        const Index a = find(c * size.rows + r);
        const Index b = find(c2 * size.rows + r2);
        cycle = cycle || a == b;
        root[static_cast<std::size_t>(a)] = b;
      };
      for (Index c = 0; c < size.columns; ++c) {
        for (Index r = 0; r < size.rows; ++r) {
          edge(r, c, r + 1, c);
          edge(r, c, r, c + 1);
        }
      }
      CHECK_FALSE(cycle);
    }
  }
  // As published: 1200 and 1200 of the 2400 unknowns of data set D, here of all nodes.
  int white = 0;
  for (Index c = 0; c < 50; ++c) {
    for (Index r = 0; r < 50; ++r) white += half_of(LatticePartition::combs, 50, r, c) == 0;
  }
  CHECK(white == 1250);
}

TEST_CASE("a reference half sweep is the dense minimiser over that half") {
  for (const LatticeSize& size : {LatticeSize{1, 9}, LatticeSize{9, 1}, LatticeSize{2, 2},
                                  LatticeSize{3, 3}, LatticeSize{4, 15}, LatticeSize{11, 7}}) {
    for (const LatticeProblem& problem : lattices(size)) {
      for (const LatticePartition partition : kLatticePartitions) {
        for (const int half : {0, 1}) {
          INFO(shown(problem) << " " << name_of(partition) << " half " << half);
          const std::vector<double> start = random_values(problem, 3);
          std::vector<double> found = start;
          reference_half_sweep(problem, partition, half, found);
          const std::vector<double> expected = dense_half(problem, partition, half, start);
          CHECK(largest_difference(found, expected) < 1e-12 * 40);
          CHECK(residual_of(problem, found, partition, half) < 1e-12 * 40 * problem.weight);
        }
      }
    }
  }
}

TEST_CASE(
    "optimized sweeps are those of the reference, whatever the shape, threads and instructions") {
  for (const core::Isa isa : {core::Isa::avx2, core::hardware_isa()}) {
    const core::ScopedIsaLimit limit(isa);
    for (const LatticeSize& size : kSizes) {
      for (const LatticeProblem& problem : lattices(size)) {
        for (const LatticePartition partition : kLatticePartitions) {
          const std::vector<double> start = random_values(problem, 11);
          std::vector<double> expected(start.size());
          std::vector<double> found(start.size());
          for (const int threads : {1, 2, 3}) {
            INFO(shown(problem) << " " << name_of(partition) << " threads " << threads << " "
                                << core::highway_target());
            const auto reference = make_lattice_solver(problem, partition, LatticeTier::reference);
            const auto optimized =
                make_lattice_solver(problem, partition, LatticeTier::optimized, threads);
            reference->set_values(start);
            optimized->set_values(start);
            for (const int count : {1, 2, 0, 3, 4}) {  // begins with either half, fused or not
              reference->run(count);
              optimized->run(count);
              reference->get_values(expected);
              optimized->get_values(found);
              CHECK(largest_difference(found, expected) < 1e-12 * 40);
            }
            // What was updated last is at its minimum; ten half sweeps end with black.
            CHECK(residual_of(problem, found, partition, 1) < 1e-12 * 160 * problem.weight);
          }
        }
      }
    }
    if (core::hardware_isa() == core::Isa::avx2) break;
  }
}

TEST_CASE("a sweep that forgets one label is found by both measures") {
  const LatticeProblem problem = random_lattice(17, 18, 0.1, 1.0, 9);
  LatticeProblem forgetful = problem;
  const auto first = static_cast<std::size_t>(
      std::find(problem.labelled.begin(), problem.labelled.end(), 1) - problem.labelled.begin());
  forgetful.labelled[first] = 0;
  for (const LatticePartition partition : kLatticePartitions) {
    const auto right = make_lattice_solver(problem, partition, LatticeTier::reference);
    const auto wrong = make_lattice_solver(forgetful, partition, LatticeTier::optimized, 1);
    std::vector<double> expected(problem.labels.size());
    std::vector<double> found(problem.labels.size());
    right->run(2);
    wrong->run(2);
    right->get_values(expected);
    wrong->get_values(found);
    CHECK(largest_difference(found, expected) > 1e-3);
    // Only the half that was last is at its minimum.
    CHECK(residual_of(problem, expected, partition, 0) > 1e-3);
  }
}

TEST_CASE("gaps fall with each half sweep to the optimum, and energies agree with them") {
  for (const LatticeSize& size :
       {LatticeSize{1, 40}, LatticeSize{40, 1}, LatticeSize{2, 2}, LatticeSize{24, 37}}) {
    const LatticeProblem problem = random_lattice(size.rows, size.columns, 0.2, 3.0, 21);
    const std::vector<double> optimum = lattice_optimum(problem).values;
    CHECK(residual(problem, optimum) < 1e-11);
    for (const LatticePartition partition : kLatticePartitions) {
      INFO(shown(problem) << " " << name_of(partition));
      const auto solver = make_lattice_solver(problem, partition, LatticeTier::optimized, 2);
      std::vector<double> values = start_state(problem).values;
      double before = gap(problem, values, optimum);
      CHECK(energy(problem, values) - energy(problem, optimum) == Approx(before).epsilon(1e-10));
      bool falls = true;
      for (int i = 0; i < 20'000 && before > 1e-20; ++i) {
        solver->run(1);
        solver->get_values(values);
        const double now = gap(problem, values, optimum);
        falls = falls && now <= before * (1 + 1e-12);
        before = now;
      }
      CHECK(falls);
      CHECK(before < 1e-20);
    }
  }
}

TEST_CASE("runs stop at a gap or after so many half sweeps") {
  const LatticeProblem problem = random_lattice(20, 30, 0.1, 1.0, 4);
  const std::vector<double> optimum = lattice_optimum(problem).values;
  const auto solver =
      make_lattice_solver(problem, LatticePartition::combs, LatticeTier::optimized, 1);
  const LatticeRun cut = run_until(*solver, problem, optimum, {.gap = 1e-8, .half_sweeps = 3});
  CHECK(cut.half_sweeps == 3);
  CHECK_FALSE(cut.converged);
  const LatticeRun done =
      run_until(*solver, problem, optimum, {.gap = 1e-8, .half_sweeps = 10'000, .look_every = 7});
  CHECK(done.converged);
  CHECK(done.gap <= 1e-8);
  CHECK(done.half_sweeps % 7 == 0);
  CHECK_THROWS_AS(run_until(*solver, problem, optimum, {.look_every = 0}), std::invalid_argument);
}

TEST_CASE("random lattices are the same for every thread count") {
  const int before = core::thread_count();
  core::set_thread_count(1);
  const LatticeProblem one = random_lattice(100, 70, 0.04, 1.0, 42);
  core::set_thread_count(3);
  const LatticeProblem three = random_lattice(100, 70, 0.04, 1.0, 42);
  core::set_thread_count(before);
  CHECK(one.labelled == three.labelled);
  CHECK(one.labels == three.labels);
  CHECK(core::fnv1a_bytes(one.labels.data(), one.labels.size() * sizeof(double)) ==
        0xe7ae7bb8584b8d35u);
  const auto labelled = std::count(one.labelled.begin(), one.labelled.end(), 1);
  CHECK(labelled > 200);
  CHECK(labelled < 360);
  CHECK(random_lattice(100, 70, 0.04, 1.0, 43).labels != one.labels);
}

TEST_CASE("factors by class are those of the recursion at any length") {
  // A label at the far end and one amid a long tooth, in columns of degree 3 and 4.
  const LatticeProblem problem = listed(100, 5, {0, 3 * 100 + 60}, {1.0, 2.0});
  const ToothFactors values;
  for (const int comb : {0, 1}) {
    const CombFactors factors = comb_factors(problem, comb);
    const Index spine = comb == 0 ? 0 : 99;
    const Index away = comb == 0 ? 1 : -1;
    for (Index tooth = 0; tooth < factors.teeth; ++tooth) {
      double child = 0;
      bool same = true;
      for (Index step = 98; step >= 1; --step) {
        const Index row = spine + away * step;
        const bool label =
            problem.labelled[static_cast<std::size_t>(problem.node(row, 2 * tooth + comb))] != 0;
        child = label ? 0 : 1 / (problem.degree(row, 2 * tooth + comb) - child);
        const Index place = row * factors.teeth + tooth;
        const auto of_class = factors.classes[static_cast<std::size_t>(place)];
        same = same && values.of[of_class] == child;
      }
      CHECK(same);
    }
  }
}

TEST_CASE("lattices that have no unique minimiser or make no sense say where and why") {
  using Catch::Matchers::Contains;
  LatticeProblem problem = random_lattice(3, 4, 0.5, 1.0, 1);
  const auto rejected = [](const LatticeProblem& wrong, const char* why) {
    CHECK_THROWS_WITH(validate(wrong), Contains(why));
    CHECK_THROWS_AS(make_lattice_solver(wrong, LatticePartition::combs, LatticeTier::optimized),
                    std::invalid_argument);
  };
  LatticeProblem wrong = problem;
  wrong.labelled.assign(12, 0);
  rejected(wrong, "no node has a label");
  wrong = problem;
  wrong.labelled[7] = 1;
  wrong.labels[7] = std::numeric_limits<double>::quiet_NaN();
  rejected(wrong, "the label at row 1, column 2 is not finite");
  wrong.labelled[7] = 0;  // then nobody reads it
  CHECK_NOTHROW(validate(wrong));
  wrong = problem;
  wrong.labelled[0] = 2;
  rejected(wrong, "the mask at row 0, column 0");
  wrong = problem;
  wrong.labels.pop_back();
  rejected(wrong, "11 labels for 12 nodes");
  wrong = problem;
  wrong.rows = 0;
  rejected(wrong, "0 x 4 has no nodes");
  wrong.rows = wrong.columns = 65536;
  rejected(wrong, "more than 2^31 - 1 nodes");
  for (const double weight : {0.0, -1.0, std::numeric_limits<double>::infinity()}) {
    wrong = problem;
    wrong.weight = weight;
    rejected(wrong, "the weight is");
  }
  CHECK_THROWS_WITH(random_lattice(2, 2, 1.5, 1.0, 1), Contains("share"));
  CHECK_THROWS_WITH(listed(2, 2, {1, 1}, {1, 1}), Contains("node 1 is labelled twice"));
  CHECK_THROWS_WITH(listed(2, 2, {1, 4}, {1, 1}), Contains("node 4"));
  CHECK_THROWS_WITH(listed(2, 2, {1}, {1, 1}), Contains("1 labelled nodes and 2 labels"));
}

}  // namespace lattice_test
}  // namespace ashlar::bcd
