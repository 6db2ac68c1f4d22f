#include "harness/measure/cuda_check.cuh"
#include "harness/measure/cuda_timer.hpp"

namespace ashlar::measure {
namespace {

std::optional<std::string> query() {
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count == 0) return "no device";
  if (error == cudaSuccess) error = cudaFree(nullptr);  // makes the context
  if (error == cudaSuccess) return std::nullopt;
  cudaGetLastError();  // the error is reported; later calls must not see it again
  return std::string("no device: ") + cudaGetErrorName(error) + " (" + cudaGetErrorString(error) +
         ")";
}

void require_device() {
  if (cuda_unavailable()) throw std::runtime_error(*cuda_unavailable());
}

int attribute(cudaDeviceAttr which) {
  int value = 0;
  ASHLAR_MEASURE_CHECK(cudaDeviceGetAttribute(&value, which, 0));
  return value;
}

/// 13000 -> "13.0".
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

const std::optional<std::string>& cuda_unavailable() {
  static const std::optional<std::string> reason = query();
  return reason;
}

CudaDevice cuda_device() {
  require_device();
  cudaDeviceProp properties{};
  ASHLAR_MEASURE_CHECK(cudaGetDeviceProperties(&properties, 0));
  int driver = 0;
  int runtime = 0;
  ASHLAR_MEASURE_CHECK(cudaDriverGetVersion(&driver));
  ASHLAR_MEASURE_CHECK(cudaRuntimeGetVersion(&runtime));
  char bus[32] = {};
  ASHLAR_MEASURE_CHECK(cudaDeviceGetPCIBusId(bus, sizeof bus, 0));
  CudaDevice device;
  device.pci_bus_id = bus;
  device.name = properties.name;
  device.compute_capability = 10 * properties.major + properties.minor;
  device.multiprocessors = properties.multiProcessorCount;
  device.clock_khz = attribute(cudaDevAttrClockRate);
  device.memory_clock_khz = attribute(cudaDevAttrMemoryClockRate);
  device.memory_bus_bits = properties.memoryBusWidth;
  device.memory_bytes = static_cast<std::int64_t>(properties.totalGlobalMem);
  device.l2_bytes = properties.l2CacheSize;
  device.ecc = properties.ECCEnabled != 0;
  device.driver_version = version_text(driver);
  device.runtime_version = version_text(runtime);
  return device;
}

}  // namespace ashlar::measure
