#include "harness/machine/memory_limit.hpp"

#include <algorithm>
#include <sstream>
#include <string>

namespace ashlar::machine {
namespace {

/// Version 1 writes "no limit" as a number near 2^63, rounded down to a page.
constexpr std::int64_t kUnlimited = std::int64_t{1} << 60;

std::int64_t stat_field(const System& system, const std::string& file, const std::string& field) {
  std::istringstream lines(system.read(file).value_or(""));
  std::string name;
  std::int64_t value = 0;
  while (lines >> name >> value) {
    if (name == field) return value;
  }
  return 0;
}

/// What the folder's own limit leaves; nothing where it sets none.
std::optional<std::int64_t> left_in(const System& system, const std::string& folder, int version) {
  const bool two = version == 2;
  const auto limit = system.integer(folder + (two ? "/memory.max" : "/memory.limit_in_bytes"));
  const auto used = system.integer(folder + (two ? "/memory.current" : "/memory.usage_in_bytes"));
  if (!limit || *limit >= kUnlimited) return std::nullopt;  // "max" is no integer
  const std::int64_t droppable =
      stat_field(system, folder + "/memory.stat", two ? "inactive_file" : "total_inactive_file");
  return std::clamp<std::int64_t>(*limit - used.value_or(0) + droppable, 0, *limit);
}

void take_smallest(const System& system, const std::string& mount, std::string path, int version,
                   std::optional<std::int64_t>& smallest) {
  while (true) {
    const auto left = left_in(system, path.size() > 1 ? mount + path : mount, version);
    if (left && (!smallest || *left < *smallest)) smallest = left;
    if (path.size() <= 1) return;
    path.resize(path.rfind('/'));
  }
}

}  // namespace

std::optional<std::int64_t> usable_memory_bytes(const System& system) {
  std::optional<std::int64_t> usable;
  const auto memory = parse_meminfo(system.read("/proc/meminfo").value_or(""));
  if (const auto found = memory.find("MemAvailable"); found != memory.end()) usable = found->second;
  for (const Cgroup& group : parse_cgroups(system.read("/proc/self/cgroup").value_or(""))) {
    const bool has_memory =
        std::ranges::find(group.controllers, "memory") != group.controllers.end();
    if (has_memory) take_smallest(system, "/sys/fs/cgroup/memory", group.path, 1, usable);
    if (group.hierarchy == 0) take_smallest(system, "/sys/fs/cgroup", group.path, 2, usable);
  }
  return usable;
}

}  // namespace ashlar::machine
