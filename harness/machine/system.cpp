#include "harness/machine/system.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>
#include <tuple>

namespace ashlar::machine {
namespace {

constexpr std::string_view kCpus = "/sys/devices/system/cpu";

std::optional<int> as_int(std::optional<std::int64_t> value) {
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

Caches caches_from_sysfs(const System& system) {
  // One instance per different set of sharing CPUs; the map's key keeps levels in order.
  std::map<std::tuple<int, std::string, std::int64_t>, std::pair<Cache, std::set<std::string>>>
      found;
  for (const std::string& cpu : system.list(kCpus)) {
    if (cpu.size() < 4 || !cpu.starts_with("cpu") || !parse_integer(cpu.substr(3))) continue;
    const std::string folder = std::string(kCpus) + '/' + cpu + "/cache";
    for (const std::string& index : system.list(folder)) {
      const std::string path = fmt::format("{}/{}", folder, index);
      const auto level = system.integer(path + "/level");
      const auto type = system.line(path + "/type");
      const auto bytes = parse_size(system.line(path + "/size").value_or(""));
      if (!level || !type || !bytes) continue;
      Cache cache{static_cast<int>(*level), *type, *bytes, {}, {}, {}};
      cache.line_bytes = as_int(system.integer(path + "/coherency_line_size"));
      const std::string shared = system.line(path + "/shared_cpu_list").value_or(cpu);
      cache.shared_by = static_cast<int>(std::max<std::size_t>(parse_cpu_list(shared).size(), 1));
      auto& [first, instances] = found[{cache.level, *type, *bytes}];
      if (instances.empty()) first = cache;
      instances.insert(shared);
    }
  }
  Caches caches;
  for (auto& [key, entry] : found) {
    entry.first.instances = static_cast<int>(entry.second.size());
    caches.all.push_back(entry.first);
  }
  if (!caches.all.empty()) caches.source = "sysfs";
  return caches;
}

Caches caches_from_getconf() {
  Caches caches;
  const auto add = [&](int level, const char* type, int size_name, int line_name) {
    const long bytes = sysconf(size_name);
    if (bytes <= 0) return;
    Cache cache{level, type, bytes, {}, {}, {}};
    if (const long line = sysconf(line_name); line > 0) cache.line_bytes = static_cast<int>(line);
    caches.all.push_back(cache);
  };
#ifdef _SC_LEVEL1_DCACHE_SIZE
  add(1, "Data", _SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL1_DCACHE_LINESIZE);
  add(1, "Instruction", _SC_LEVEL1_ICACHE_SIZE, _SC_LEVEL1_ICACHE_LINESIZE);
  add(2, "Unified", _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL2_CACHE_LINESIZE);
  add(3, "Unified", _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL3_CACHE_LINESIZE);
#endif
  if (!caches.all.empty()) caches.source = "getconf";
  return caches;
}

/// The folders of a cgroup from its own up to the mount.
std::vector<std::string> upwards(const std::string& mount, std::string path) {
  std::vector<std::string> folders;
  while (path.size() > 1) {
    folders.push_back(mount + path);
    path.resize(path.rfind('/'));
  }
  folders.push_back(mount);
  return folders;
}

std::optional<CpuQuota> quota_of_folder(const System& system, const std::string& folder,
                                        int version) {
  if (version == 2) {
    const auto text = system.line(folder + "/cpu.max");
    return text ? parse_cpu_max(*text) : std::nullopt;
  }
  const auto quota = system.line(folder + "/cpu.cfs_quota_us");
  const auto period = system.line(folder + "/cpu.cfs_period_us");
  return quota && period ? parse_cfs_quota(*quota, *period) : std::nullopt;
}

std::optional<EffectiveQuota> smallest_quota(const System& system, const std::string& mount,
                                             const std::string& path, int version) {
  std::optional<EffectiveQuota> smallest;
  for (const std::string& folder : upwards(mount, path)) {
    const auto quota = quota_of_folder(system, folder, version);
    if (!quota) continue;
    if (!smallest) smallest = EffectiveQuota{version, *quota};
    const CpuQuota& known = smallest->quota;
    if (quota->limited && (!known.limited || quota->cpus < known.cpus)) smallest->quota = *quota;
  }
  return smallest;
}

}  // namespace

std::filesystem::path System::at(std::string_view path) const {
  return root_ / std::filesystem::path(path).relative_path();
}

std::optional<std::string> System::read(std::string_view path) const {
  std::ifstream file(at(path), std::ios::binary);
  if (!file) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return std::nullopt;
  return text;
}

std::optional<std::string> System::line(std::string_view path) const {
  auto text = read(path);
  if (!text) return std::nullopt;
  text->resize(text->find_last_not_of(" \t\r\n") + 1);
  if (text->empty()) return std::nullopt;
  return text;
}

std::optional<std::int64_t> System::integer(std::string_view path) const {
  const auto text = line(path);
  return text ? parse_integer(*text) : std::nullopt;
}

bool System::exists(std::string_view path) const {
  std::error_code ignored;
  return std::filesystem::exists(at(path), ignored);
}

std::vector<std::string> System::list(std::string_view path) const {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(at(path), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::int64_t Caches::last_level_bytes() const {
  int last = 0;
  for (const Cache& cache : all) last = std::max(last, cache.level);
  std::int64_t bytes = 0;
  for (const Cache& cache : all) {
    if (cache.level == last && last > 1) bytes += cache.bytes * cache.instances.value_or(1);
  }
  return bytes;
}

Caches read_caches(const System& system) {
  Caches caches = caches_from_sysfs(system);
  if (caches.all.empty() && system.is_live()) caches = caches_from_getconf();
  return caches;
}

std::optional<EffectiveQuota> read_cpu_quota(const System& system) {
  const auto groups = parse_cgroups(system.read("/proc/self/cgroup").value_or(""));
  // Version 1 first: where both are mounted, the cpu controller works there.
  for (const Cgroup& group : groups) {
    if (std::ranges::find(group.controllers, "cpu") == group.controllers.end()) continue;
    for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"}) {
      if (auto quota = smallest_quota(system, mount, group.path, 1)) return quota;
    }
  }
  for (const Cgroup& group : groups) {
    if (group.hierarchy != 0) continue;
    // The root of version 2 has no cpu.max: a mount without one says that nothing limits.
    if (auto quota = smallest_quota(system, "/sys/fs/cgroup", group.path, 2)) return quota;
    if (system.exists("/sys/fs/cgroup/cgroup.controllers")) return EffectiveQuota{2, {}};
  }
  return std::nullopt;
}

CpuInfo read_cpuinfo(const System& system) {
  CpuInfo info = parse_cpuinfo(system.read("/proc/cpuinfo").value_or(""));
  std::set<std::string> sockets;
  std::set<std::string> cores;
  int logical = 0;
  for (const std::string& cpu : system.list(kCpus)) {
    if (cpu.size() < 4 || !cpu.starts_with("cpu") || !parse_integer(cpu.substr(3))) continue;
    ++logical;
    const std::string topology = std::string(kCpus) + '/' + cpu + "/topology/";
    if (const auto socket = system.line(topology + "physical_package_id")) sockets.insert(*socket);
    if (const auto core = system.line(topology + "thread_siblings_list")) cores.insert(*core);
  }
  if (info.logical == 0) info.logical = logical;
  if (!info.sockets && !sockets.empty()) info.sockets = static_cast<int>(sockets.size());
  if (!info.cores && !cores.empty()) info.cores = static_cast<int>(cores.size());
  return info;
}

}  // namespace ashlar::machine
