#include "harness/machine/environment.hpp"

#include <gnu/libc-version.h>
#include <sys/personality.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstring>

#include "harness/machine/matmul.hpp"
#include "harness/machine/sha256.hpp"
#include "harness/machine/team.hpp"
#include "harness/model/value.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

extern char** environ;

namespace ashlar::machine {
namespace {

using model::or_null;

Json host_hash(const System& system) {
  const auto name = system.line("/proc/sys/kernel/hostname");
  const auto id = system.line("/etc/machine-id");
  if (!name && !id) return nullptr;
  // Images are copied with their machine id, and host names repeat: together they seldom do.
  return sha256("ashlar host\n" + name.value_or("") + '\n' + id.value_or("")).substr(0, 16);
}

/// The instruction sets that decide which code runs here.
Json features_of(const CpuInfo& cpu) {
  if (cpu.flags.empty()) return nullptr;
  Json features = Json::array();
  for (const char* name : {"sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw",
                           "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16",
                           "avx_vnni", "amx_tile", "amx_bf16", "amx_int8"}) {
    if (cpu.has(name)) features.push_back(name);
  }
  return features;
}

Json boost_of(const System& system) {
  if (const auto boost = system.integer("/sys/devices/system/cpu/cpufreq/boost")) {
    return *boost != 0;
  }
  if (const auto off = system.integer("/sys/devices/system/cpu/intel_pstate/no_turbo")) {
    return *off == 0;
  }
  return nullptr;
}

Json mhz_of(const System& system, const char* file) {
  const auto khz = system.integer(std::string("/sys/devices/system/cpu/cpu0/cpufreq/") + file);
  return khz ? Json(static_cast<double>(*khz) / 1000) : Json(nullptr);
}

Json smt_of(const System& system, const CpuInfo& cpu) {
  if (const auto active = system.integer("/sys/devices/system/cpu/smt/active")) {
    return *active != 0;
  }
  if (cpu.cores && cpu.logical > 0) return cpu.logical > *cpu.cores;
  return nullptr;
}

Json cpu_json(const System& system) {
  const CpuInfo cpu = read_cpuinfo(system);
  return {
      {"vendor", or_null(cpu.vendor)},
      {"model_name", or_null(cpu.model_name)},
      {"microarchitecture", or_null(microarchitecture(cpu))},
      {"family", or_null(cpu.family)},
      {"model", or_null(cpu.model)},
      {"stepping", or_null(cpu.stepping)},
      {"microcode", or_null(cpu.microcode)},
      {"sockets", or_null(cpu.sockets)},
      {"cores", or_null(cpu.cores)},
      {"logical", cpu.logical > 0 ? Json(cpu.logical) : Json(nullptr)},
      {"smt", smt_of(system, cpu)},
      {"governor", or_null(system.line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))},
      {"boost", boost_of(system)},
      {"min_mhz", mhz_of(system, "cpuinfo_min_freq")},
      {"max_mhz", mhz_of(system, "cpuinfo_max_freq")},
      {"current_mhz", or_null(cpu.current_mhz)},
      {"features", features_of(cpu)}};
}

Json caches_json(const System& system) {
  const Caches caches = read_caches(system);
  if (caches.all.empty())
    return {{"source", nullptr}, {"last_level_bytes", nullptr}, {"all", nullptr}};
  Json all = Json::array();
  for (const Cache& cache : caches.all) {
    all.push_back({{"level", cache.level},
                   {"type", cache.type},
                   {"bytes", cache.bytes},
                   {"line_bytes", or_null(cache.line_bytes)},
                   {"instances", or_null(cache.instances)},
                   {"shared_by", or_null(cache.shared_by)}});
  }
  return {{"source", caches.source}, {"last_level_bytes", caches.last_level_bytes()}, {"all", all}};
}

Json numa_json(const System& system) {
  const auto nodes = parse_cpu_list(system.line("/sys/devices/system/node/online").value_or(""));
  if (nodes.empty()) return {{"nodes", nullptr}, {"cpus", nullptr}};
  Json cpus = Json::array();
  for (const int node : nodes) {
    const std::string folder = "/sys/devices/system/node/node" + std::to_string(node);
    cpus.push_back(or_null(system.line(folder + "/cpulist")));
  }
  return {{"nodes", nodes.size()}, {"cpus", cpus}};
}

Json hypervisor_json(const System& system) {
  const CpuInfo cpu = parse_cpuinfo(system.read("/proc/cpuinfo").value_or(""));
  if (cpu.flags.empty()) return {{"present", nullptr}, {"vendor", nullptr}};
  const bool present = cpu.has("hypervisor");
  Json vendor;
#if defined(__x86_64__)
  if (present && system.is_live()) {
    // Leaf 0x40000000: twelve letters in ebx, ecx, edx.
    unsigned eax = 0;
    std::array<unsigned, 3> words{};
    __cpuid(0x40000000, eax, words[0], words[1], words[2]);
    std::array<char, 13> letters{};
    std::memcpy(letters.data(), words.data(), 12);
    const std::string name(letters.data());
    const bool printable = std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; });
    if (!name.empty() && printable) vendor = name;
  }
#endif
  return {{"present", present}, {"vendor", vendor}};
}

Json container_of(const System& system) {
  if (system.exists("/.dockerenv")) return "docker";
  if (system.exists("/run/.containerenv")) return "podman";
  if (system.exists("/.singularity.d")) return "singularity";
  return nullptr;
}

Json cgroup_json(const System& system) {
  const auto effective = read_cpu_quota(system);
  if (!effective) return {{"version", nullptr}, {"cpu_quota", nullptr}};
  const CpuQuota& quota = effective->quota;
  return {{"version", effective->version},
          {"cpu_quota", quota.limited ? Json(quota.cpus) : Json("unlimited")}};
}

Json affinity_json(const System& system) {
  const auto cpus = system.is_live() ? usable_cpus() : std::vector<int>{};
  if (cpus.empty()) return {{"cpus", nullptr}, {"count", nullptr}};
  return {{"cpus", format_cpu_list(cpus)}, {"count", cpus.size()}};
}

Json aslr_json(const System& system) {
  Json process;
  if (system.is_live()) {
    // 0xffffffff asks without setting; setarch -R switches randomization off for one process.
    const int persona = personality(0xffffffff);
    if (persona != -1) process = (persona & ADDR_NO_RANDOMIZE) == 0;
  }
  return {{"kernel", or_null(system.integer("/proc/sys/kernel/randomize_va_space"))},
          {"process", process}};
}

Json memory_json(const System& system) {
  const auto sizes = parse_meminfo(system.read("/proc/meminfo").value_or(""));
  const auto size = [&](std::string_view name) {
    const auto found = sizes.find(name);
    return found == sizes.end() ? Json(nullptr) : Json(found->second);
  };
  return {{"total_bytes", size("MemTotal")},
          {"available_bytes", size("MemAvailable")},
          {"swap_bytes", size("SwapTotal")}};
}

Json timer_json(const System& system) {
  Json resolution;
  timespec step{};
  if (system.is_live() && clock_getres(CLOCK_MONOTONIC, &step) == 0) {
    resolution = step.tv_sec * 1'000'000'000 + step.tv_nsec;
  }
  const char* source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
  return {{"clock_source", or_null(system.line(source))}, {"resolution_ns", resolution}};
}

Json locale_of(const System& system) {
  const char* name = system.is_live() ? std::setlocale(LC_ALL, nullptr) : nullptr;
  return name == nullptr ? Json(nullptr) : Json(name);
}

/// Variables that steer threads, devices and libraries, and no others: the rest is nobody's
/// business.
Json variables_of(const System& system) {
  if (!system.is_live()) return nullptr;
  constexpr std::array<std::string_view, 9> kPrefixes{
      "OMP_", "GOMP_", "CUDA_", "OPENBLAS_", "MKL_", "DNNL_", "ONEDNN_", "ASHLAR_", "GOTO_"};
  std::map<std::string, std::string> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const auto name = text.substr(0, equals);
    const auto value = text.substr(equals + 1);
    const auto fits = [&](std::string_view prefix) { return name.starts_with(prefix); };
    if (std::ranges::none_of(kPrefixes, fits)) continue;
    const bool path = value.find('/') != std::string_view::npos;
    kept.emplace(name, path ? "<path>" : value);
  }
  Json variables = Json::object();
  for (const auto& [name, value] : kept) variables[name] = value;
  return variables;
}

Json kernel_of(const System& system) {
  utsname names{};
  if (!system.is_live() || uname(&names) != 0)
    return or_null(system.line("/proc/sys/kernel/osrelease"));
  return std::string(names.sysname) + ' ' + names.release + ' ' + names.machine;
}

Json libraries_of(const System& system) {
  if (!system.is_live()) return {{"glibc", nullptr}, {"onednn", nullptr}};
  return {{"glibc", gnu_get_libc_version()}, {"onednn", or_null(onednn_version())}};
}

Json load_of(const System& system) {
  return or_null(parse_numbers(system.read("/proc/loadavg").value_or(""), 3));
}

Json cpu_times_of(const System& system) {
  const auto times = parse_proc_stat(system.read("/proc/stat").value_or(""));
  if (!times) return {{"busy", nullptr}, {"idle", nullptr}, {"steal", nullptr}};
  return {{"busy", times->busy}, {"idle", times->idle}, {"steal", times->steal}};
}

/// nr_throttled of the cgroup's cpu.stat.
Json throttled_periods_of(const System& system) {
  for (const char* path : {"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"}) {
    const std::string text = system.read(path).value_or("");
    constexpr std::string_view kName = "nr_throttled ";
    const auto found = text.find(kName);
    if (found == std::string::npos) continue;
    const auto value = std::string_view(text).substr(found + kName.size());
    return or_null(parse_integer(value.substr(0, value.find('\n'))));
  }
  return nullptr;
}

std::optional<CpuTimes> times_from(const Json& activity) {
  const auto found = activity.find("cpu_times");
  if (found == activity.end() || !found->is_object()) return std::nullopt;
  for (const char* name : {"busy", "idle", "steal"}) {
    if (!found->contains(name) || !found->at(name).is_number_unsigned()) return std::nullopt;
  }
  return CpuTimes{found->at("busy"), found->at("idle"), found->at("steal")};
}

}  // namespace

Json capture_environment(const Json& gpu, const System& system) {
  const auto huge = system.line("/sys/kernel/mm/transparent_hugepage/enabled");
  return {{"host_hash", host_hash(system)},
          {"kernel", kernel_of(system)},
          {"distribution", or_null(parse_os_release(system.read("/etc/os-release").value_or("")))},
          {"cpu", cpu_json(system)},
          {"caches", caches_json(system)},
          {"numa", numa_json(system)},
          {"hypervisor", hypervisor_json(system)},
          {"container", container_of(system)},
          {"cgroup", cgroup_json(system)},
          {"affinity", affinity_json(system)},
          {"huge_pages",
           {{"transparent", or_null(parse_choice(huge.value_or("")))},
            {"reserved", or_null(system.integer("/proc/sys/vm/nr_hugepages"))}}},
          {"aslr", aslr_json(system)},
          {"memory", memory_json(system)},
          {"load", load_of(system)},
          {"cpu_times", cpu_times_of(system)},
          {"throttled_periods", throttled_periods_of(system)},
          {"timer", timer_json(system)},
          {"locale", locale_of(system)},
          {"variables", variables_of(system)},
          {"libraries", libraries_of(system)},
          {"gpu", gpu}};
}

Json capture_activity(const System& system) {
  return {{"load", load_of(system)},
          {"cpu_times", cpu_times_of(system)},
          {"throttled_periods", throttled_periods_of(system)}};
}

Json activity_between(const Json& before, const Json& after) {
  Json steal;
  Json busy;
  Json throttled;
  const auto from = times_from(before);
  const auto to = times_from(after);
  if (from && to && to->total() > from->total() && to->busy >= from->busy) {
    steal = or_null(steal_share(*from, *to));
    busy = static_cast<double>(to->busy - from->busy) /
           static_cast<double>(to->total() - from->total());
  }
  const auto periods = [](const Json& activity) {
    return activity.value("throttled_periods", Json());
  };
  if (periods(before).is_number_integer() && periods(after).is_number_integer()) {
    throttled = periods(after).get<std::int64_t>() - periods(before).get<std::int64_t>();
  }
  return {{"steal_share", steal}, {"busy_share", busy}, {"throttled_periods", throttled}};
}

}  // namespace ashlar::machine
