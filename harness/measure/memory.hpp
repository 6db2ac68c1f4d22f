#pragma once
// Peak resident memory of a stretch of code, from the kernel's own high-water mark.
#include <cstdint>
#include <optional>

namespace ashlar::measure {

/// Makes the allocator give large blocks back when they are freed, so that what one implementation
/// used is not counted for, or hidden from, the next. Call once, at the start of a worker.
void use_returning_allocator();

/// From construction to peak_bytes(): how far resident memory rose above what it was. Resets the
/// kernel's high-water mark of this process (/proc/self/clear_refs); empty where the kernel
/// refuses.
class PeakMemory {
 public:
  PeakMemory();
  std::optional<std::int64_t> peak_bytes() const;

 private:
  std::optional<std::int64_t> start_bytes_;
};

/// Bytes that the allocator has handed out and not got back; 0 where another allocator (a
/// sanitizer's) took its place.
std::int64_t heap_bytes();

/// Resident memory of a process now, or nothing when it is gone.
std::optional<std::int64_t> resident_bytes(int process);

}  // namespace ashlar::measure
