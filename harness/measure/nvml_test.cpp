#include "harness/measure/nvml.hpp"

#include <cstring>
#include <map>
#include <vector>

#include <catch2/catch.hpp>

namespace ashlar::measure {
namespace {

int sessions = 0;

int init() { return ++sessions, 0; }
int refuse() { return 9; }
int shutdown() { return --sessions, 0; }
int driver(char* text, unsigned bytes) { return std::strncpy(text, "580.65", bytes), 0; }
int find(const char* bus, void** device) {
  static int gpu = 0;
  *device = &gpu;
  return std::strcmp(bus, "0000:01:00.0") == 0 ? 0 : 6;
}
int uuid(void*, char* text, unsigned bytes) { return std::strncpy(text, "GPU-1", bytes), 0; }
int temperature(void*, int, unsigned* celsius) { return *celsius = 61, 0; }
int power(void*, unsigned* milliwatts) { return *milliwatts = 312'500, 0; }
int limit(void*, unsigned* milliwatts) { return *milliwatts = 700'000, 0; }
int no_permission(void*, unsigned*) { return 4; }

int sm_clock(void*, int which, unsigned* mhz) { return *mhz = which == 1 ? 1650 : 0, 0; }
unsigned long long reason_bits = 0;
int clock_reasons(void*, unsigned long long* bits) { return *bits = reason_bits, 0; }
int no_reasons(void*, unsigned long long*) { return 3; }
struct Violation {
  unsigned long long reference;
  unsigned long long time;
};
int violation(void*, int policy, Violation* out) {
  if (policy > 1) return 3;
  *out = {1, policy == 0 ? 7'000'000ULL : 9ULL};
  return 0;
}

template <class Function>
void* address(Function* function) {
  return reinterpret_cast<void*>(function);
}

using Table = std::map<std::string, void*>;

Table whole_library() {
  return {{"nvmlInit_v2", address(init)},
          {"nvmlShutdown", address(shutdown)},
          {"nvmlSystemGetDriverVersion", address(driver)},
          {"nvmlDeviceGetHandleByPciBusId_v2", address(find)},
          {"nvmlDeviceGetUUID", address(uuid)},
          {"nvmlDeviceGetTemperature", address(temperature)},
          {"nvmlDeviceGetPowerUsage", address(power)},
          {"nvmlDeviceGetEnforcedPowerLimit", address(limit)},
          {"nvmlDeviceGetPersistenceMode", address(no_permission)}};
}

GpuState ask(const Table& table, const std::string& bus = "0000:01:00.0") {
  GpuState state = gpu_state(bus, [&](const char* name) {
    const auto found = table.find(name);
    return found == table.end() ? nullptr : found->second;
  });
  CHECK(sessions == 0);
  return state;
}

}  // namespace

TEST_CASE("what the management library knows is told, the rest is unknown") {
  CHECK(ask(whole_library()) == GpuState{"GPU-1", "580.65", 61, 312.5, 700.0, std::nullopt});
}

TEST_CASE("another device, an old library and none give what they can") {
  CHECK(ask(whole_library(), "0000:02:00.0") == GpuState{std::nullopt, "580.65"});
  Table old = whole_library();
  old.erase("nvmlDeviceGetUUID");
  old.erase("nvmlDeviceGetEnforcedPowerLimit");
  CHECK(ask(old) == GpuState{std::nullopt, "580.65", 61, 312.5});
  Table asleep = whole_library();
  asleep["nvmlInit_v2"] = address(refuse);
  CHECK(ask(asleep) == GpuState());
  CHECK(ask({}) == GpuState());
}

namespace {

Table pace_library() {
  Table table = whole_library();
  table["nvmlDeviceGetClockInfo"] = address(sm_clock);
  table["nvmlDeviceGetCurrentClocksEventReasons"] = address(clock_reasons);
  table["nvmlDeviceGetViolationStatus"] = address(violation);
  return table;
}

GpuPace pace(const Table& table, unsigned long long bits, const std::string& bus = "0000:01:00.0") {
  reason_bits = bits;
  GpuPace read;
  {
    const PaceReader reader(bus, [&](const char* name) {
      const auto found = table.find(name);
      return found == table.end() ? nullptr : found->second;
    });
    read = reader.read();
    CHECK(reader.read() == read);
  }
  CHECK(sessions == 0);
  return read;
}

}  // namespace

TEST_CASE("reasons for low clocks are told apart") {
  const auto held = [](unsigned long long bits) {
    const GpuPace read = pace(pace_library(), bits);
    return std::vector<bool>{read.power_capped.value(), read.thermal_slowdown.value(),
                             read.hardware_slowdown.value()};
  };
  using Reasons = std::vector<bool>;
  // Idle, clocks of the application, synchronised boost, of the display: nobody's slowdown.
  CHECK(held(0x1 | 0x2 | 0x10 | 0x100) == Reasons{false, false, false});
  CHECK(held(0x4) == Reasons{true, false, false});
  CHECK(held(0x20) == Reasons{false, true, false});
  CHECK(held(0x40) == Reasons{false, true, false});
  CHECK(held(0x8) == Reasons{false, false, true});
  CHECK(held(0x80) == Reasons{false, false, true});
  CHECK(held(0x4 | 0x8 | 0x40) == Reasons{true, true, true});
}

TEST_CASE("the pace of a device is what the library knows of it") {
  CHECK(pace(pace_library(), 0) == GpuPace{61, 1650, false, false, false, 7'000'000, 9});
  CHECK(pace(pace_library(), 0, "0000:02:00.0") == GpuPace());
  CHECK(pace({}, 0) == GpuPace());
  Table old = pace_library();
  old.erase("nvmlDeviceGetCurrentClocksEventReasons");
  old["nvmlDeviceGetCurrentClocksThrottleReasons"] = address(clock_reasons);
  CHECK(pace(old, 0x40).thermal_slowdown == true);
  old["nvmlDeviceGetCurrentClocksThrottleReasons"] = address(no_reasons);
  old.erase("nvmlDeviceGetViolationStatus");
  CHECK(pace(old, 0x40) == GpuPace{61, 1650});
}

}  // namespace ashlar::measure
