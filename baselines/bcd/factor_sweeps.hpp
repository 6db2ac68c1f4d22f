#pragma once
// Exact minimisation over the blocks of a partition of a quadratic, one after the other, without
// message passing: each block's system M_bb x_b = c_b - M_{b,rest} x_rest is factorised anew when
// its turn comes, dense as in the published code or sparse.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "baselines/bcd/quadratic_peers.hpp"
#include "impls/bcd/problem.hpp"

namespace ashlar::bcd::baselines {

enum class BlockFactor : std::uint8_t {
  dense,       // dense.hpp
  eigen_ldlt,  // with an order of its own
};

class FactorSweeps {
 public:
  /// Cuts M into blocks and the rows beside them; a reference to `problem`, which must have passed
  /// validate(), is kept, none to the blocks. Throws std::invalid_argument where it is no
  /// quadratic.
  FactorSweeps(const Problem& problem, std::span<const std::vector<Index>> blocks,
               BlockFactor factor);
  ~FactorSweeps();

  /// All blocks once. x: p numbers. Throws std::invalid_argument or std::runtime_error where M_bb
  /// is not positive definite.
  void sweep(std::span<double> x);

 private:
  struct System;
  const Problem& problem_;
  std::vector<std::unique_ptr<System>> systems_;
  std::vector<double> found_;
};

}  // namespace ashlar::bcd::baselines
