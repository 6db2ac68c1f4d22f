#pragma once
// Is there a GPU to compute on? Plain C++: a build without CUDA answers too.
#include <cstddef>
#include <string>

namespace ashlar::core::cuda {

struct DeviceStatus {
  bool built = false;      // this binary holds CUDA code
  bool available = false;  // and device 0 can be used
  std::string reason;      // "not built", or "no device: ..."; empty when available
  std::string name;
  int compute_capability = 0;  // 90 means 9.0
  int multiprocessors = 0;
  std::size_t memory_bytes = 0;
  std::size_t l2_bytes = 0;
};

/// Device 0, asked once and remembered. A missing or too old driver reads as "no device".
const DeviceStatus& device_status();

/// Free memory of device 0 right now; 0 without a device.
std::size_t free_memory_bytes();

/// Waits for all work on device 0. Throws std::runtime_error when some of it failed.
void synchronize();

}  // namespace ashlar::core::cuda
