// The steps of a timed execution on device 0.
#include <cmath>
#include <vector>

#include "harness/measure/cuda_check.cuh"
#include "harness/measure/cuda_steps.hpp"
#include "harness/measure/cuda_timer.hpp"

namespace ashlar::measure {
namespace {

/// Keeps a stream busy for about 20 us (at 2 GHz; longer at lower clocks).
__global__ void hold_kernel() {
  constexpr long long kCycles = 40000;
  const long long start = clock64();
  while (clock64() - start < kCycles) {
  }
}

/// Keeps a stream busy until the host writes the flag.
__global__ void block_kernel(const volatile int* flag) {
  while (*flag == 0) {
  }
}

/// One multiprocessor's cycles and the device's time; `ns` is 0 where it was not read.
struct Reading {
  unsigned long long cycles;
  unsigned long long ns;
};

/// One block per multiprocessor or so, as counters of two multiprocessors do not compare. Which one
/// a block runs on is found out, and one that gets none of them is missing at no cost.
__global__ void clock_kernel(Reading* readings, unsigned count) {
  unsigned multiprocessor = 0;
  unsigned long long ns = 0;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(multiprocessor));
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  if (multiprocessor < count)
    readings[multiprocessor] = {static_cast<unsigned long long>(clock64()), ns};
}

int attribute(cudaDeviceAttr which) {
  int value = 0;
  ASHLAR_MEASURE_CHECK(cudaDeviceGetAttribute(&value, which, 0));
  return value;
}

class DeviceSteps final : public CudaSteps {
 public:
  DeviceSteps() {
    // A destructor does not run for an object whose constructor throws.
    try {
      make();
    } catch (...) {
      free_all();
      throw;
    }
  }
  ~DeviceSteps() override { free_all(); }
  DeviceSteps(const DeviceSteps&) = delete;
  DeviceSteps& operator=(const DeviceSteps&) = delete;

  void* stream() override { return stream_; }
  void flush() override {
    if (flush_bytes_ != 0)
      ASHLAR_MEASURE_CHECK(cudaMemsetAsync(flush_buffer_, 0, flush_bytes_, stream_));
  }
  void synchronize() override { ASHLAR_MEASURE_CHECK(cudaStreamSynchronize(stream_)); }
  void block() override {
    *static_cast<volatile int*>(flag_) = 0;
    block_kernel<<<1, 1, 0, stream_>>>(flag_on_device_);
    ASHLAR_MEASURE_CHECK(cudaGetLastError());
  }
  void release() noexcept override { *static_cast<volatile int*>(flag_) = 1; }
  void hold() override {
    hold_kernel<<<1, 1, 0, stream_>>>();
    ASHLAR_MEASURE_CHECK(cudaGetLastError());
  }
  void clock_start() override {
    ASHLAR_MEASURE_CHECK(
        cudaMemsetAsync(readings_, 0, 2 * multiprocessors_ * sizeof(Reading), stream_));
    read_clock(readings_);
  }
  void clock_stop() override { read_clock(readings_ + multiprocessors_); }
  void event_start() override { ASHLAR_MEASURE_CHECK(cudaEventRecord(start_, stream_)); }
  void event_stop() override { ASHLAR_MEASURE_CHECK(cudaEventRecord(stop_, stream_)); }
  std::int64_t event_ns() override {
    float milliseconds = 0;
    ASHLAR_MEASURE_CHECK(cudaEventElapsedTime(&milliseconds, start_, stop_));
    return std::llround(static_cast<double>(milliseconds) * 1e6);
  }

  std::optional<ClockSpan> clock_span() override {
    std::vector<Reading> readings(2 * multiprocessors_);
    ASHLAR_MEASURE_CHECK(cudaMemcpy(readings.data(), readings_, readings.size() * sizeof(Reading),
                                    cudaMemcpyDeviceToHost));
    for (std::size_t i = 0; i < multiprocessors_; ++i) {
      const Reading& from = readings[i];
      const Reading& to = readings[multiprocessors_ + i];
      if (from.ns == 0 || to.ns == 0) continue;
      return ClockSpan{static_cast<std::int64_t>(to.cycles - from.cycles),
                       static_cast<std::int64_t>(to.ns - from.ns)};
    }
    return std::nullopt;
  }

  double default_clock_hz() override { return default_clock_hz_; }

 private:
  void make() {
    // Non-blocking: the default stream of a library must not serialise with the timed work.
    ASHLAR_MEASURE_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    ASHLAR_MEASURE_CHECK(cudaEventCreate(&start_));
    ASHLAR_MEASURE_CHECK(cudaEventCreate(&stop_));
    ASHLAR_MEASURE_CHECK(cudaHostAlloc(&flag_, sizeof(int), cudaHostAllocMapped));
    void* mapped = nullptr;
    ASHLAR_MEASURE_CHECK(cudaHostGetDevicePointer(&mapped, flag_, 0));
    flag_on_device_ = static_cast<const int*>(mapped);
    multiprocessors_ = static_cast<std::size_t>(attribute(cudaDevAttrMultiProcessorCount));
    ASHLAR_MEASURE_CHECK(cudaMalloc(&readings_, 2 * multiprocessors_ * sizeof(Reading)));
    default_clock_hz_ = 1e3 * attribute(cudaDevAttrClockRate);
    flush_bytes_ = static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize));
    if (flush_bytes_ != 0) ASHLAR_MEASURE_CHECK(cudaMalloc(&flush_buffer_, flush_bytes_));
  }

  void read_clock(Reading* to) {
    const auto count = static_cast<unsigned>(multiprocessors_);
    clock_kernel<<<count, 1, 0, stream_>>>(to, count);
    ASHLAR_MEASURE_CHECK(cudaGetLastError());
  }

  void free_all() noexcept {
    if (start_ != nullptr) cudaEventDestroy(start_);
    if (stop_ != nullptr) cudaEventDestroy(stop_);
    if (flush_buffer_ != nullptr) cudaFree(flush_buffer_);
    if (readings_ != nullptr) cudaFree(readings_);
    if (flag_ != nullptr) cudaFreeHost(flag_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  cudaStream_t stream_ = nullptr;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t stop_ = nullptr;
  void* flag_ = nullptr;  // in the host's memory, mapped into the device's
  const int* flag_on_device_ = nullptr;
  Reading* readings_ = nullptr;  // at the start, then at the stop, of each multiprocessor
  std::size_t multiprocessors_ = 0;
  double default_clock_hz_ = 0;
  void* flush_buffer_ = nullptr;
  std::size_t flush_bytes_ = 0;
};

}  // namespace

std::unique_ptr<CudaSteps> make_cuda_steps() {
  if (cuda_unavailable()) throw std::runtime_error(*cuda_unavailable());
  return std::make_unique<DeviceSteps>();
}

}  // namespace ashlar::measure
