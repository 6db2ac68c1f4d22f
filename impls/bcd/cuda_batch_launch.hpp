#pragma once
// The kernels' launches, for the host code beside them. Internal; no CUDA types.
#include <cstdint>

#include "impls/bcd/cuda_batch.hpp"
#include "impls/bcd/cuda_batch_state.hpp"

namespace ashlar::bcd::kernel {

/// Teams that run at once on the device.
struct BatchShape {
  BatchTeam team = BatchTeam::block;
  int blocks_of_team = 1;
  int teams = 1;
  bool near_is_shared = false;  // the matrix of near_numbers() fits into a block's shared memory
};

/// For `runs` runs with matrices of up to most_matrix coordinates. A cluster is refused by
/// std::invalid_argument where the device has none. Throws std::runtime_error when CUDA fails or is
/// not built.
BatchShape batch_shape(BatchTeam team, int cluster_blocks, std::int64_t runs, Index most_matrix);

/// Starts the launch on `stream`, with its queue set to 0. Throws std::runtime_error when that
/// fails or CUDA is not built.
void launch_batch(const BatchLaunch& launch, const BatchShape& shape, void* stream);

bool batch_kernels_built();

}  // namespace ashlar::bcd::kernel
