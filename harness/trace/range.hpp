#pragma once
// NVTX ranges of the harness: suite, point, implementation and phase, in the domain "ashlar", the
// one in which the implementations mark their kernels' phases. A tool (nsys, ncu, an injection
// library) sees them; without one a range costs about a nanosecond. Without the NVTX headers ranges
// compile to nothing.
#include <string>

#ifdef ASHLAR_HAVE_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace ashlar::trace {

#ifdef ASHLAR_HAVE_NVTX
inline nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t handle = nvtxDomainCreateA("ashlar");
  return handle;
}

class Range {
 public:
  explicit Range(const std::string& name) {
    nvtxEventAttributes_t event{};
    event.version = NVTX_VERSION;
    event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    event.messageType = NVTX_MESSAGE_TYPE_ASCII;
    event.message.ascii = name.c_str();
    nvtxDomainRangePushEx(domain(), &event);
  }
  ~Range() { nvtxDomainRangePop(domain()); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};
inline constexpr bool kRangesBuilt = true;
#else
class Range {
 public:
  explicit Range(const std::string&) {}
  ~Range() {}
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};
inline constexpr bool kRangesBuilt = false;
#endif

}  // namespace ashlar::trace
