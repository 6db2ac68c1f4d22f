#include "harness/measure/nvml.hpp"

#include <dlfcn.h>

#include <array>

namespace ashlar::measure {

namespace {

// The part of NVML's stable interface that is needed; its header comes with no CUDA toolkit alone.
using Result = int;  // 0: success
using Device = void*;
constexpr Result kSuccess = 0;
constexpr int kChipSensor = 0;
constexpr unsigned kTextBytes = 96;

template <class Function>
Function* symbol(const NvmlSymbols& symbols, const char* name) {
  return reinterpret_cast<Function*>(symbols(name));
}

/// Initialised as long as it lives.
class Session {
 public:
  explicit Session(const NvmlSymbols& symbols)
      : shutdown_(symbol<Result()>(symbols, "nvmlShutdown")) {
    auto* const init = symbol<Result()>(symbols, "nvmlInit_v2");
    ready_ = init != nullptr && init() == kSuccess;
  }
  ~Session() {
    if (ready_ && shutdown_ != nullptr) shutdown_();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  bool ready() const { return ready_; }

 private:
  Result (*shutdown_)();
  bool ready_ = false;
};

std::optional<unsigned> number(const NvmlSymbols& symbols, const char* name, Device device) {
  auto* const get = symbol<Result(Device, unsigned*)>(symbols, name);
  unsigned value = 0;
  if (get == nullptr || get(device, &value) != kSuccess) return std::nullopt;
  return value;
}

std::optional<double> watts(const NvmlSymbols& symbols, const char* name, Device device) {
  const auto milliwatts = number(symbols, name, device);
  if (!milliwatts) return std::nullopt;
  return *milliwatts * 1e-3;
}

}  // namespace

GpuState gpu_state(const std::string& pci_bus_id, const NvmlSymbols& symbols) {
  GpuState state;
  const Session session(symbols);
  if (!session.ready()) return state;
  std::array<char, kTextBytes> text{};
  auto* const driver = symbol<Result(char*, unsigned)>(symbols, "nvmlSystemGetDriverVersion");
  if (driver != nullptr && driver(text.data(), kTextBytes) == kSuccess) state.driver = text.data();
  auto* const find =
      symbol<Result(const char*, Device*)>(symbols, "nvmlDeviceGetHandleByPciBusId_v2");
  Device device = nullptr;
  if (find == nullptr || find(pci_bus_id.c_str(), &device) != kSuccess) return state;
  auto* const uuid = symbol<Result(Device, char*, unsigned)>(symbols, "nvmlDeviceGetUUID");
  if (uuid != nullptr && uuid(device, text.data(), kTextBytes) == kSuccess)
    state.uuid = text.data();
  auto* const temperature =
      symbol<Result(Device, int, unsigned*)>(symbols, "nvmlDeviceGetTemperature");
  unsigned celsius = 0;
  if (temperature != nullptr && temperature(device, kChipSensor, &celsius) == kSuccess)
    state.temperature_celsius = static_cast<int>(celsius);
  state.power_watts = watts(symbols, "nvmlDeviceGetPowerUsage", device);
  state.power_limit_watts = watts(symbols, "nvmlDeviceGetEnforcedPowerLimit", device);
  if (const auto mode = number(symbols, "nvmlDeviceGetPersistenceMode", device))
    state.persistence = *mode != 0;
  return state;
}

GpuState gpu_state(const std::string& pci_bus_id) {
  void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  GpuState state =
      gpu_state(pci_bus_id, [library](const char* name) { return dlsym(library, name); });
  dlclose(library);
  return state;
}

}  // namespace ashlar::measure
