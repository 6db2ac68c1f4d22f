#include "impls/core/parallel.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <vector>

namespace ashlar::core {
namespace {

class RestoreThreads {
 public:
  RestoreThreads() : before_(thread_count()) {}
  ~RestoreThreads() { set_thread_count(before_); }
  RestoreThreads(const RestoreThreads&) = delete;
  RestoreThreads& operator=(const RestoreThreads&) = delete;

 private:
  int before_;
};

TEST_CASE("dynamic loops visit every item once", "[parallel]") {
  const int threads = GENERATE(0, 1, 2, 3, 8);
  const std::int64_t items = GENERATE(0, 1, 2, 7, 1000);
  std::vector<std::atomic<int>> visits(static_cast<std::size_t>(items));
  std::atomic<int> largest_worker{0};
  parallel_for_dynamic(
      items,
      [&](std::int64_t item, int worker) {
        ++visits[static_cast<std::size_t>(item)];
        int seen = largest_worker;
        while (worker > seen && !largest_worker.compare_exchange_weak(seen, worker)) {
        }
      },
      threads);
  for (const auto& count : visits) REQUIRE(count == 1);
  CHECK(largest_worker < (threads > 0 ? threads : thread_count()));
}

TEST_CASE("dynamic loops hand out items in increasing order", "[parallel]") {
  std::mutex mutex;
  std::vector<std::vector<std::int64_t>> by_worker(4);
  parallel_for_dynamic(
      500,
      [&](std::int64_t item, int worker) {
        const std::lock_guard lock(mutex);
        by_worker[static_cast<std::size_t>(worker)].push_back(item);
      },
      4);
  for (const auto& items : by_worker) CHECK(std::is_sorted(items.begin(), items.end()));
}

TEST_CASE("static loops cut the range into equal contiguous shares", "[parallel]") {
  const int threads = GENERATE(1, 2, 3, 5);
  const std::int64_t items = GENERATE(0, 1, 4, 17, 1000);
  std::mutex mutex;
  std::set<std::pair<std::int64_t, std::int64_t>> shares;
  parallel_for_static(
      items,
      [&](std::int64_t begin, std::int64_t end, int worker) {
        const std::lock_guard lock(mutex);
        CHECK(worker >= 0);
        CHECK(worker < threads);
        shares.insert({begin, end});
      },
      threads);
  std::int64_t expected_begin = 0;
  std::int64_t shortest = items;
  std::int64_t longest = 0;
  for (const auto& [begin, end] : shares) {
    CHECK(begin == expected_begin);
    CHECK(end > begin);
    expected_begin = end;
    shortest = std::min(shortest, end - begin);
    longest = std::max(longest, end - begin);
  }
  CHECK(expected_begin == items);
  if (items > 0) CHECK(longest - shortest <= 1);
}

TEST_CASE("the second of two loops in turn sees all of the first", "[parallel]") {
  const int threads = GENERATE(1, 2, 5);
  const auto [first_items, items] = GENERATE(
      table<std::int64_t, std::int64_t>({{100, 40}, {1, 300}, {300, 1}, {0, 7}, {7, 0}, {0, 0}}));
  CAPTURE(threads, first_items, items);
  std::vector<int> made(static_cast<std::size_t>(first_items), 0);
  std::atomic<std::int64_t> seen{0};
  std::atomic<std::int64_t> missing{0};
  parallel_for_dynamic_in_turn(
      first_items, [&](std::int64_t item, int) { made[static_cast<std::size_t>(item)] += 1; },
      items,
      [&](std::int64_t, int) {
        ++seen;
        for (const int times : made) missing += times == 1 ? 0 : 1;
      },
      threads);
  CHECK(seen == items);
  CHECK(missing == 0);
  for (const int times : made) CHECK(times == 1);
}

TEST_CASE("an exception in the first of two loops keeps the second from starting", "[parallel]") {
  std::atomic<int> second{0};
  CHECK_THROWS_AS(parallel_for_dynamic_in_turn(
                      50,
                      [&](std::int64_t item, int) {
                        if (item == 20) throw std::out_of_range("item");
                      },
                      50, [&](std::int64_t, int) { ++second; }, GENERATE(1, 2, 4)),
                  std::out_of_range);
  CHECK(second == 0);
}

TEST_CASE("exceptions leave a parallel loop as one exception", "[parallel]") {
  const int threads = GENERATE(1, 2, 4);
  std::atomic<std::int64_t> visited{0};
  CHECK_THROWS_AS(parallel_for_dynamic(
                      10000,
                      [&](std::int64_t item, int) {
                        ++visited;
                        if (item >= 3) throw std::out_of_range("item");
                      },
                      threads),
                  std::out_of_range);
  CHECK(visited < 10000);
  CHECK_THROWS_AS(
      parallel_for_static(
          100, [](std::int64_t, std::int64_t, int) { throw std::domain_error("share"); }, threads),
      std::domain_error);
  // The next loop is not disturbed by the last one.
  std::atomic<int> count{0};
  parallel_for_dynamic(
      10, [&](std::int64_t, int) { ++count; }, threads);
  CHECK(count == 10);
}

TEST_CASE("loops nest", "[parallel]") {
  std::atomic<int> count{0};
  parallel_for_dynamic(
      4,
      [&](std::int64_t, int) {
        parallel_for_static(
            10,
            [&](std::int64_t begin, std::int64_t end, int) {
              count += static_cast<int>(end - begin);
            },
            2);
      },
      2);
  CHECK(count == 40);
}

TEST_CASE("the thread count is at least one", "[parallel]") {
  const RestoreThreads restore;
  CHECK(thread_count() >= 1);
  set_thread_count(3);
  CHECK(thread_count() == 3);
  set_thread_count(-5);
  CHECK(thread_count() == 1);
}

}  // namespace
}  // namespace ashlar::core
