// Without a device this says why it is skipped and passes.
#include "baselines/bcd/naive_lattice_cuda.hpp"

#include <iostream>
#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/test_lattices.hpp"

namespace ashlar::bcd::baselines {
namespace naive_lattice_cuda_test {
namespace {

using namespace test;

constexpr LatticeSize kSizes[] = {{1, 1}, {1, 9},  {9, 1},   {2, 2},  {2, 17},
                                  {3, 3}, {17, 2}, {12, 13}, {40, 31}};

}  // namespace

TEST_CASE("plain half sweeps on a GPU are those of the CPU") {
  if (const auto why = naive_lattice_cuda_unsupported()) {
    std::cout << "skipped: " << *why << "\n";
    CHECK_THROWS_AS(
        make_naive_cuda_lattice(random_lattice(3, 3, 0.5, 1, 1), LatticePartition::combs),
        std::invalid_argument);
    return;
  }
  for (const LatticeSize& size : kSizes) {
    for (const LatticeProblem& problem : lattices(size)) {
      for (const LatticePartition partition : kLatticePartitions) {
        INFO(shown(problem) << " " << name_of(partition));
        const auto device = make_naive_cuda_lattice(problem, partition);
        const auto reference = make_lattice_solver(problem, partition, LatticeTier::reference);
        std::vector<double> expected(problem.labels.size());
        std::vector<double> found(problem.labels.size());
        device->run(5);
        reference->run(5);
        device->get_values(found);
        reference->get_values(expected);
        CHECK(largest_difference(found, expected) < 1e-12 * 40);
      }
    }
  }
}

}  // namespace naive_lattice_cuda_test
}  // namespace ashlar::bcd::baselines
