// Lattice sweeps against what is known without them: published gaps, and the general forest solver.
#include <algorithm>
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/data.hpp"
#include "impls/bcd/forest.hpp"
#include "impls/bcd/lattice_solver.hpp"
#include "impls/bcd/rule.hpp"
#include "impls/bcd/test_lattices.hpp"

namespace ashlar::bcd {
namespace lattice_known_test {

using namespace test;

TEST_CASE("a half sweep is the forest solver's on the same block") {
  for (const LatticeSize& size : {LatticeSize{2, 2}, LatticeSize{5, 8}, LatticeSize{23, 12}}) {
    const LatticeProblem problem = random_lattice(size.rows, size.columns, 0.1, 2.5, 31);
    const Problem general = make_lattice(labelled_nodes(problem));
    const SymmetricMatrix& matrix = *general.matrix;
    const std::vector<Index>& nodes = general.lattice->nodes;
    ForestFinder finder(matrix);
    for (const LatticePartition partition : kLatticePartitions) {
      const auto solver = make_lattice_solver(problem, partition, LatticeTier::optimized, 1);
      std::vector<double> found = random_values(problem, 8);
      solver->set_values(found);
      std::vector<double> x(nodes.size());
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = found[static_cast<std::size_t>(nodes[i])];
      for (const int half : {0, 1, 0}) {
        std::vector<Index> block;
        std::vector<double> right;
        for (Index i = 0; i < matrix.size(); ++i) {
          const Index node = nodes[static_cast<std::size_t>(i)];
          if (half_of(partition, size.rows, node % size.rows, node / size.rows) == half)
            block.push_back(i);
        }
        std::vector<bool> inside(nodes.size());
        for (const Index i : block) inside[static_cast<std::size_t>(i)] = true;
        for (const Index i : block) {
          double sum = general.linear[static_cast<std::size_t>(i)];
          for (std::size_t k = 0; k < matrix.rest.indices_of(i).size(); ++k) {
            const auto j = static_cast<std::size_t>(matrix.rest.indices_of(i)[k]);
            if (!inside[j]) sum -= matrix.rest.values_of(i)[k] * x[j];
          }
          right.push_back(sum);
        }
        ForestOrder order;
        std::vector<double> scratch;
        finder.find(block, order);
        solve(order, right, scratch);
        for (std::size_t k = 0; k < block.size(); ++k)
          x[static_cast<std::size_t>(block[k])] = right[k];
        solver->run(1);
        solver->get_values(found);
        double off = 0;
        for (std::size_t i = 0; i < x.size(); ++i)
          off = std::max(off, std::abs(x[i] - found[static_cast<std::size_t>(nodes[i])]));
        INFO(shown(problem) << " " << name_of(partition) << " half " << half);
        CHECK(off < 1e-12 * 40);
      }
    }
  }
}

TEST_CASE("halves are the blocks of the general partitions") {
  for (const LatticeSize& size : {LatticeSize{2, 2}, LatticeSize{7, 10}, LatticeSize{12, 5}}) {
    const LatticeProblem problem = random_lattice(size.rows, size.columns, 0.1, 2.5, 31);
    const Problem general = make_lattice(labelled_nodes(problem));
    const auto objective = make_reference_objective(general);
    for (const LatticePartition partition : kLatticePartitions) {
      Rule rule;
      rule.partition =
          partition == LatticePartition::combs ? Partition::trees : Partition::red_black;
      rule.selection = Selection::cyclic;
      rule.update = Update::message_passing;
      Blocks halves(2);
      for (Index i = 0; i < general.size(); ++i) {
        const Index node = general.lattice->nodes[static_cast<std::size_t>(i)];
        const int half = half_of(partition, size.rows, node % size.rows, node / size.rows);
        halves[static_cast<std::size_t>(half)].push_back(i);
      }
      Blocks blocks = make_blocks(rule, *objective);
      for (auto& block : blocks) std::sort(block.begin(), block.end());
      INFO(shown(problem) << " " << name_of(partition));
      CHECK(blocks == halves);
    }
  }
}

TEST_CASE("data set D gives the published gaps of both partitions") {
  const LatticeProblem problem = lattice_with_labels(draw_lattice(50, 50, 100, 1));
  const std::vector<double> optimum = lattice_optimum(problem).values;
  const auto gap_after = [&](LatticePartition partition, LatticeTier tier, std::int64_t count) {
    const auto solver = make_lattice_solver(problem, partition, tier, 2);
    return run_until(*solver, problem, optimum,
                     {.gap = 0, .half_sweeps = count, .look_every = count})
        .gap;
  };
  for (const LatticeTier tier : {LatticeTier::reference, LatticeTier::optimized}) {
    INFO(name_of(tier));
    // Figure 6a, recomputed to more digits than the figure shows.
    CHECK(gap_after(LatticePartition::red_black, tier, 100) == Approx(2.127e6).epsilon(0.005));
    CHECK(gap_after(LatticePartition::combs, tier, 100) == Approx(8.231e4).epsilon(0.005));
    CHECK(gap_after(LatticePartition::red_black, tier, 500) == Approx(20.5).epsilon(0.005));
    // That was f - f* in double precision, where f has steps of 2^-23.
    const double last = gap_after(LatticePartition::combs, tier, 500);
    CHECK(last == Approx(2.79e-5).epsilon(0.005).margin(4 * 0x1p-23));
    CHECK(last == Approx(2.7623e-5).epsilon(1e-3));
  }
  // The energy is f and a constant: f* = -1045999575.22707, and c of labelled nodes is not in it.
  const Problem general = make_d();
  double linear = 0;
  for (std::size_t i = 0; i < general.linear.size(); ++i)
    linear += general.linear[i] * optimum[static_cast<std::size_t>(general.lattice->nodes[i])];
  CHECK(-0.5 * linear == Approx(-1045999575.22707).epsilon(1e-12));
}

TEST_CASE("a small gap is the difference of energies in higher precision") {
  const LatticeProblem problem = lattice_with_labels(draw_lattice(50, 50, 100, 1));
  const std::vector<double> optimum = lattice_optimum(problem).values;
  const auto solver =
      make_lattice_solver(problem, LatticePartition::combs, LatticeTier::optimized, 1);
  std::vector<double> values(optimum.size());
  solver->run(500);
  solver->get_values(values);
  const auto precise = [&](const std::vector<double>& x) {
    long double sum = 0;
    const auto edge = [&](Index i, Index j) {
      const long double off = static_cast<long double>(x[static_cast<std::size_t>(i)]) -
                              static_cast<long double>(x[static_cast<std::size_t>(j)]);
      sum += off * off;
    };
    for (Index c = 0; c < 50; ++c) {
      for (Index r = 0; r < 50; ++r) {
        if (r + 1 < 50) edge(problem.node(r, c), problem.node(r + 1, c));
        if (c + 1 < 50) edge(problem.node(r, c), problem.node(r, c + 1));
      }
    }
    return 0.5L * static_cast<long double>(problem.weight) * sum;
  };
  const auto difference = static_cast<double>(precise(values) - precise(optimum));
  CHECK(gap(problem, values, optimum) == Approx(difference).epsilon(1e-4));
}

}  // namespace lattice_known_test
}  // namespace ashlar::bcd
