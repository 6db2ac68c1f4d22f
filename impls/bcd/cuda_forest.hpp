#pragma once
// Forest blocks on a GPU: exact solves of M_bb x = r in O(log |b|) rounds (forest_rounds.hpp), and
// sweeps over the blocks of a partition, r = c_b - M_{b,rest} x_rest. Blocks are fixed: what
// elimination knows of them is found once, on the host. Double precision. No CUDA types, so that
// every build reads this header; without CUDA cuda_forest_unsupported() says so.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), section 5 (message passing on forest-structured
// blocks).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "impls/bcd/forest.hpp"
#include "impls/bcd/problem.hpp"
#include "impls/bcd/rule.hpp"
#include "impls/core/cuda/buffer.hpp"

namespace ashlar::bcd {

/// Why this binary on this machine cannot solve: "not built" or "no device: ...". Nothing when it
/// can.
std::optional<std::string> cuda_forest_unsupported();

/// M_bb in its factors, on the device.
class CudaForest {
 public:
  /// `most_right_sides` in a call. Throws what make_forest_rounds() throws, std::invalid_argument
  /// for what cuda_forest_unsupported() names, std::bad_alloc when the device's memory is short.
  explicit CudaForest(const ForestOrder& order, Index most_right_sides = 1);

  /// |b|.
  Index size() const { return nodes_; }
  Index rounds() const { return rounds_; }

  /// Solves for `count` right sides in one launch on `stream` (a cudaStream_t; null is the default
  /// stream), without waiting. `right` and `x` are device memory of count * size() numbers, right
  /// side by right side, each in the block's order; they may be the same. One call at a time.
  /// Throws std::invalid_argument for more right sides than were asked for, std::runtime_error when
  /// the launch fails.
  void launch(const double* right, double* x, Index count, void* stream);
  /// From and to host memory, in place; waits. The number of elements is a multiple of size().
  void solve(std::span<double> right);

 private:
  Index nodes_;
  Index slots_;
  Index rounds_;
  Index most_right_sides_;
  std::int64_t most_items_;
  std::vector<core::cuda::DeviceBuffer> arrays_;
  core::cuda::DeviceBuffer task_, values_, vectors_;
};

/// Many small forests, a thread block each, with a right side each. One forest of all their trees
/// would do, too, but its thread blocks would wait for each other between levels.
class CudaForestBatch {
 public:
  /// As CudaForest. Throws std::invalid_argument for a forest that is too large for a thread
  /// block's shared memory, which holds 6144 numbers: one per node, and one per 256 neighbours of a
  /// hub.
  explicit CudaForestBatch(std::span<const ForestOrder> orders);

  /// Numbers in all right sides together.
  std::int64_t size() const { return size_; }
  /// As CudaForest::launch(): size() numbers, forest by forest.
  void launch(const double* right, double* x, void* stream);
  /// From and to host memory, in place; waits. Throws std::invalid_argument for another size.
  void solve(std::span<double> right);

 private:
  std::int64_t size_ = 0;
  Index count_ = 0;
  Index most_slots_ = 0;
  std::vector<core::cuda::DeviceBuffer> arrays_;
  core::cuda::DeviceBuffer tasks_, starts_, vectors_;
};

/// Exact minimisation over one block of a quadratic after the other, in the partition's order:
/// iterate k solves block k mod |B|. Red-black and other colourings are forests of single nodes.
class CudaForestSweeps {
 public:
  /// At x = 0. The problem must have passed validate(). Throws std::invalid_argument where it is no
  /// quadratic or a block is no forest; else as CudaForest.
  CudaForestSweeps(const Problem& problem, const Blocks& blocks);

  /// Goes on with the first block.
  void set_x(std::span<const double> x);
  void get_x(std::span<double> x) const;
  /// So many blocks; waits.
  void run(std::int64_t iterations);
  /// The same in one launch on `stream`, without waiting. Throws std::runtime_error when it fails.
  void launch(std::int64_t iterations, void* stream);

 private:
  Index next_ = 0;
  Index blocks_ = 0;
  std::int64_t most_items_ = 0;
  std::vector<core::cuda::DeviceBuffer> arrays_;
  core::cuda::DeviceBuffer tasks_, linear_, x_, values_;
};

}  // namespace ashlar::bcd
