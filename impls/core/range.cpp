#include "impls/core/range.hpp"

#if ASHLAR_HAVE_NVTX
#include <nvtx3/nvToolsExt.h>

namespace ashlar::core::detail {
namespace {

nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t handle = nvtxDomainCreateA("ashlar");
  return handle;
}

nvtxEventAttributes_t attributes(const char* name) {
  nvtxEventAttributes_t event{};
  event.version = NVTX_VERSION;
  event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  event.messageType = NVTX_MESSAGE_TYPE_ASCII;
  event.message.ascii = name;
  return event;
}

}  // namespace

void push_range(const char* name) {
  const nvtxEventAttributes_t event = attributes(name);
  nvtxDomainRangePushEx(domain(), &event);
}

void push_range(const char* name, std::int64_t payload) {
  nvtxEventAttributes_t event = attributes(name);
  event.payloadType = NVTX_PAYLOAD_TYPE_INT64;
  event.payload.llValue = payload;
  nvtxDomainRangePushEx(domain(), &event);
}

void pop_range() { nvtxDomainRangePop(domain()); }

}  // namespace ashlar::core::detail
#endif
