#include "impls/core/cuda/buffer.hpp"

#include "impls/core/cuda/allocations.hpp"
#include "impls/core/cuda/check.cuh"

namespace ashlar::core::cuda {

DeviceBuffer::DeviceBuffer(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  ASHLAR_CUDA_CHECK(cudaMalloc(&data_, bytes));
  detail::count_allocation(static_cast<std::ptrdiff_t>(bytes));
}

void DeviceBuffer::release() noexcept {
  if (data_ == nullptr) return;
  cudaFree(data_);
  detail::count_allocation(-static_cast<std::ptrdiff_t>(bytes_));
  data_ = nullptr;
}

void DeviceBuffer::fill(int byte) {
  if (bytes_ == 0) return;
  ASHLAR_CUDA_CHECK(cudaMemset(data_, byte, bytes_));
  ASHLAR_CUDA_CHECK(cudaDeviceSynchronize());  // a memset may return before it is done
}

void DeviceBuffer::copy_in(const void* host, std::size_t bytes, std::size_t offset) {
  if (bytes == 0) return;
  ASHLAR_CUDA_CHECK(
      cudaMemcpy(static_cast<std::byte*>(data_) + offset, host, bytes, cudaMemcpyHostToDevice));
  ASHLAR_CUDA_CHECK(cudaDeviceSynchronize());  // pageable copies may return before the last part
}

void DeviceBuffer::copy_out(void* host, std::size_t bytes, std::size_t offset) const {
  if (bytes == 0) return;
  ASHLAR_CUDA_CHECK(cudaMemcpy(host, static_cast<const std::byte*>(data_) + offset, bytes,
                               cudaMemcpyDeviceToHost));
}

}  // namespace ashlar::core::cuda
