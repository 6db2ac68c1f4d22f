// Partitions by size.
#include <algorithm>
#include <catch2/catch.hpp>

#include "impls/bcd/numpy_order.hpp"
#include "impls/bcd/test_selection.hpp"

namespace ashlar::bcd::testing {
namespace {

/// p coordinates with the constants given; the matrix itself is diagonal.
DenseObjective with_constants(const std::vector<double>& lipschitz,
                              const std::vector<double>& row_sums) {
  DenseObjective objective(laplacian_problem(graph_of(static_cast<Index>(lipschitz.size()), {})));
  objective.constants = lipschitz;
  objective.sums = row_sums;
  return objective;
}

TEST_CASE("partitions by size cut the order that they name", "[bcd]") {
  DenseObjective objective = with_constants({5, 1, 4, 1, 3, 9}, {1, 6, 2, 5, 3, 4});
  const auto blocks_of = [&](Partition partition, Index k) {
    return make_blocks({.partition = partition, .block_size = k}, objective);
  };
  CHECK(blocks_of(Partition::variable, 2).empty());
  CHECK(blocks_of(Partition::order, 2) == Blocks{{0, 1}, {2, 3}, {4, 5}});
  // Ascending, the tie of 1 and 3 by index.
  CHECK(blocks_of(Partition::sort, 2) == Blocks{{1, 3}, {4, 2}, {0, 5}});
  CHECK(blocks_of(Partition::average, 2) == Blocks{{1, 5}, {3, 0}, {4, 2}});
  CHECK(blocks_of(Partition::hessian_sort, 3) == Blocks{{0, 2, 4}, {5, 3, 1}});
  CHECK(blocks_of(Partition::hessian_average, 3) == Blocks{{0, 1, 2}, {3, 4, 5}});
  CHECK(blocks_of(Partition::order, 6) == Blocks{{0, 1, 2, 3, 4, 5}});
  CHECK(blocks_of(Partition::sort, 1) == Blocks{{1}, {3}, {4}, {2}, {0}, {5}});
}

TEST_CASE("average takes from both ends for odd numbers too", "[bcd]") {
  DenseObjective objective = with_constants({1, 2, 3, 4, 5}, {1, 1, 1, 1, 1});
  CHECK(make_blocks({.partition = Partition::average, .block_size = 5}, objective) ==
        Blocks{{0, 4, 1, 3, 2}});
  DenseObjective single = with_constants({1}, {1});
  CHECK(make_blocks({.partition = Partition::average, .block_size = 1}, single) == Blocks{{0}});
}

TEST_CASE("equal constants keep the order of the indices", "[bcd]") {
  DenseObjective objective =
      with_constants(std::vector<double>(60, 2.5), std::vector<double>(60, 1));
  CHECK(make_blocks({.partition = Partition::sort, .block_size = 4}, objective) ==
        make_blocks({.partition = Partition::order, .block_size = 4}, objective));
}

TEST_CASE("NumPy's order of equal keys is its own", "[bcd]") {
  CHECK(numpy_order({}).empty());
  CHECK(numpy_order(std::vector<double>{3, 1, 2}) == std::vector<Index>{1, 2, 0});
  // Known answers of numpy.argsort: 17 equal keys, and 40 of 0, 1, 2, 3.
  CHECK(numpy_order(std::vector<double>(17, 0.0)) ==
        std::vector<Index>{0, 14, 13, 12, 11, 10, 9, 15, 8, 6, 5, 4, 3, 2, 1, 7, 16});
  const std::vector<double> keys{2, 0, 1, 3, 0, 0, 0, 1, 1, 3, 2, 3, 1, 1, 2, 1, 3, 2, 0, 0,
                                 0, 1, 3, 2, 0, 2, 1, 2, 2, 2, 2, 3, 0, 1, 3, 2, 1, 0, 2, 1};
  CHECK(numpy_order(keys) == std::vector<Index>{19, 1,  37, 4,  5,  6,  32, 24, 20, 18,
                                                36, 33, 26, 21, 15, 39, 2,  13, 12, 7,
                                                8,  27, 35, 30, 29, 28, 14, 0,  25, 10,
                                                23, 38, 17, 31, 22, 11, 34, 3,  9,  16});
}

TEST_CASE("NumPy's order sorts anything", "[bcd]") {
  Mersenne stream(2);
  for (const Index size : {1, 2, 16, 17, 18, 100, 3000}) {
    for (const std::uint32_t most : {0U, 2U, 40U, 1U << 30}) {
      std::vector<double> keys(size);
      for (double& key : keys) key = stream.integer(most);
      for (const bool sorted : {false, true}) {
        if (sorted) std::sort(keys.begin(), keys.end());
        const std::vector<Index> order = numpy_order(keys);
        REQUIRE(partition_fault({order}, size).empty());
        REQUIRE(std::is_sorted(order.begin(), order.end(),
                               [&](Index one, Index other) { return keys[one] < keys[other]; }));
      }
    }
  }
}

TEST_CASE("partitions take NumPy's order where that is asked for", "[bcd]") {
  DenseObjective objective =
      with_constants(std::vector<double>(17, 2.5), std::vector<double>(17, 1));
  const Blocks blocks =
      make_blocks({.partition = Partition::sort, .block_size = 17, .ties = Ties::numpy}, objective);
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0] == numpy_order(std::vector<double>(17, 0.0)));
}

TEST_CASE("the last block is short only where that is allowed", "[bcd]") {
  DenseObjective objective = with_constants({5, 1, 4, 1, 3}, {1, 1, 1, 1, 1});
  CHECK_THROWS_WITH(make_blocks({.partition = Partition::sort, .block_size = 2}, objective),
                    Catch::Matchers::Contains("block size 2 does not divide 5"));
  CHECK(make_blocks({.partition = Partition::sort, .block_size = 2, .allow_short_block = true},
                    objective) == Blocks{{1, 3}, {4, 2}, {0}});
}

TEST_CASE("a check of partitions sees what is missing and what is twice", "[bcd]") {
  CHECK(partition_fault({{0, 1}, {2}}, 3).empty());
  CHECK_FALSE(partition_fault({{0, 1}}, 3).empty());
  CHECK_FALSE(partition_fault({{0, 1}, {1, 2}}, 3).empty());
  CHECK_FALSE(partition_fault({{0, 1}, {2}, {}}, 3).empty());
}

}  // namespace
}  // namespace ashlar::bcd::testing
