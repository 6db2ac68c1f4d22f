#include "harness/measure/nvml.hpp"

#include <dlfcn.h>

#include <array>
#include <utility>

namespace ashlar::measure {

namespace {

// The part of NVML's stable interface that is needed; its header comes with no CUDA toolkit alone.
using Result = int;  // 0: success
using Device = void*;
constexpr Result kSuccess = 0;
constexpr int kChipSensor = 0;
constexpr int kSmClock = 1;
constexpr unsigned kTextBytes = 96;
// nvmlClocksEventReasons
constexpr unsigned long long kSwPowerCap = 0x4;
constexpr unsigned long long kHwSlowdown = 0x8;
constexpr unsigned long long kSwThermalSlowdown = 0x20;
constexpr unsigned long long kHwThermalSlowdown = 0x40;
constexpr unsigned long long kHwPowerBrake = 0x80;
// nvmlPerfPolicyType_t
constexpr int kPowerPolicy = 0;
constexpr int kThermalPolicy = 1;
struct ViolationTime {
  unsigned long long reference_us;
  unsigned long long violation_ns;
};

template <class Function>
Function* symbol(const NvmlSymbols& symbols, const char* name) {
  return reinterpret_cast<Function*>(symbols(name));
}

/// Initialised as long as it lives.
class NvmlSession {
 public:
  explicit NvmlSession(const NvmlSymbols& symbols)
      : shutdown_(symbol<Result()>(symbols, "nvmlShutdown")) {
    auto* const init = symbol<Result()>(symbols, "nvmlInit_v2");
    ready_ = init != nullptr && init() == kSuccess;
  }
  ~NvmlSession() {
    if (ready_ && shutdown_ != nullptr) shutdown_();
  }
  NvmlSession(const NvmlSession&) = delete;
  NvmlSession& operator=(const NvmlSession&) = delete;
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

Device device_at(const NvmlSymbols& symbols, const std::string& pci_bus_id) {
  auto* const find =
      symbol<Result(const char*, Device*)>(symbols, "nvmlDeviceGetHandleByPciBusId_v2");
  Device device = nullptr;
  if (find == nullptr || find(pci_bus_id.c_str(), &device) != kSuccess) return nullptr;
  return device;
}

/// Of one of the functions that take a device and what to look at.
std::optional<int> sensor(const NvmlSymbols& symbols, const char* name, Device device, int which) {
  auto* const get = symbol<Result(Device, int, unsigned*)>(symbols, name);
  unsigned value = 0;
  if (get == nullptr || get(device, which, &value) != kSuccess) return std::nullopt;
  return static_cast<int>(value);
}

std::optional<int> celsius(const NvmlSymbols& symbols, Device device) {
  return sensor(symbols, "nvmlDeviceGetTemperature", device, kChipSensor);
}

std::optional<unsigned long long> reasons(const NvmlSymbols& symbols, Device device) {
  // The second name is that of drivers before 535.
  for (const char* name :
       {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"}) {
    auto* const get = symbol<Result(Device, unsigned long long*)>(symbols, name);
    unsigned long long bits = 0;
    if (get != nullptr && get(device, &bits) == kSuccess) return bits;
  }
  return std::nullopt;
}

std::optional<std::int64_t> violation_ns(const NvmlSymbols& symbols, Device device, int policy) {
  auto* const get =
      symbol<Result(Device, int, ViolationTime*)>(symbols, "nvmlDeviceGetViolationStatus");
  ViolationTime time{};
  if (get == nullptr || get(device, policy, &time) != kSuccess) return std::nullopt;
  return static_cast<std::int64_t>(time.violation_ns);
}

}  // namespace

class PaceReader::Session : public NvmlSession {
  using NvmlSession::NvmlSession;
};

GpuState gpu_state(const std::string& pci_bus_id, const NvmlSymbols& symbols) {
  GpuState state;
  const NvmlSession session(symbols);
  if (!session.ready()) return state;
  std::array<char, kTextBytes> text{};
  auto* const driver = symbol<Result(char*, unsigned)>(symbols, "nvmlSystemGetDriverVersion");
  if (driver != nullptr && driver(text.data(), kTextBytes) == kSuccess) state.driver = text.data();
  Device const device = device_at(symbols, pci_bus_id);
  if (device == nullptr) return state;
  auto* const uuid = symbol<Result(Device, char*, unsigned)>(symbols, "nvmlDeviceGetUUID");
  if (uuid != nullptr && uuid(device, text.data(), kTextBytes) == kSuccess)
    state.uuid = text.data();
  state.temperature_celsius = celsius(symbols, device);
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

PaceReader::PaceReader(const std::string& pci_bus_id, NvmlSymbols symbols)
    : symbols_(std::move(symbols)), session_(std::make_unique<Session>(symbols_)) {
  if (session_->ready()) device_ = device_at(symbols_, pci_bus_id);
}

PaceReader::~PaceReader() = default;

GpuPace PaceReader::read() const {
  GpuPace pace;
  if (device_ == nullptr) return pace;
  pace.temperature_celsius = celsius(symbols_, device_);
  pace.sm_clock_mhz = sensor(symbols_, "nvmlDeviceGetClockInfo", device_, kSmClock);
  if (const auto bits = reasons(symbols_, device_)) {
    pace.power_capped = (*bits & kSwPowerCap) != 0;
    pace.thermal_slowdown = (*bits & (kSwThermalSlowdown | kHwThermalSlowdown)) != 0;
    pace.hardware_slowdown = (*bits & (kHwSlowdown | kHwPowerBrake)) != 0;
  }
  pace.power_violation_ns = violation_ns(symbols_, device_, kPowerPolicy);
  pace.thermal_violation_ns = violation_ns(symbols_, device_, kThermalPolicy);
  return pace;
}

NvmlSymbols system_nvml() {
  static void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  return [](const char* name) { return library == nullptr ? nullptr : dlsym(library, name); };
}

}  // namespace ashlar::measure
