#pragma once
// Memory of a whole process group: a worker may start processes of its own.
#include <sys/types.h>

#include <cstdint>

namespace ashlar::run {

/// Resident bytes of all processes of the group, pages that several of them map counted once each.
std::int64_t resident_bytes_of_group(pid_t group);
/// The same with shared pages divided among those that map them (Pss): exact for forked pools, but
/// the kernel walks the page tables for it. Falls back to resident bytes where it does not tell.
std::int64_t proportional_bytes_of_group(pid_t group);

/// Watches a group against a limit at a cost that is bounded whatever the number of processes on
/// the machine: the leader at every call, the whole group as often as keeps the search below 0.2 %
/// of the time.
class MemoryWatch {
 public:
  MemoryWatch(pid_t group, std::int64_t limit_bytes);
  /// Bytes in use when they are above the limit, else 0.
  std::int64_t excess();

 private:
  pid_t group_;
  std::int64_t limit_bytes_;
  std::int64_t next_search_ns_ = 0;
};

}  // namespace ashlar::run
