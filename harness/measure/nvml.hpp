#pragma once
// What NVIDIA's management library says of a GPU. It comes with the driver, so it is opened at run
// time; where it is not, or does not know, there is nothing.
#include <cstdint>
#include <functional>
#include <memory>
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

/// How fast a GPU may run at one moment, and what holds it back.
struct GpuPace {
  std::optional<int> temperature_celsius;
  std::optional<int> sm_clock_mhz;
  // Why clocks are lower than they could be (nvmlClocksEventReasons, which were called throttle
  // reasons): to stay below the power limit, because the chip or its memory is hot, or because
  // hardware outside of the driver's reach says so. Unknown reasons are not told.
  std::optional<bool> power_capped;
  std::optional<bool> thermal_slowdown;
  std::optional<bool> hardware_slowdown;
  // Time spent below the clocks asked for, to stay below the limit of power or of temperature. It
  // counts up from when the driver was loaded, so only differences mean something.
  std::optional<std::int64_t> power_violation_ns;
  std::optional<std::int64_t> thermal_violation_ns;
  bool operator==(const GpuPace&) const = default;
};

/// Looks at one GPU again and again: the library stays initialised as long as this lives, as
/// starting it takes milliseconds.
class PaceReader {
 public:
  PaceReader(const std::string& pci_bus_id, NvmlSymbols symbols);
  ~PaceReader();
  PaceReader(const PaceReader&) = delete;
  PaceReader& operator=(const PaceReader&) = delete;
  /// Nothing that the library, or its version, does not know.
  GpuPace read() const;

 private:
  class Session;
  NvmlSymbols symbols_;
  std::unique_ptr<Session> session_;
  void* device_ = nullptr;  // null: not found
};

/// Addresses in the library of the system, which stays loaded; where there is none, null.
NvmlSymbols system_nvml();

}  // namespace ashlar::measure
