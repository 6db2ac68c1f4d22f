// This process is the one that records: one test case, as recording begins once.
#include "harness/trace/recorder.hpp"

#include <unistd.h>

#include <iostream>
#include <thread>

#include <catch2/catch.hpp>

#include "harness/trace/range.hpp"
#include "harness/trace/timeline.hpp"

#if ASHLAR_HAVE_NVTX
#include <nvtx3/nvToolsExt.h>

namespace ashlar::trace {
namespace {

nvtxEventAttributes_t named(const char* name) {
  nvtxEventAttributes_t event{};
  event.version = NVTX_VERSION;
  event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  event.messageType = NVTX_MESSAGE_TYPE_ASCII;
  event.message.ascii = name;
  return event;
}

/// What a library may call that is not ours.
void mark_everything() {
  const nvtxDomainHandle_t domain = nvtxDomainCreateA("library");
  nvtxEventAttributes_t event = named("");
  event.messageType = NVTX_MESSAGE_TYPE_REGISTERED;
  event.message.registered = nvtxDomainRegisterStringA(domain, "registered");
  event.payloadType = NVTX_PAYLOAD_TYPE_INT32;
  event.payload.iValue = -5;
  nvtxDomainRangePushEx(domain, &event);
  nvtxDomainRangePop(domain);
  nvtxRangePushA("plain");
  nvtxRangePushW(L"wide \u00e9\u20ac\U0001F600");
  nvtxRangePop();
  nvtxRangePop();
  CHECK(nvtxRangePop() < 0);
  nvtxMarkA("mark");
  const nvtxEventAttributes_t start = named("handed over");
  const nvtxRangeId_t id = nvtxDomainRangeStartEx(domain, &start);
  std::thread([&] {
    nvtxNameOsThreadA(static_cast<std::uint32_t>(gettid()), "helper");
    nvtxDomainRangeEnd(domain, id);
    const Range range("on another thread");
  }).join();
}

const Lane& lane_with(const Process& process, const std::string& name) {
  for (const Lane& lane : process.lanes) {
    for (const Span& span : lane.spans) {
      if (span.name == name) return lane;
    }
  }
  FAIL("no range " << name);
  return process.lanes.front();
}

}  // namespace

TEST_CASE("ranges of every kind and domain are recorded in this process, without any tool") {
  if (const auto why = why_not_recording()) {
    std::cout << "skipped: " << *why << "\n";
    return;
  }
  REQUIRE_FALSE(recording());
  const auto folder =
      std::filesystem::temp_directory_path() / ("ashlar-recorder-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  record_ranges(folder, Role::worker);
  record_ranges(folder, Role::worker);  // does nothing
  CHECK(recording());
  {
    const Range outer("outer");
    const Range inner("inner");
    mark_everything();
  }
  const Timeline timeline = collect(folder);
  std::filesystem::remove_all(folder);
  REQUIRE(timeline.processes.size() == 1);
  const Process& process = timeline.processes[0];
  CHECK(process.pid == getpid());
  const Lane& own = lane_with(process, "outer");
  CHECK(own.domain == "ashlar");
  REQUIRE(own.spans.size() == 2);
  CHECK(own.spans[0].name == "outer");
  CHECK(own.spans[1].name == "inner");
  CHECK(own.spans[0].start_ns <= own.spans[1].start_ns);
  CHECK(own.spans[1].end_ns <= own.spans[0].end_ns);
  const Lane& library = lane_with(process, "registered");
  CHECK(library.domain == "library");
  CHECK(library.spans.at(0).payload == -5);
  const Lane& plain = lane_with(process, "plain");
  CHECK(plain.domain == "default");
  CHECK(plain.spans.at(1).name == "wide \u00e9\u20ac\U0001F600");
  CHECK(depths(plain.spans) == std::vector<int>{0, 1});
  const Lane& other = lane_with(process, "on another thread");
  CHECK(other.thread != own.thread);
  CHECK(other.thread_name == "helper");
  REQUIRE(process.started.size() == 1);
  CHECK(process.started[0].span.name == "handed over");
  CHECK_FALSE(process.started[0].span.unfinished);
  CHECK(process.marks.at(0).name == "mark");
  CHECK(process.unmatched == 1);
  CHECK(process.dropped == 0);
}

}  // namespace ashlar::trace

#else

namespace ashlar::trace {

TEST_CASE("without the NVTX headers recording says what to do") {
  CHECK_FALSE(ranges_built());
  CHECK_THAT(why_not_recording().value_or(""), Catch::Contains("ci/setup"));
}

}  // namespace ashlar::trace

#endif
