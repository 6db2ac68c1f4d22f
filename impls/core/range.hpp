#pragma once
// Named ranges of time for profilers: NVTX version 3, domain "ashlar". Without the NVTX headers at
// build time they compile to nothing; without a listening tool a range costs about a nanosecond.
#include <cstdint>
#ifndef ASHLAR_HAVE_NVTX
#define ASHLAR_HAVE_NVTX 0
#endif

namespace ashlar::core {

/// Whether this build can show ranges to a tool.
inline constexpr bool kRangesCompiled = ASHLAR_HAVE_NVTX != 0;

namespace detail {
void push_range(const char* name);
void push_range(const char* name, std::int64_t payload);
void pop_range();
}  // namespace detail

/// Marks the time from construction to destruction, on this thread; ranges nest. The name need not
/// outlive the constructor. The payload (a block index, a size) is shown beside the name.
class Range {
 public:
#if ASHLAR_HAVE_NVTX
  explicit Range(const char* name) { detail::push_range(name); }
  Range(const char* name, std::int64_t payload) { detail::push_range(name, payload); }
  ~Range() { detail::pop_range(); }
#else
  explicit Range(const char*) {}
  Range(const char*, std::int64_t) {}
  ~Range() {}  // user-provided, so that an unused range is no unused variable
#endif
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace ashlar::core
