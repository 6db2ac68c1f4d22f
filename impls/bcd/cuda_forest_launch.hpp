#pragma once
// The kernel's launch, for the host code beside it. Internal; no CUDA types.
#include <cstdint>

#include "impls/bcd/cuda_forest_block.hpp"

namespace ashlar::bcd::kernel {

/// `solves` times: task (first + i) % tasks, each from the values that the last one left, in one
/// cooperative launch on `stream`. `tasks` is in device memory; `most_items` is the number of
/// threads that the widest of their phases can use. Throws std::runtime_error when the launch fails
/// or CUDA is not built.
struct ForestLaunch {
  const ForestTask* tasks = nullptr;
  Index task_count = 0;
  Index first = 0;
  std::int64_t solves = 0;
  std::int64_t most_items = 0;
};
void launch_forests(const ForestLaunch& launch, const ForestCall& call, void* stream);
/// One launch on `stream`; tasks and starts are in device memory. Throws as above.
void launch_forest_batch(const ForestBatch& batch, const double* right, double* x, void* stream);

bool forest_kernels_built();

}  // namespace ashlar::bcd::kernel
