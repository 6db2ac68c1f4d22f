#include "impls/bcd/cuda_forest.hpp"

#include <algorithm>
#include <stdexcept>

#include "impls/bcd/cuda_forest_launch.hpp"
#include "impls/bcd/forest_rounds.hpp"
#include "impls/core/cuda/device.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

using core::cuda::DeviceBuffer;

template <class T>
DeviceBuffer forest_upload(const std::vector<T>& values) {
  DeviceBuffer buffer(values.size() * sizeof(T));
  if (!values.empty()) buffer.copy_in(values.data(), buffer.bytes());
  return buffer;
}

/// Puts a task's arrays on the device and keeps them.
auto keep_in(std::vector<DeviceBuffer>& arrays) {
  return [&arrays]<class T>(const std::vector<T>& values) {
    arrays.push_back(forest_upload(values));
    return static_cast<const T*>(arrays.back().data());
  };
}

/// Threads that a wide phase can use.
std::int64_t items_of(const ForestRounds& rounds) {
  std::int64_t most = 0;
  const Index narrow = rounds.narrow_from(kernel::kNarrowSlots);
  for (Index number = 0; number < narrow; ++number) {
    const ForestLevel& level = rounds.levels[number];
    most = std::max({most, std::int64_t{level.end} - level.first,
                     std::int64_t{level.longer} - level.first +
                         std::int64_t{kernel::kLanes} * (level.end - level.longer)});
  }
  return most;
}

void require_forest_device() {
  if (const auto why = cuda_forest_unsupported())
    throw std::invalid_argument("forest on a GPU: " + *why);
}

/// In place, by a copy on the device; waits.
template <class Launch>
void solve_on_device(DeviceBuffer& vectors, std::span<double> right, const Launch& launch) {
  if (right.empty()) return;
  if (vectors.bytes() < right.size_bytes()) vectors = DeviceBuffer(right.size_bytes());
  vectors.copy_in(right.data(), right.size_bytes());
  launch(static_cast<double*>(vectors.data()));
  core::cuda::synchronize();
  vectors.copy_out(right.data(), right.size_bytes());
}

const SymmetricMatrix& matrix_of_quadratic(const Problem& problem) {
  if (problem.loss != Loss::quadratic)
    throw std::invalid_argument("forest on a GPU: the problem is no quadratic, so has no graph");
  return *problem.matrix;
}

}  // namespace

std::optional<std::string> cuda_forest_unsupported() {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!kernel::forest_kernels_built()) return "not built";
  if (!device.available) return device.reason;
  return std::nullopt;
}

CudaForest::CudaForest(const ForestOrder& order, Index most_right_sides)
    : most_right_sides_(most_right_sides) {
  const ForestRounds rounds = make_forest_rounds(order);
  require_forest_device();
  nodes_ = rounds.nodes;
  slots_ = rounds.slots();
  rounds_ = rounds.rounds;
  most_items_ = items_of(rounds);
  const std::vector<kernel::ForestTask> task{
      kernel::make_forest_task(rounds, rounds.places, nullptr, keep_in(arrays_))};
  task_ = forest_upload(task);
  if (task.front().narrow > 0) {
    values_ = DeviceBuffer(static_cast<std::size_t>(slots_) *
                           static_cast<std::size_t>(most_right_sides) * sizeof(double));
  }
}

void CudaForest::launch(const double* right, double* x, Index count, void* stream) {
  if (count > most_right_sides_) {
    throw std::invalid_argument("forest on a GPU: " + std::to_string(count) +
                                " right sides where at most " + std::to_string(most_right_sides_) +
                                " were asked for");
  }
  if (nodes_ == 0) return;
  const core::Range range("forest solve on a GPU", nodes_);
  const kernel::ForestCall call{right, x,      static_cast<double*>(values_.data()),
                                count, nodes_, slots_};
  kernel::launch_forests(
      {static_cast<const kernel::ForestTask*>(task_.data()), 1, 0, 1, most_items_}, call, stream);
}

void CudaForest::solve(std::span<double> right) {
  if (nodes_ == 0 && right.empty()) return;
  if (nodes_ == 0 || right.size() % static_cast<std::size_t>(nodes_) != 0) {
    throw std::invalid_argument("forest on a GPU: right sides of " + std::to_string(right.size()) +
                                " numbers in all for a block of " + std::to_string(nodes_));
  }
  const auto count = static_cast<Index>(right.size() / static_cast<std::size_t>(nodes_));
  solve_on_device(vectors_, right,
                  [&](double* vectors) { launch(vectors, vectors, count, nullptr); });
}

CudaForestBatch::CudaForestBatch(std::span<const ForestOrder> orders)
    : count_(static_cast<Index>(orders.size())) {
  std::vector<ForestRounds> made;
  std::vector<std::int64_t> starts;
  for (const ForestOrder& order : orders) {
    const ForestRounds& rounds = made.emplace_back(make_forest_rounds(order));
    if (rounds.slots() > kernel::kNarrowSlots) {
      throw std::invalid_argument("forest on a GPU: number " + std::to_string(made.size() - 1) +
                                  " of a batch takes " + std::to_string(rounds.slots()) +
                                  " numbers, where a thread block has " +
                                  std::to_string(kernel::kNarrowSlots));
    }
    starts.push_back(size_);
    size_ += rounds.nodes;
    most_slots_ = std::max(most_slots_, rounds.slots());
  }
  require_forest_device();
  std::vector<kernel::ForestTask> tasks;
  tasks.reserve(made.size());
  for (const ForestRounds& rounds : made)
    tasks.push_back(kernel::make_forest_task(rounds, rounds.places, nullptr, keep_in(arrays_)));
  tasks_ = forest_upload(tasks);
  starts_ = forest_upload(starts);
}

void CudaForestBatch::launch(const double* right, double* x, void* stream) {
  const core::Range range("forest batch on a GPU", count_);
  kernel::launch_forest_batch(
      {static_cast<const kernel::ForestTask*>(tasks_.data()),
       static_cast<const std::int64_t*>(starts_.data()), count_, most_slots_},
      right, x, stream);
}

void CudaForestBatch::solve(std::span<double> right) {
  if (right.size() != static_cast<std::size_t>(size_)) {
    throw std::invalid_argument("forest on a GPU: right sides of " + std::to_string(right.size()) +
                                " numbers in all for a batch of " + std::to_string(size_));
  }
  solve_on_device(vectors_, right, [&](double* vectors) { launch(vectors, vectors, nullptr); });
}

CudaForestSweeps::CudaForestSweeps(const Problem& problem, const Blocks& blocks)
    : blocks_(static_cast<Index>(blocks.size())) {
  const std::vector<ForestBlock> made = make_forest_blocks(matrix_of_quadratic(problem), blocks);
  require_forest_device();
  std::vector<kernel::ForestTask> tasks;
  Index most_slots = 0;
  for (const ForestBlock& block : made) {
    tasks.push_back(
        kernel::make_forest_task(block.rounds, block.nodes, &block.outside, keep_in(arrays_)));
    most_items_ = std::max(most_items_, items_of(block.rounds));
    if (tasks.back().narrow > 0) most_slots = std::max(most_slots, tasks.back().slots);
  }
  tasks_ = forest_upload(tasks);
  linear_ = forest_upload(problem.linear);
  values_ = DeviceBuffer(static_cast<std::size_t>(most_slots) * sizeof(double));
  x_ = DeviceBuffer(problem.linear.size() * sizeof(double));
  x_.fill(0);
}

void CudaForestSweeps::set_x(std::span<const double> x) {
  if (x.size_bytes() != x_.bytes())
    throw std::invalid_argument("set_x: x has another size than the problem");
  x_.copy_in(x.data(), x.size_bytes());
  next_ = 0;
}

void CudaForestSweeps::get_x(std::span<double> x) const {
  core::cuda::synchronize();
  x_.copy_out(x.data(), x.size_bytes());
}

void CudaForestSweeps::run(std::int64_t iterations) {
  launch(iterations, nullptr);
  core::cuda::synchronize();
}

void CudaForestSweeps::launch(std::int64_t iterations, void* stream) {
  if (iterations <= 0 || blocks_ == 0) return;
  const core::Range range("forest blocks on a GPU", iterations);
  const kernel::ForestCall call{static_cast<const double*>(linear_.data()),
                                static_cast<double*>(x_.data()),
                                static_cast<double*>(values_.data())};
  kernel::launch_forests({static_cast<const kernel::ForestTask*>(tasks_.data()), blocks_, next_,
                          iterations, most_items_},
                         call, stream);
  next_ = static_cast<Index>((next_ + iterations) % blocks_);
}

}  // namespace ashlar::bcd
