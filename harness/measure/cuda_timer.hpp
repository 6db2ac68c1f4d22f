#pragma once
// Timing on a GPU, and what the machine record says of it. No CUDA types: a build without CUDA has
// the same functions, which say "not built".
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "harness/measure/sample.hpp"

namespace ashlar::measure {

/// Why device 0 cannot be used: "not built", or "no device: ..." with what the driver said (a
/// missing driver is no device). Nothing when it can. Asked once and remembered.
const std::optional<std::string>& cuda_unavailable();

/// Device 0. This and all below throw std::runtime_error when cuda_unavailable().
struct CudaDevice {
  std::string name;
  int compute_capability = 0;  // 90 means 9.0
  int multiprocessors = 0;
  std::int64_t clock_khz = 0;         // peak, of the multiprocessors
  std::int64_t memory_clock_khz = 0;  // peak
  int memory_bus_bits = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t l2_bytes = 0;
  bool ecc = false;
  std::string driver_version;   // the newest CUDA that the driver knows, "13.0"
  std::string runtime_version;  // the CUDA that this binary was built with
  std::string pci_bus_id;       // "0000:01:00.0"; by it gpu_state() of nvml.hpp finds the device
};
CudaDevice cuda_device();

/// The CUDA counterpart of make_cpu_timer(): wall_ns is device time, every execution of a batch has
/// a cold L2 cache of its own, and samples of a throttled device are taken again
/// (cuda_timing.hpp). Throws std::runtime_error when cuda_unavailable().
std::unique_ptr<Timer> make_cuda_timer(Clock& clock, bool syncs_internally);

/// What device 0 reaches at most, each the median of a few repetitions on data that is not
/// constant.
struct CudaRates {
  double copy_bytes_per_s = 0;  // device to device, bytes read plus bytes written
  std::int64_t copy_buffer_bytes = 0;
  std::optional<double> bf16_flop_per_s;  // cuBLAS, bf16 with float sums
  std::int64_t matrix_size = 0;           // of the square product
  std::string matrix_library;             // the library's name, or why there is no rate
};
CudaRates calibrate_cuda();

}  // namespace ashlar::measure
