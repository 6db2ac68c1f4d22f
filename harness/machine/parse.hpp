#pragma once
// What the files under /proc and /sys say. Every function takes the text of a file, so that it can
// be tested on samples; what the text does not say is std::nullopt or empty, never a guess.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::machine {

/// /proc/cpuinfo. The first processor speaks for all.
struct CpuInfo {
  std::optional<std::string> vendor;
  std::optional<std::string> model_name;
  std::optional<int> family;
  std::optional<int> model;
  std::optional<int> stepping;
  std::optional<std::string> microcode;
  std::optional<double> current_mhz;  // the highest of all processors
  int logical = 0;                    // processors listed
  std::optional<int> cores;           // different (physical id, core id)
  std::optional<int> sockets;         // different physical ids
  std::vector<std::string> flags;

  bool has(std::string_view flag) const;
};
CpuInfo parse_cpuinfo(std::string_view text);

/// First line of /proc/stat, in ticks of USER_HZ.
struct CpuTimes {
  std::uint64_t busy = 0;   // user, nice, system, irq, softirq
  std::uint64_t idle = 0;   // idle, iowait
  std::uint64_t steal = 0;  // taken by the hypervisor for others
  std::uint64_t total() const { return busy + idle + steal; }
};
std::optional<CpuTimes> parse_proc_stat(std::string_view text);

/// Share of [before, after] that the hypervisor gave to others; nullopt when no time passed.
std::optional<double> steal_share(const CpuTimes& before, const CpuTimes& after);

/// One line of /proc/self/cgroup.
struct Cgroup {
  int hierarchy = 0;  // 0 is cgroup v2
  std::vector<std::string> controllers;
  std::string path;
};
std::vector<Cgroup> parse_cgroups(std::string_view text);

/// A CPU quota in CPUs; `limited` false means that the file says there is no limit.
struct CpuQuota {
  bool limited = false;
  double cpus = 0;
};
/// cgroup v2 cpu.max: "max 100000" or "150000 100000".
std::optional<CpuQuota> parse_cpu_max(std::string_view text);
/// cgroup v1 cpu.cfs_quota_us (-1: no limit) and cpu.cfs_period_us.
std::optional<CpuQuota> parse_cfs_quota(std::string_view quota_us, std::string_view period_us);

/// "0-3,8" -> 0 1 2 3 8. Empty for text that is no such list.
std::vector<int> parse_cpu_list(std::string_view text);
/// The inverse, shortest form; `cpus` ascending.
std::string format_cpu_list(const std::vector<int>& cpus);

/// "always [madvise] never" -> "madvise".
std::optional<std::string> parse_choice(std::string_view text);
/// "32768K", "1M", "512" -> bytes.
std::optional<std::int64_t> parse_size(std::string_view text);
/// /proc/meminfo: name -> bytes.
std::map<std::string, std::int64_t, std::less<>> parse_meminfo(std::string_view text);
/// PRETTY_NAME of /etc/os-release.
std::optional<std::string> parse_os_release(std::string_view text);
/// The first `count` numbers of the text (of /proc/loadavg: 1, 5 and 15 minutes); nullopt when
/// there are fewer.
std::optional<std::vector<double>> parse_numbers(std::string_view text, std::size_t count);
std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace ashlar::machine
