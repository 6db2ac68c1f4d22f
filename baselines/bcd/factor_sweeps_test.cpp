// Sweeps by factorisations against the reference's exact updates.
#include "baselines/bcd/factor_sweeps.hpp"

#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

#include "baselines/bcd/test_problems.hpp"
#include "impls/bcd/data.hpp"
#include "impls/bcd/solve.hpp"

namespace ashlar::bcd::baselines {
namespace factor_sweeps_test {

double distance_of(std::span<const double> a, std::span<const double> b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST_CASE("factor sweeps: those of the reference on trees and on any blocks") {
  const Problem problem = make_moons(3, 300);
  const std::vector<double> start = testing::normals(problem.linear.size(), 4);
  for (const bool trees : {true, false}) {
    Rule rule;
    rule.partition = trees ? Partition::trees : Partition::sort;
    rule.selection = Selection::cyclic;
    rule.update = trees ? Update::message_passing : Update::dense_exact;
    rule.block_size = 50;
    rule.allow_short_block = true;
    Parts parts = make_parts(problem, rule);
    parts.objective->set_x(start);
    iterate(parts, static_cast<std::int64_t>(2 * parts.blocks->size()));
    for (const BlockFactor factor : {BlockFactor::dense, BlockFactor::eigen_ldlt}) {
      FactorSweeps sweeps(problem, *parts.blocks, factor);
      std::vector<double> x = start;
      sweeps.sweep(x);
      CHECK(distance_of(x, parts.objective->x()) > 1e-3);  // the second sweep counts
      sweeps.sweep(x);
      CHECK(distance_of(x, parts.objective->x()) < 1e-12);
    }
  }
}

TEST_CASE("factor sweeps: refuse other losses") {
  const Problem other = testing::least_squares(4, 3, {}, 1);
  const std::vector<std::vector<Index>> blocks{{0, 1}};
  CHECK_THROWS_AS(FactorSweeps(other, blocks, BlockFactor::dense), std::invalid_argument);
}

}  // namespace factor_sweeps_test
}  // namespace ashlar::bcd::baselines
