#pragma once
// Reading /proc and /sys below a root, so that tests can put their own files there.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/machine/parse.hpp"

namespace ashlar::machine {

class System {
 public:
  explicit System(std::filesystem::path root = "/") : root_(std::move(root)) {}

  bool is_live() const { return root_ == "/"; }
  /// The whole file; nullopt where it cannot be read.
  std::optional<std::string> read(std::string_view path) const;
  /// Without the trailing line break; nullopt also for an empty file.
  std::optional<std::string> line(std::string_view path) const;
  std::optional<std::int64_t> integer(std::string_view path) const;
  bool exists(std::string_view path) const;
  /// Names in a folder, sorted; empty where there is none.
  std::vector<std::string> list(std::string_view path) const;

 private:
  std::filesystem::path at(std::string_view path) const;
  std::filesystem::path root_;
};

/// One kind of cache: `instances` of it, each of `bytes`.
struct Cache {
  int level = 0;
  std::string type;  // Data, Instruction, Unified
  std::int64_t bytes = 0;
  std::optional<int> line_bytes;
  std::optional<int> instances;
  std::optional<int> shared_by;  // CPUs per instance
};
struct Caches {
  /// "sysfs"; "getconf" where the kernel lists none (virtual machines then often report their
  /// host's); empty where nothing is known.
  std::string source;
  std::vector<Cache> all;

  /// All instances of the last level together; 0 where unknown.
  std::int64_t last_level_bytes() const;
};
Caches read_caches(const System& system);

/// The limit that holds for this process: the smallest on the way to the root of its cgroup.
/// nullopt where no cgroup file can be read.
struct EffectiveQuota {
  int version = 0;  // 1 or 2
  CpuQuota quota;
};
std::optional<EffectiveQuota> read_cpu_quota(const System& system);

/// /proc/cpuinfo, with sockets and cores from sysfs where the file does not have them.
CpuInfo read_cpuinfo(const System& system);

}  // namespace ashlar::machine
