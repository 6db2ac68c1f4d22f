#include "impls/nn/block_kernels.hpp"

#include <cuda_runtime.h>

#include "impls/core/cuda/check.cuh"

namespace ashlar::nn {
namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 4;  // of a block
constexpr unsigned kAllLanes = 0xffffffffU;

struct DeviceWarp {
  static constexpr int kLanes = ashlar::nn::kLanes;
  __device__ int lane() const { return static_cast<int>(threadIdx.x); }
  /// Every lane adds the same pairs, so all have the same bits.
  __device__ float sum(float value) const {
#pragma unroll
    for (int step = kLanes / 2; step > 0; step /= 2)
      value += __shfl_xor_sync(kAllLanes, value, step);
    return value;
  }
};

__device__ Index warp_index(unsigned block) {
  return static_cast<Index>(block) * kWarps + static_cast<Index>(threadIdx.y);
}

template <class Rows>
__global__ void __launch_bounds__(kLanes* kWarps) rows_kernel(const __grid_constant__ Rows rows) {
  const Index row = warp_index(blockIdx.x);
  if (row < rows.tokens) apply_row(DeviceWarp(), rows, row);
}

template <class Sums>
__global__ void __launch_bounds__(kLanes* kWarps) parts_kernel(const __grid_constant__ Sums sums) {
  const Index column =
      (static_cast<Index>(blockIdx.x) * kLanes + static_cast<Index>(threadIdx.x)) * kChunk;
  if (column < sums.width) sum_part(sums, warp_index(blockIdx.y), column);
}

template <class Sums>
__global__ void __launch_bounds__(kLanes* kWarps) sums_kernel(const __grid_constant__ Sums sums) {
  const Index column = warp_index(blockIdx.x) * kLanes + static_cast<Index>(threadIdx.x);
  if (column < sums.width) sum_parts(sums, static_cast<int>(blockIdx.y), column);
}

unsigned blocks(Index items, Index of_block) {
  return static_cast<unsigned>((items + of_block - 1) / of_block);
}

}  // namespace

template <class Rows>
void launch_rows(const Rows& rows, void* stream) {
  if (rows.tokens == 0) return;
  rows_kernel<<<blocks(rows.tokens, kWarps), dim3(kLanes, kWarps), 0,
                static_cast<cudaStream_t>(stream)>>>(rows);
  ASHLAR_CUDA_CHECK_LAUNCH("rows_kernel");
}

template <class Sums>
void launch_sums(const Sums& sums, void* stream) {
  static_assert(kSumParts % kWarps == 0);
  auto* const queue = static_cast<cudaStream_t>(stream);
  const dim3 threads(kLanes, kWarps);
  parts_kernel<<<dim3(blocks(sums.width, kLanes * kChunk), kSumParts / kWarps), threads, 0,
                 queue>>>(sums);
  ASHLAR_CUDA_CHECK_LAUNCH("parts_kernel");
  sums_kernel<<<dim3(blocks(sums.width, kLanes * kWarps), Sums::kSums), threads, 0, queue>>>(sums);
  ASHLAR_CUDA_CHECK_LAUNCH("sums_kernel");
}

template void launch_rows(const NormRows<core::BFloat16>&, void*);
template void launch_rows(const NormBackwardRows<core::BFloat16>&, void*);
template void launch_rows(const BiasRows<core::BFloat16>&, void*);
template void launch_rows(const GeluRows<core::BFloat16>&, void*);
template void launch_rows(const GeluBackwardRows<core::BFloat16>&, void*);
template void launch_sums(const BiasSums<core::BFloat16>&, void*);
template void launch_sums(const NormSums<core::BFloat16>&, void*);

}  // namespace ashlar::nn
