#include <numeric>
#include <random>

#include <catch2/catch.hpp>

#include "harness/trace/timeline.hpp"

namespace ashlar::trace {
namespace {

SpillEvent event(EventKind kind, std::int64_t time_ns, std::string text = "",
                 std::uint16_t domain = 1, std::uint64_t value = 0) {
  return {kind, time_ns, domain, false, value, std::move(text)};
}

constexpr auto kPush = EventKind::push;
constexpr auto kPop = EventKind::pop;

SpillFile file_of(std::vector<SpillEvent> events) {
  events.insert(events.begin(), event(EventKind::domain, 0, "ashlar"));
  SpillFile file;
  file.pid = 7;
  file.threads.push_back({0, std::move(events)});
  return file;
}

std::int64_t length(const Span& span) { return span.end_ns - span.start_ns; }

/// A made-up lane: random pushes and pops with random steps of time, some of them zero.
std::vector<Span> random_lane(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<SpillEvent> events;
  std::int64_t now = 0;
  int open = 0;
  for (int i = 0; i < 400; ++i) {
    now += random() % 5;
    const bool push = open == 0 || (random() % 2 == 0 && open < 8);
    events.push_back(push ? event(kPush, now, std::string(1, static_cast<char>('a' + random() % 6)))
                          : event(kPop, now));
    open += push ? 1 : -1;
  }
  for (; open > 0; --open) events.push_back(event(kPop, now += 3));
  return process_of(file_of(events)).lanes.at(0).spans;
}

}  // namespace

TEST_CASE("exclusive time is inclusive time less what lies directly within") {
  // outer 0-100 holds a 10-40 (which holds b 20-30) and c 50-60; then d 100-110.
  const std::vector<Span> lane = {{"outer", 0, 100, {}, false},
                                  {"a", 10, 40, {}, false},
                                  {"b", 20, 30, {}, false},
                                  {"c", 50, 60, {}, false},
                                  {"d", 100, 110, {}, false}};
  CHECK(exclusive_ns(lane) == std::vector<std::int64_t>{60, 20, 10, 10, 10});
  CHECK(depths(lane) == std::vector<int>{0, 1, 2, 1, 0});
  CHECK(exclusive_ns({}).empty());
}

TEST_CASE("exclusive times of a lane sum to the time of its outermost ranges") {
  for (unsigned seed = 0; seed < 50; ++seed) {
    INFO("seed " << seed);
    const std::vector<Span> lane = random_lane(seed);
    const std::vector<std::int64_t> exclusive = exclusive_ns(lane);
    const std::vector<int> depth = depths(lane);
    std::int64_t outermost = 0;
    for (std::size_t i = 0; i < lane.size(); ++i) {
      CHECK(exclusive[i] >= 0);
      CHECK(exclusive[i] <= length(lane[i]));
      if (depth[i] == 0) outermost += length(lane[i]);
    }
    CHECK(std::accumulate(exclusive.begin(), exclusive.end(), std::int64_t{0}) == outermost);
  }
}

TEST_CASE("exclusive times do not change when everything is later, and scale with time") {
  std::vector<Span> lane = random_lane(3);
  const std::vector<std::int64_t> before = exclusive_ns(lane);
  for (Span& span : lane)
    span = {span.name, span.start_ns * 3 + 17, span.end_ns * 3 + 17, {}, false};
  const std::vector<std::int64_t> after = exclusive_ns(lane);
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(after[i] == 3 * before[i]);
}

TEST_CASE("domains have stacks of their own") {
  const Process process = process_of(file_of({
      event(kPush, 10, "ours"),
      event(kPush, 20, "theirs", 0),
      event(kPop, 30),
      event(kPop, 40, "", 0),
  }));
  REQUIRE(process.lanes.size() == 2);
  CHECK(process.lanes[0].domain == "default");
  CHECK(process.lanes[0].spans == std::vector<Span>{{"theirs", 20, 40, {}, false}});
  CHECK(process.lanes[1].domain == "ashlar");
  CHECK(process.lanes[1].spans == std::vector<Span>{{"ours", 10, 30, {}, false}});
}

TEST_CASE("an end that nobody began is counted, a beginning without an end is closed and marked") {
  const Process process = process_of(file_of({
      event(kPop, 5),
      event(kPush, 10, "outer"),
      event(kPush, 20, "killed in here"),
      event(EventKind::finish, 30, "", 1, 99),
      event(EventKind::mark, 70, "last sign"),
  }));
  CHECK(process.unmatched == 2);
  CHECK(process.lanes.at(0).spans ==
        std::vector<Span>{{"outer", 10, 70, {}, true}, {"killed in here", 20, 70, {}, true}});
  CHECK(process.marks.at(0).name == "last sign");
}

TEST_CASE("what was open when the process died holds what began in its last instant") {
  const Process process =
      process_of(file_of({event(kPush, 10, "outer"), event(kPush, 10, "before"), event(kPop, 20),
                          event(kPush, 20, "next"), event(kPush, 20, "last")}));
  const std::vector<Span>& spans = process.lanes.at(0).spans;
  CHECK(depths(spans) == std::vector<int>{0, 1, 1, 2});
  CHECK(exclusive_ns(spans) == std::vector<std::int64_t>{0, 10, 0, 0});
}

TEST_CASE("a range that its thread left open ends with the thread") {
  SpillFile file = file_of({event(kPush, 10, "main"), event(kPop, 90)});
  file.threads.push_back({1,
                          {event(EventKind::thread_name, 20, "helper"), event(kPush, 20, "left"),
                           event(EventKind::thread_end, 50)}});
  const Process process = process_of(file);
  REQUIRE(process.lanes.size() == 2);
  CHECK(process.lanes[1].thread_name == "helper");
  CHECK(process.lanes[1].spans == std::vector<Span>{{"left", 20, 50, {}, true}});
}

TEST_CASE("a started range may end on a thread that comes first in the file") {
  SpillFile file = file_of({event(EventKind::finish, 60, "", 1, 4)});
  file.threads.push_back({1,
                          {event(EventKind::start, 20, "handed over", 1, 4),
                           event(EventKind::start, 30, "for ever", 1, 5)}});
  const Process process = process_of(file);
  REQUIRE(process.started.size() == 2);
  CHECK(process.started[0].span == Span{"handed over", 20, 60, {}, false});
  CHECK(process.started[1].span == Span{"for ever", 30, 60, {}, true});
  CHECK(process.unmatched == 0);
}

TEST_CASE("a worker is called after what it does") {
  const auto name = [](std::vector<SpillEvent> events) { return process_of(file_of(events)).name; };
  CHECK(name({event(kPush, 1, "toy/scale"), event(kPush, 2, "n=1"), event(kPush, 3, "loop"),
              event(kPop, 4), event(kPop, 5), event(kPop, 6)}) == "worker: toy/scale n=1");
  CHECK(name({event(kPush, 1, "toy/scale"), event(kPush, 2, "n=1"), event(kPop, 3),
              event(kPush, 4, "n=2"), event(kPop, 5), event(kPop, 6)}) == "worker: toy/scale");
  CHECK(name({event(kPush, 1, "calibrate"), event(kPop, 2)}) == "worker: calibrate");
  CHECK(name({}) == "worker");
}

}  // namespace ashlar::trace
