#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <vector>

#include "harness/measure/cuda_check.cuh"
#include "harness/measure/cuda_timer.hpp"
#include "harness/measure/cuda_timing.hpp"

namespace ashlar::measure {
namespace {

constexpr int kWarmups = 3;
constexpr int kRepetitions = 7;
constexpr std::int64_t kCopyBytes = std::int64_t{1} << 30;
constexpr std::int64_t kMatrixSize = 8192;

class DeviceMemory {
 public:
  explicit DeviceMemory(std::int64_t bytes) {
    ASHLAR_MEASURE_CHECK(cudaMalloc(&data_, static_cast<std::size_t>(bytes)));
  }
  ~DeviceMemory() { cudaFree(data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

/// bfloat16 values in (-2, 2) with hashed bits: products of zeros run faster than real ones.
__global__ void fill_kernel(std::uint16_t* to, std::int64_t count, std::uint32_t seed) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  std::uint32_t x = static_cast<std::uint32_t>(i) * 0x9e3779b1U + seed;
  x = (x ^ (x >> 16)) * 0x85ebca6bU;
  x = (x ^ (x >> 13)) * 0xc2b2ae35U;
  x ^= x >> 16;
  const std::uint32_t exponent = 120U + (x >> 8 & 7U);  // 2^-7 .. 2^0
  to[i] = static_cast<std::uint16_t>((x & 0x8000U) | exponent << 7 | (x & 0x7fU));
}

void fill(void* data, std::int64_t bytes, std::uint32_t seed) {
  const std::int64_t count = bytes / 2;
  fill_kernel<<<static_cast<unsigned>((count + 255) / 256), 256>>>(
      static_cast<std::uint16_t*>(data), count, seed);
  ASHLAR_MEASURE_CHECK(cudaGetLastError());
  ASHLAR_MEASURE_CHECK(cudaDeviceSynchronize());
}

double median_seconds(CudaTiming& timer, const std::function<void(void*)>& launch) {
  for (int i = 0; i < kWarmups; ++i) timer.run(launch);
  std::array<std::int64_t, kRepetitions> times_ns{};
  for (std::int64_t& time : times_ns) time = timer.time(launch).device_ns;
  std::nth_element(times_ns.begin(), times_ns.begin() + kRepetitions / 2, times_ns.end());
  return static_cast<double>(times_ns[kRepetitions / 2]) * 1e-9;
}

void measure_copy(CudaTiming& timer, CudaRates& rates) {
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  ASHLAR_MEASURE_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
  const std::int64_t bytes = std::min(kCopyBytes, static_cast<std::int64_t>(free_bytes / 4));
  const DeviceMemory from(bytes);
  const DeviceMemory to(bytes);
  fill(from.data(), bytes, 1);
  const double seconds = median_seconds(timer, [&](void* stream) {
    ASHLAR_MEASURE_CHECK(cudaMemcpyAsync(to.data(), from.data(), static_cast<std::size_t>(bytes),
                                         cudaMemcpyDeviceToDevice,
                                         static_cast<cudaStream_t>(stream)));
  });
  rates.copy_buffer_bytes = bytes;
  rates.copy_bytes_per_s = 2 * static_cast<double>(bytes) / seconds;
}

/// The four functions of cuBLAS that a product takes, with the values of its stable interface.
class MatrixLibrary {
 public:
  MatrixLibrary() {
    for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
      library_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library_ == nullptr) continue;
      name_ = name;
      break;
    }
    if (library_ == nullptr) {
      const char* const error = dlerror();
      name_ = std::string("no cuBLAS: ") + (error != nullptr ? error : "not found");
      return;
    }
    find(create_, "cublasCreate_v2");
    find(destroy_, "cublasDestroy_v2");
    find(set_stream_, "cublasSetStream_v2");
    find(multiply_, "cublasGemmEx");
    if (create_ == nullptr || destroy_ == nullptr || set_stream_ == nullptr ||
        multiply_ == nullptr || create_(&handle_) != 0) {
      name_ = "no cuBLAS: " + name_ + " makes no handle";
    }
  }
  ~MatrixLibrary() {
    if (handle_ != nullptr) destroy_(handle_);
    if (library_ != nullptr) dlclose(library_);
  }
  MatrixLibrary(const MatrixLibrary&) = delete;
  MatrixLibrary& operator=(const MatrixLibrary&) = delete;

  bool ready() const { return handle_ != nullptr; }
  const std::string& name() const { return name_; }

  void multiply(const void* a, const void* b, void* c, void* stream) const {
    constexpr int kBf16 = 14;
    constexpr int kComputeFloat = 68;
    constexpr int kDefault = -1;
    constexpr int n = kMatrixSize;
    const float one = 1;
    const float zero = 0;
    if (set_stream_(handle_, stream) != 0 ||
        multiply_(handle_, 0, 0, n, n, n, &one, a, kBf16, n, b, kBf16, n, &zero, c, kBf16, n,
                  kComputeFloat, kDefault) != 0) {
      throw std::runtime_error("cublasGemmEx failed (" + name_ + ")");
    }
  }

 private:
  template <class Function>
  void find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
  }

  void* library_ = nullptr;
  void* handle_ = nullptr;
  std::string name_;
  int (*create_)(void**) = nullptr;
  int (*destroy_)(void*) = nullptr;
  int (*set_stream_)(void*, void*) = nullptr;
  int (*multiply_)(void*, int, int, int, int, int, const void*, const void*, int, int, const void*,
                   int, int, const void*, void*, int, int, int, int) = nullptr;
};

void measure_product(CudaTiming& timer, CudaRates& rates) {
  const MatrixLibrary library;
  rates.matrix_size = kMatrixSize;
  rates.matrix_library = library.name();
  if (!library.ready()) return;
  constexpr std::int64_t kBytes = kMatrixSize * kMatrixSize * 2;
  const DeviceMemory a(kBytes);
  const DeviceMemory b(kBytes);
  const DeviceMemory c(kBytes);
  fill(a.data(), kBytes, 2);
  fill(b.data(), kBytes, 3);
  const double seconds = median_seconds(
      timer, [&](void* stream) { library.multiply(a.data(), b.data(), c.data(), stream); });
  const auto n = static_cast<double>(kMatrixSize);
  rates.bf16_flop_per_s = 2 * n * n * n / seconds;
}

}  // namespace

CudaRates calibrate_cuda() {
  // A library may wait by itself; 20 microseconds of launching are nothing against its product.
  CudaTimingOptions options;
  options.lead = Lead::hold;
  CudaTiming timer(make_cuda_steps(), system_clock(), options, [](std::chrono::milliseconds) {});
  CudaRates rates;
  measure_copy(timer, rates);
  measure_product(timer, rates);
  return rates;
}

}  // namespace ashlar::measure
