// How large a cooperative grid is, and its launch. Without a device the latter says why it is
// skipped and passes.
#include <catch2/catch.hpp>

#include <cooperative_groups.h>

#include <iostream>
#include <stdexcept>
#include <vector>

#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/cooperative.cuh"
#include "impls/core/cuda/device.hpp"

namespace ashlar::core::cuda {
namespace {

constexpr int kTestThreads = 128;

/// Each block adds 1 to its number; then all read what the next one wrote.
__global__ void rounds_kernel(int* counts, int* seen, int rounds) {
  const cooperative_groups::grid_group grid = cooperative_groups::this_grid();
  for (int round = 0; round < rounds; ++round) {
    if (threadIdx.x == 0) ++counts[blockIdx.x];
    grid.sync();
    if (threadIdx.x == 0) seen[blockIdx.x] += counts[(blockIdx.x + 1) % gridDim.x];
    grid.sync();
  }
}

}  // namespace

TEST_CASE("a cooperative grid has a block, and no more than are useful or resident") {
  CHECK(cooperative_blocks(132, 7) == 7);
  CHECK(cooperative_blocks(132, 132) == 132);
  CHECK(cooperative_blocks(132, 1'000'000'000'000) == 132);
  CHECK(cooperative_blocks(0, 7) == 1);
  CHECK(cooperative_blocks(132, 0) == 1);
}

TEST_CASE("blocks of a cooperative grid wait for each other") {
  if (!device_status().available) {
    CHECK_THROWS_AS(resident_blocks(rounds_kernel, kTestThreads, 0), std::runtime_error);
    std::cout << "skipped: " << device_status().reason << "\n";
    return;
  }
  const std::int64_t resident = resident_blocks(rounds_kernel, kTestThreads, 0);
  REQUIRE(resident >= device_status().multiprocessors);
  CHECK(resident_blocks(rounds_kernel, kTestThreads, std::size_t{40} << 10) < resident);
  for (const std::int64_t useful : {std::int64_t{1}, std::int64_t{3}, resident + 5}) {
    const unsigned blocks = cooperative_blocks(resident, useful);
    DeviceBuffer counts(blocks * sizeof(int));
    DeviceBuffer seen(blocks * sizeof(int));
    counts.fill(0);
    seen.fill(0);
    launch_cooperative("rounds_kernel", rounds_kernel, {blocks, kTestThreads}, nullptr,
                       static_cast<int*>(counts.data()), static_cast<int*>(seen.data()), 20);
    synchronize();
    std::vector<int> found(blocks);
    seen.copy_out(found.data(), seen.bytes());
    CHECK(found == std::vector<int>(blocks, 20 * 21 / 2));
  }
  const auto too_many = static_cast<unsigned>(resident + 1);
  CHECK_THROWS_WITH(launch_cooperative("rounds_kernel", rounds_kernel, {too_many, kTestThreads},
                                       nullptr, nullptr, nullptr, 0),
                    Catch::Contains("cooperative launch of rounds_kernel"));
}

}  // namespace ashlar::core::cuda
