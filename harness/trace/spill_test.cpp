#include "harness/trace/spill.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include <catch2/catch.hpp>

namespace ashlar::trace {
namespace {

namespace fs = std::filesystem;

class Place {
 public:
  Place() {
    std::string name = (fs::temp_directory_path() / "ashlar-spill-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Place() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path file() const { return path_ / "spill"; }

 private:
  fs::path path_;
};

std::vector<EventKind> kinds(const SpillThread& thread) {
  std::vector<EventKind> list;
  for (const SpillEvent& event : thread.events) list.push_back(event.kind);
  return list;
}

std::size_t count(const SpillThread& thread, EventKind kind) {
  std::size_t found = 0;
  for (const SpillEvent& event : thread.events) found += event.kind == kind ? 1 : 0;
  return found;
}

}  // namespace

TEST_CASE("what was written is read again, in order of time") {
  const Place place;
  {
    Spill spill(place.file(), Role::worker);
    SpillLane lane(spill, 0);
    CHECK(lane.push(0, "outer", {}) == 0);
    CHECK(lane.push(0, "", -7) == 1);
    CHECK(lane.push(3, std::string(5000, 'x'), {}) == 0);  // another domain, another stack
    CHECK(lane.pop(3) == 0);
    CHECK(lane.pop(0) == 1);
    CHECK(lane.pop(0) == 0);
    CHECK(lane.pop(0) == -1);
    lane.write(EventKind::mark, 0, 0, "here");
  }
  const SpillFile file = read_spill(place.file());
  CHECK(file.pid == getpid());
  CHECK(file.role == Role::worker);
  CHECK(file.dropped == 0);
  REQUIRE(file.threads.size() == 1);
  using K = EventKind;
  CHECK(kinds(file.threads[0]) == std::vector<K>{K::push, K::push, K::push, K::pop, K::pop, K::pop,
                                                 K::pop, K::mark, K::thread_end});
  const auto& events = file.threads[0].events;
  CHECK(events[0].text == "outer");
  CHECK_FALSE(events[0].has_payload);
  CHECK(static_cast<std::int64_t>(events[1].value) == -7);
  CHECK(events[2].text.size() == Spill::kLongestText);
  for (std::size_t i = 1; i < events.size(); ++i) CHECK(events[i - 1].time_ns <= events[i].time_ns);
  CHECK(file.start_ns <= events[0].time_ns);
}

TEST_CASE("a full spill keeps the ends of what it holds and counts the rest") {
  const Place place;
  constexpr int kInner = 5000;
  {
    Spill spill(place.file(), Role::worker, 3 * Spill::kChunkBytes);
    SpillLane lane(spill, 0);
    lane.push(0, "outer", {});
    for (int i = 0; i < kInner; ++i) {
      lane.push(0, "inner", i);
      lane.push(0, "innermost", {});
      lane.pop(0);
      lane.pop(0);
    }
    lane.pop(0);
  }
  CHECK(fs::file_size(place.file()) <= 4096 + 3 * Spill::kChunkBytes);
  const SpillFile file = read_spill(place.file());
  const SpillThread& thread = file.threads.at(0);
  CHECK(file.dropped > 0);
  CHECK(count(thread, EventKind::push) + file.dropped == 1 + 2 * kInner);
  CHECK(count(thread, EventKind::push) == count(thread, EventKind::pop));
  CHECK(thread.events.back().kind == EventKind::thread_end);
}

TEST_CASE("many open ranges at once still get their ends") {
  const Place place;
  constexpr int kDeep = 2000;  // more pops than one chunk holds
  {
    Spill spill(place.file(), Role::worker);
    SpillLane lane(spill, 0);
    for (int i = 0; i < kDeep; ++i) CHECK(lane.push(0, "deeper", {}) == i);
    for (int i = 0; i < kDeep; ++i) CHECK(lane.pop(0) == kDeep - 1 - i);
  }
  const SpillFile file = read_spill(place.file());
  CHECK(count(file.threads.at(0), EventKind::push) == count(file.threads.at(0), EventKind::pop));
  CHECK(count(file.threads.at(0), EventKind::push) + file.dropped == kDeep);
}

TEST_CASE("threads write side by side, and those that ended leave their chunk to others") {
  const Place place;
  constexpr int kThreads = 4;
  constexpr int kRanges = 2000;
  constexpr int kShort = 300;
  {
    Spill spill(place.file(), Role::worker);
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&spill, t] {
        SpillLane lane(spill, static_cast<std::uint64_t>(t));
        for (int i = 0; i < kRanges; ++i) {
          lane.push(0, "work", i);
          lane.pop(0);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (int t = 0; t < kShort; ++t) {
      SpillLane lane(spill, static_cast<std::uint64_t>(kThreads + t));
      lane.push(0, "short", {});
      lane.pop(0);
    }
  }
  // Short threads of their own chunk each would take 300 chunks.
  CHECK(fs::file_size(place.file()) < 100 * Spill::kChunkBytes);
  const SpillFile file = read_spill(place.file());
  CHECK(file.dropped == 0);
  REQUIRE(file.threads.size() == kThreads + kShort);
  for (int t = 0; t < kThreads; ++t) {
    const SpillThread& thread = file.threads[static_cast<std::size_t>(t)];
    REQUIRE(count(thread, EventKind::push) == kRanges);
    std::uint64_t next = 0;
    for (const SpillEvent& event : thread.events) {
      if (event.kind == EventKind::push) CHECK(event.value == next++);
    }
  }
}

TEST_CASE("a killed process leaves what it had written") {
  const Place place;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Spill spill(place.file(), Role::worker);
    SpillLane lane(spill, 0);
    lane.push(0, "done", {});
    lane.pop(0);
    lane.push(0, "in the middle", {});
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const SpillFile file = read_spill(place.file());
  CHECK(file.pid == child);
  CHECK(count(file.threads.at(0), EventKind::push) == 2);
  CHECK(count(file.threads.at(0), EventKind::pop) == 1);
}

TEST_CASE("a file that is no spill is refused, a cut one gives what is whole") {
  const Place place;
  CHECK_THROWS_AS(read_spill(place.file()), std::runtime_error);
  {
    Spill spill(place.file(), Role::supervisor);
    CHECK_THROWS_AS(Spill(place.file(), Role::worker), std::system_error);
    SpillLane lane(spill, 0);
    for (int i = 0; i < 3; ++i) lane.push(0, "range", {});
  }
  fs::resize_file(place.file(), 4096 + 32 + 40 + 20);  // owner, one push, half of another
  const SpillFile file = read_spill(place.file());
  CHECK(file.role == Role::supervisor);
  CHECK(count(file.threads.at(0), EventKind::push) == 1);
  fs::resize_file(place.file(), 100);
  CHECK_THROWS_AS(read_spill(place.file()), std::runtime_error);
}

}  // namespace ashlar::trace
