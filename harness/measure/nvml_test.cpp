#include "harness/measure/nvml.hpp"

#include <cstring>
#include <map>

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

}  // namespace ashlar::measure
