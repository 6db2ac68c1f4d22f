#pragma once
// Kernels whose thread blocks wait for each other: all of them must be on the device at once, so a
// grid has no more than the device holds, and each does several items where there are more. Only
// for files that nvcc compiles.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "impls/core/cuda/check.cuh"

namespace ashlar::core::cuda {

/// Of the current device. Throws as check().
inline int device_attribute(cudaDeviceAttr attribute) {
  int device = 0;
  int value = 0;
  ASHLAR_CUDA_CHECK(cudaGetDevice(&device));
  ASHLAR_CUDA_CHECK(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}

/// More dynamic shared memory per thread block than the 48 KiB that a kernel gets without asking
/// (less what it has declared). Throws as check() where the device has less.
template <class... Parameters>
void allow_shared_bytes(void (*kernel)(Parameters...), std::size_t bytes) {
  ASHLAR_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(bytes)));
}

/// Thread blocks of `threads` threads and `shared_bytes` bytes of dynamic shared memory that the
/// current device, all of its multiprocessors, holds at once; 0 where not even one fits. Throws as
/// check().
template <class... Parameters>
std::int64_t resident_blocks(void (*kernel)(Parameters...), int threads, std::size_t shared_bytes) {
  int of_multiprocessor = 0;
  ASHLAR_CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&of_multiprocessor, kernel,
                                                                  threads, shared_bytes));
  return std::int64_t{of_multiprocessor} * device_attribute(cudaDevAttrMultiProcessorCount);
}

/// A grid for `useful` thread blocks' worth of work: at least one block, at most as many as are
/// resident.
inline unsigned cooperative_blocks(std::int64_t resident, std::int64_t useful) {
  return static_cast<unsigned>(std::max<std::int64_t>(1, std::min(resident, useful)));
}

struct CooperativeGrid {
  unsigned blocks = 1;
  int threads = 1;               // of a block
  std::size_t shared_bytes = 0;  // dynamic, of a block
};

/// One launch on `stream` (a cudaStream_t; null is the default stream), without waiting. Throws as
/// check(), naming `kernel_name`: more blocks than are resident are an error of the launch, and so
/// is a device that cannot do it, which none of compute capability 6.0 or more is on Linux.
template <class... Parameters>
void launch_cooperative(const char* kernel_name, void (*kernel)(Parameters...),
                        const CooperativeGrid& grid, void* stream,
                        const std::type_identity_t<Parameters>&... arguments) {
  void* parameters[sizeof...(Parameters) + 1] = {
      const_cast<void*>(static_cast<const void*>(&arguments))...};
  const cudaError_t result =
      cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(kernel), dim3(grid.blocks),
                                  dim3(static_cast<unsigned>(grid.threads)), parameters,
                                  grid.shared_bytes, static_cast<cudaStream_t>(stream));
  if (result == cudaSuccess) return;
  check(result, (std::string("cooperative launch of ") + kernel_name).c_str(), __FILE__, __LINE__);
}

}  // namespace ashlar::core::cuda
