#include "harness/measure/cuda_check.cuh"
#include "harness/measure/cuda_timer.hpp"

#include <cmath>
#include <utility>

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

/// Keeps a stream busy for about 20 us (at 2 GHz; longer at lower clocks).
__global__ void hold_kernel() {
  constexpr long long kCycles = 40000;
  const long long start = clock64();
  while (clock64() - start < kCycles) {
  }
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
  CudaDevice device;
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

struct CudaTimer::State {
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (start != nullptr) cudaEventDestroy(start);
    if (stop != nullptr) cudaEventDestroy(stop);
    if (flush_buffer != nullptr) cudaFree(flush_buffer);
    if (stream != nullptr) cudaStreamDestroy(stream);
  }

  cudaStream_t stream = nullptr;
  cudaEvent_t start = nullptr;
  cudaEvent_t stop = nullptr;
  void* flush_buffer = nullptr;
  std::size_t flush_bytes = 0;
};

CudaTimer::CudaTimer() {
  require_device();
  state_ = std::make_unique<State>();
  // Non-blocking: the default stream of a library must not serialise with the timed work.
  ASHLAR_MEASURE_CHECK(cudaStreamCreateWithFlags(&state_->stream, cudaStreamNonBlocking));
  ASHLAR_MEASURE_CHECK(cudaEventCreate(&state_->start));
  ASHLAR_MEASURE_CHECK(cudaEventCreate(&state_->stop));
  state_->flush_bytes = static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize));
  if (state_->flush_bytes != 0) {
    ASHLAR_MEASURE_CHECK(cudaMalloc(&state_->flush_buffer, state_->flush_bytes));
  }
}

CudaTimer::~CudaTimer() = default;
CudaTimer::CudaTimer(CudaTimer&&) noexcept = default;
CudaTimer& CudaTimer::operator=(CudaTimer&&) noexcept = default;

void* CudaTimer::stream() const { return state_->stream; }

std::int64_t CudaTimer::time_ns(const std::function<void(void*)>& launch) {
  if (state_->flush_bytes != 0) {
    ASHLAR_MEASURE_CHECK(
        cudaMemsetAsync(state_->flush_buffer, 0, state_->flush_bytes, state_->stream));
  }
  ASHLAR_MEASURE_CHECK(cudaStreamSynchronize(state_->stream));
  // On an idle stream the first event would happen at once, and the microseconds in which the host
  // brings the first launch to the device would count. Behind this kernel event and launches stand
  // in line before any of them begins.
  hold_kernel<<<1, 1, 0, state_->stream>>>();
  ASHLAR_MEASURE_CHECK(cudaGetLastError());
  ASHLAR_MEASURE_CHECK(cudaEventRecord(state_->start, state_->stream));
  launch(state_->stream);
  ASHLAR_MEASURE_CHECK(cudaEventRecord(state_->stop, state_->stream));
  ASHLAR_MEASURE_CHECK(cudaEventSynchronize(state_->stop));
  float milliseconds = 0;
  ASHLAR_MEASURE_CHECK(cudaEventElapsedTime(&milliseconds, state_->start, state_->stop));
  return std::llround(static_cast<double>(milliseconds) * 1e6);
}

void CudaTimer::run(const std::function<void(void*)>& launch) {
  launch(state_->stream);
  ASHLAR_MEASURE_CHECK(cudaStreamSynchronize(state_->stream));
}

}  // namespace ashlar::measure
