// The threads' steps by loops on the CPU against the reference.
#include <vector>

#include <catch2/catch.hpp>

#include "baselines/bcd/naive_lattice_steps.hpp"
#include "impls/bcd/lattice_reference.hpp"
#include "impls/bcd/test_lattices.hpp"

namespace ashlar::bcd::baselines {
namespace naive_lattice_test {
namespace {

using namespace test;

constexpr LatticeSize kSizes[] = {{1, 1}, {1, 9},  {9, 1},   {2, 2},  {2, 17},
                                  {3, 3}, {17, 2}, {12, 13}, {40, 31}};

void naive_half_sweep(const NaiveLattice& lattice, LatticePartition partition, int half) {
  if (partition == LatticePartition::red_black) {
    for (Index node = 0; node < lattice.rows * lattice.columns; ++node)
      naive_colour(lattice, half, node);
    return;
  }
  if (half == 1 && lattice.rows == 1) return;
  for (Index c = 0; c < lattice.columns; ++c) naive_eliminate_column(lattice, half, c);
  naive_spine(lattice, half);
  for (Index tooth = 0; 2 * tooth + half < lattice.columns; ++tooth)
    naive_substitute_tooth(lattice, half, tooth);
}

}  // namespace

TEST_CASE("a thread's steps of a plain half sweep are those of the reference") {
  for (const LatticeSize& size : kSizes) {
    for (const LatticeProblem& problem : lattices(size)) {
      for (const LatticePartition partition : kLatticePartitions) {
        INFO(shown(problem) << " " << name_of(partition));
        std::vector<double> expected = random_values(problem, 4);
        std::vector<double> values = expected;
        std::vector<double> diagonal(values.size());
        std::vector<double> right(values.size());
        const NaiveLattice lattice{.rows = size.rows,
                                   .columns = size.columns,
                                   .labelled = problem.labelled.data(),
                                   .values = values.data(),
                                   .diagonal = diagonal.data(),
                                   .right = right.data()};
        for (const int half : {0, 1, 0}) {
          reference_half_sweep(problem, partition, half, expected);
          naive_half_sweep(lattice, partition, half);
        }
        CHECK(largest_difference(values, expected) < 1e-12 * 40);
      }
    }
  }
}

}  // namespace naive_lattice_test
}  // namespace ashlar::bcd::baselines
