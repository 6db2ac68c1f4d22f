#include "harness/run/group_memory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "harness/measure/clock.hpp"
#include "harness/measure/memory.hpp"

namespace ashlar::run {

namespace {

constexpr std::int64_t kLeastPause_ns = 200'000'000;
constexpr std::int64_t kPausePerSearch = 500;

struct Member {
  pid_t process = 0;
  std::int64_t resident_bytes = 0;
};

/// Process group (field 5) and resident pages (field 24) of /proc/N/stat. The second field is the
/// program's name in brackets and may hold anything.
bool read_stat(const char* process, pid_t& group, std::int64_t& resident_pages) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%s/stat", process);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[1024];
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return false;
  text[length] = '\0';
  const char* after_name = std::strrchr(text, ')');
  if (after_name == nullptr) return false;
  long long pages = 0;
  const int found = std::sscanf(after_name + 1,
                                " %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                                "%*d %*d %*d %*u %*u %lld",
                                &group, &pages);
  resident_pages = pages;
  return found == 2;
}

std::vector<Member> members_of(pid_t group) {
  std::vector<Member> members;
  DIR* folder = opendir("/proc");
  if (folder == nullptr) return members;
  static const std::int64_t page = sysconf(_SC_PAGESIZE);
  while (const dirent* entry = readdir(folder)) {
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) continue;
    pid_t its_group = 0;
    std::int64_t pages = 0;
    if (!read_stat(entry->d_name, its_group, pages) || its_group != group) continue;
    members.push_back({static_cast<pid_t>(std::atoi(entry->d_name)), pages * page});
  }
  closedir(folder);
  return members;
}

std::int64_t sum_of(const std::vector<Member>& members) {
  std::int64_t bytes = 0;
  for (const Member& member : members) bytes += member.resident_bytes;
  return bytes;
}

/// Pss of one process, or its resident bytes.
std::int64_t proportional_bytes(const Member& member) {
  std::ifstream rollup("/proc/" + std::to_string(member.process) + "/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Pss:")) return std::strtoll(line.c_str() + 4, nullptr, 10) * 1024;
  }
  return member.resident_bytes;
}

}  // namespace

std::int64_t resident_bytes_of_group(pid_t group) { return sum_of(members_of(group)); }

std::int64_t proportional_bytes_of_group(pid_t group) {
  std::int64_t bytes = 0;
  for (const Member& member : members_of(group)) bytes += proportional_bytes(member);
  return bytes;
}

MemoryWatch::MemoryWatch(pid_t group, std::int64_t limit_bytes)
    : group_(group), limit_bytes_(limit_bytes) {}

std::int64_t MemoryWatch::excess() {
  if (limit_bytes_ <= 0) return 0;
  const auto leader = measure::resident_bytes(group_);
  if (leader && *leader > limit_bytes_) return *leader;
  const std::int64_t start = measure::system_clock().now_ns();
  if (start < next_search_ns_) return 0;
  const bool above = resident_bytes_of_group(group_) > limit_bytes_;
  const std::int64_t end = measure::system_clock().now_ns();
  next_search_ns_ = end + std::max(kLeastPause_ns, kPausePerSearch * (end - start));
  if (!above) return 0;
  // Pages that a pool of forked processes shares were counted once for each.
  const std::int64_t bytes = proportional_bytes_of_group(group_);
  return bytes > limit_bytes_ ? bytes : 0;
}

}  // namespace ashlar::run
