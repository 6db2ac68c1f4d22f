#include <cuda_runtime.h>

#include "baselines/bcd/naive_cuda_launch.hpp"
#include "impls/core/cuda/check.cuh"

namespace ashlar::bcd::baselines {
namespace {

constexpr int kDenseThreads = 256;

__device__ std::int64_t dense_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * kDenseThreads +
         static_cast<std::int64_t>(threadIdx.x);
}

/// A thread block per row.
__global__ void slopes_kernel(const NaiveDense dense, const double* x, double* slopes) {
  __shared__ double parts[kDenseThreads];
  const auto thread = static_cast<Index>(threadIdx.x);
  const auto row = static_cast<Index>(blockIdx.x);
  parts[thread] = naive_row_part(dense, x, row, thread, kDenseThreads);
  __syncthreads();
  for (Index half = kDenseThreads / 2; half > 0; half /= 2) {
    if (thread < half) parts[thread] += parts[thread + half];
    __syncthreads();
  }
  if (thread == 0) slopes[row] = naive_slope(dense, row, parts[0]);
}
__global__ void gradient_kernel(const NaiveDense dense, const double* slopes, double* gradient) {
  const std::int64_t column = dense_thread();
  if (column < dense.columns)
    gradient[column] = naive_column_sum(dense, slopes, static_cast<Index>(column));
}
__global__ void block_kernel(const NaiveDense dense, const Index* block, Index size, double* out) {
  const std::int64_t entry = dense_thread();
  if (entry < static_cast<std::int64_t>(size) * size)
    out[entry] = naive_gram(dense, block[entry % size], block[entry / size]);
}
__global__ void move_kernel(const Index* block, const double* step, Index size, double* x) {
  const std::int64_t k = dense_thread();
  if (k < size) x[block[k]] += step[k];
}

unsigned dense_blocks(std::int64_t threads) {
  return static_cast<unsigned>((threads + kDenseThreads - 1) / kDenseThreads);
}

}  // namespace

bool naive_cuda_built() { return true; }

void launch_naive_gradient(const NaiveDense& dense, const double* x, double* slopes,
                           double* gradient) {
  slopes_kernel<<<static_cast<unsigned>(dense.rows), kDenseThreads>>>(dense, x, slopes);
  ASHLAR_CUDA_CHECK_LAUNCH("slopes_kernel");
  gradient_kernel<<<dense_blocks(dense.columns), kDenseThreads>>>(dense, slopes, gradient);
  ASHLAR_CUDA_CHECK_LAUNCH("gradient_kernel");
}

void launch_naive_block(const NaiveDense& dense, const Index* block, Index size, double* out) {
  block_kernel<<<dense_blocks(static_cast<std::int64_t>(size) * size), kDenseThreads>>>(
      dense, block, size, out);
  ASHLAR_CUDA_CHECK_LAUNCH("block_kernel");
}

void launch_naive_move(const Index* block, const double* step, Index size, double* x) {
  move_kernel<<<dense_blocks(size), kDenseThreads>>>(block, step, size, x);
  ASHLAR_CUDA_CHECK_LAUNCH("move_kernel");
}

}  // namespace ashlar::bcd::baselines
