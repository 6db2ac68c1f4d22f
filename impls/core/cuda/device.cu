#include "impls/core/cuda/check.cuh"
#include "impls/core/cuda/device.hpp"

namespace ashlar::core::cuda {
namespace {

DeviceStatus no_device(cudaError_t error) {
  DeviceStatus status;
  status.built = true;
  status.reason = "no device";
  if (error != cudaSuccess) {
    status.reason +=
        std::string(": ") + cudaGetErrorName(error) + " (" + cudaGetErrorString(error) + ")";
    cudaGetLastError();  // the error is reported; later calls must not see it again
  }
  return status;
}

DeviceStatus query() {
  int count = 0;
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted != cudaSuccess || count == 0) return no_device(counted);
  cudaDeviceProp properties{};
  const cudaError_t read = cudaGetDeviceProperties(&properties, 0);
  if (read != cudaSuccess) return no_device(read);
  DeviceStatus status;
  status.built = true;
  status.name = properties.name;
  status.compute_capability = 10 * properties.major + properties.minor;
  status.multiprocessors = properties.multiProcessorCount;
  status.memory_bytes = properties.totalGlobalMem;
  status.l2_bytes = static_cast<std::size_t>(properties.l2CacheSize);
  if (status.compute_capability < 80) {
    status.reason = "no device: " + status.name + " has compute capability " +
                    std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                    ", 8.0 is needed";
    return status;
  }
  const cudaError_t created = cudaFree(nullptr);  // makes the context: the last thing that can fail
  if (created != cudaSuccess) return no_device(created);
  status.available = true;
  return status;
}

}  // namespace

const DeviceStatus& device_status() {
  static const DeviceStatus status = query();
  return status;
}

std::size_t free_memory_bytes() {
  if (!device_status().available) return 0;
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  ASHLAR_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
  return free_bytes;
}

void synchronize() { ASHLAR_CUDA_CHECK(cudaDeviceSynchronize()); }

}  // namespace ashlar::core::cuda
