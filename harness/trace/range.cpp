#include "harness/trace/range.hpp"

#if ASHLAR_HAVE_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace ashlar::trace {

#if ASHLAR_HAVE_NVTX

namespace {

nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t handle = nvtxDomainCreateA("ashlar");
  return handle;
}

}  // namespace

bool ranges_built() { return true; }

void detail::push(const char* name) {
  nvtxEventAttributes_t event{};
  event.version = NVTX_VERSION;
  event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  event.messageType = NVTX_MESSAGE_TYPE_ASCII;
  event.message.ascii = name;
  nvtxDomainRangePushEx(domain(), &event);
}

void detail::pop() { nvtxDomainRangePop(domain()); }

#else

bool ranges_built() { return false; }
void detail::push(const char*) {}
void detail::pop() {}

#endif

}  // namespace ashlar::trace
