#pragma once
// NVTX ranges of the harness: suite, point, implementation and phase, in the domain "ashlar", the
// one in which the implementations mark their kernels' phases. A tool (nsys, ncu, an injection
// library) or the recorder of this folder sees them; without one a range costs about a nanosecond.
// Without the NVTX headers ranges do nothing.
#include <string>

namespace ashlar::trace {

/// Whether this build can show ranges to a tool.
bool ranges_built();

namespace detail {
void push(const char* name);
void pop();
}  // namespace detail

/// Marks the time from construction to destruction, on this thread; ranges nest.
class Range {
 public:
  explicit Range(const std::string& name) { detail::push(name.c_str()); }
  ~Range() { detail::pop(); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace ashlar::trace
