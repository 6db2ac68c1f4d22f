// Half sweeps on a GPU against the reference. Without a device every case prints why it is skipped
// and passes.
#include "impls/bcd/lattice_cuda.hpp"

#include <iostream>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/test_lattices.hpp"
#include "impls/core/cuda/device.hpp"

namespace ashlar::bcd {
namespace lattice_cuda_test {
namespace {

using namespace test;

bool skipped() {
  if (core::cuda::device_status().available) return false;
  std::cout << "skipped: " << core::cuda::device_status().reason << "\n";
  return true;
}

void compare(const LatticeProblem& problem, DeviceReal real, double tolerance) {
  for (const LatticePartition partition : kLatticePartitions) {
    INFO(shown(problem) << " " << name_of(partition));
    const auto reference = make_lattice_solver(problem, partition, LatticeTier::optimized, 1);
    if (const auto why = lattice_cuda_unsupported(problem, partition)) {
      CHECK(partition == LatticePartition::combs);
      CHECK((problem.rows == 1 || problem.columns == 1));
      CHECK_THROWS_AS(make_cuda_lattice(problem, partition, real), std::invalid_argument);
      continue;
    }
    const auto device = make_cuda_lattice(problem, partition, real);
    const std::vector<double> start = random_values(problem, 6);
    std::vector<double> expected(start.size());
    std::vector<double> found(start.size());
    reference->set_values(start);
    device->set_values(start);
    for (const int count : {1, 2, 0, 7}) {
      reference->run(count);
      device->run(count);
      reference->get_values(expected);
      device->get_values(found);
      CHECK(largest_difference(found, expected) < tolerance);
    }
  }
}

}  // namespace

TEST_CASE("without a device the reason is given") {
  const LatticeProblem problem = random_lattice(4, 4, 0.2, 1.0, 1);
  const bool available = core::cuda::device_status().available;
  CHECK(lattice_cuda_unsupported(problem, LatticePartition::combs).has_value() != available);
  if (!available) {
    CHECK_THROWS_AS(make_cuda_lattice(problem, LatticePartition::combs, DeviceReal::f64),
                    std::invalid_argument);
  }
}

TEST_CASE("half sweeps on a GPU are those of the CPU") {
  if (skipped()) return;
  constexpr LatticeSize kSizes[] = {{1, 1},  {1, 40},   {40, 1},   {2, 2},   {2, 17},
                                    {3, 66}, {130, 63}, {260, 65}, {5, 310}, {1023, 1025}};
  for (const LatticeSize& size : kSizes) {
    for (const LatticeProblem& problem : lattices(size)) {
      compare(problem, DeviceReal::f64, 1e-12 * 40);
      compare(problem, DeviceReal::f32, 5e-5);
    }
  }
}

TEST_CASE("data set D has the published gaps on a GPU") {
  if (skipped()) return;
  const LatticeProblem problem = lattice_with_labels(draw_lattice(50, 50, 100, 1));
  const std::vector<double> optimum = lattice_optimum(problem).values;
  const auto gap_after = [&](LatticePartition partition, DeviceReal real, std::int64_t count) {
    const auto device = make_cuda_lattice(problem, partition, real);
    return run_until(*device, problem, optimum,
                     {.gap = 0, .half_sweeps = count, .look_every = count})
        .gap;
  };
  CHECK(gap_after(LatticePartition::red_black, DeviceReal::f64, 100) ==
        Approx(2.127e6).epsilon(0.005));
  CHECK(gap_after(LatticePartition::combs, DeviceReal::f64, 100) == Approx(8.231e4).epsilon(0.005));
  CHECK(gap_after(LatticePartition::combs, DeviceReal::f64, 500) ==
        Approx(2.7623e-5).epsilon(1e-3));
  CHECK(gap_after(LatticePartition::combs, DeviceReal::f32, 100) == Approx(8.231e4).epsilon(0.02));
}

}  // namespace lattice_cuda_test
}  // namespace ashlar::bcd
