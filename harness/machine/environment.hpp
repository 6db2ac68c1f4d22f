#pragma once
// Where a run took place. What cannot be found out is null, and no field is ever left out, so that
// two environments can be compared field by field.
#include <string>

#include <nlohmann/json.hpp>

#include "harness/machine/parse.hpp"
#include "harness/machine/system.hpp"

namespace ashlar::machine {

using Json = nlohmann::ordered_json;

/// host_hash, kernel, distribution, cpu {vendor, model_name, microarchitecture, family, model,
/// stepping, microcode, sockets, cores, logical, smt, governor, boost, min_mhz, max_mhz,
/// current_mhz, features}, caches {source, last_level_bytes, all}, numa {nodes, cpus}, hypervisor
/// {present, vendor}, container, cgroup {version, cpu_quota: CPUs, "unlimited" or null}, affinity
/// {cpus, count}, huge_pages {transparent, reserved}, aslr {kernel, process}, memory {total_bytes,
/// available_bytes, swap_bytes}, load, cpu_times {busy, idle, steal}, timer {clock_source,
/// resolution_ns}, locale, variables, libraries {glibc, onednn}, gpu.
///
/// The host appears as a hash of its name and machine id. Values of environment variables that hold
/// paths are shown as "<path>". `gpu` is what the caller knows of the device, or null.
Json capture_environment(const Json& gpu = nullptr, const System& system = System());

/// What changes while a run goes on: load and CPU times, as in the environment, and how often the
/// cgroup's quota stopped this container (throttled_periods).
Json capture_activity(const System& system = System());
/// {steal_share, busy_share, throttled_periods} between two activities or environments; null where
/// either end is unknown.
Json activity_between(const Json& before, const Json& after);

/// "zen4", "sapphirerapids", ...; nullopt for CPUs not in the table.
std::optional<std::string> microarchitecture(const CpuInfo& cpu);

/// Short stable name for a folder of results: vendor, model, microarchitecture and cores, and the
/// GPU where there is one: "amd-epyc-zen4-2c", "amd-epyc-9654-zen4-96c-nvidia-h100". From the
/// environment alone, so that it can be told from a record. "unknown-<n>c" where /proc/cpuinfo
/// names nothing. A GPU is an object, or an array of objects, with a field "name".
std::string machine_id(const Json& environment);

}  // namespace ashlar::machine
