#pragma once
// What NVIDIA's management library says of a GPU. It comes with the driver, so it is opened at run
// time; where it is not, or does not know, there is nothing.
#include <functional>
#include <optional>
#include <string>

namespace ashlar::measure {

struct GpuState {
  std::optional<std::string> uuid;
  std::optional<std::string> driver;        // of the kernel: "580.65.06"
  std::optional<int> temperature_celsius;   // of the chip
  std::optional<double> power_watts;        // drawn now
  std::optional<double> power_limit_watts;  // enforced
  std::optional<bool> persistence;          // the driver stays loaded between programs
  bool operator==(const GpuState&) const = default;
};

/// Address of one of the library's functions, or null.
using NvmlSymbols = std::function<void*(const char* name)>;

/// Of the GPU at this PCI address, as cudaDeviceGetPCIBusId() gives it.
GpuState gpu_state(const std::string& pci_bus_id, const NvmlSymbols& symbols);
/// By the library of the system.
GpuState gpu_state(const std::string& pci_bus_id);

}  // namespace ashlar::measure
