#include "harness/measure/memory.hpp"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace ashlar::measure {

namespace {

std::optional<std::int64_t> status_kib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::stoll(line.substr(field.size() + 1));
  }
  return std::nullopt;
}

bool reset_high_water_mark() {
  std::ofstream clear("/proc/self/clear_refs");
  clear << '5' << std::flush;
  return static_cast<bool>(clear);
}

}  // namespace

void use_returning_allocator() {
  // A fixed threshold also switches off glibc's habit of raising it after the first large free().
  mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  mallopt(M_TRIM_THRESHOLD, 256 * 1024);
}

std::int64_t heap_bytes() {
  const struct mallinfo2 heap = mallinfo2();
  return static_cast<std::int64_t>(heap.uordblks + heap.hblkhd);
}

PeakMemory::PeakMemory() {
  malloc_trim(0);
  if (!reset_high_water_mark()) return;
  if (const auto kib = status_kib("VmRSS")) start_bytes_ = *kib * 1024;
}

std::optional<std::int64_t> PeakMemory::peak_bytes() const {
  const auto kib = status_kib("VmHWM");
  if (!start_bytes_ || !kib) return std::nullopt;
  return std::max<std::int64_t>(0, *kib * 1024 - *start_bytes_);
}

std::optional<std::int64_t> resident_bytes(int process) {
  std::ifstream statm("/proc/" + std::to_string(process) + "/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  if (!(statm >> total >> resident)) return std::nullopt;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace ashlar::measure
