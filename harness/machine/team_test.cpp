#include "harness/machine/team.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "harness/machine/copy.hpp"
#include "harness/machine/peak.hpp"

namespace ashlar::machine {
namespace {

TEST_CASE("every thread of a team works in every burst") {
  for (const int threads : {1, 2, 5}) {
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(threads));
    const auto bursts = run_bursts({threads, 7}, [&](int worker, int) {
      calls[static_cast<std::size_t>(worker)].fetch_add(1);
    });
    REQUIRE(bursts.size() == 7);
    for (const auto& count : calls) CHECK(count.load() == 7);
    for (const Burst& burst : bursts) {
      CHECK(burst.wall_s >= 0);
      CHECK(burst.cpu_s >= 0);
    }
  }
}

TEST_CASE("threads of a team are in a burst together") {
  // Each waits for the other inside the burst: threads that ran in turn would never finish.
  std::atomic<int> inside{0};
  run_bursts({2, 3}, [&](int, int) {
    inside.fetch_add(1);
    while (inside.load() % 2 != 0) std::this_thread::yield();
  });
  CHECK(inside.load() == 6);
}

TEST_CASE("a deadline that has passed leaves one burst") {
  BurstPlan plan{2, 50};
  plan.deadline = std::chrono::steady_clock::now();
  std::atomic<int> calls{0};
  CHECK(run_bursts(plan, [&](int, int) { calls.fetch_add(1); }).size() == 1);
  CHECK(calls.load() == 2);
}

TEST_CASE("there is a CPU to use, and lists of them ascend") {
  const auto cpus = usable_cpus();
  REQUIRE_FALSE(cpus.empty());
  for (std::size_t i = 1; i < cpus.size(); ++i) CHECK(cpus[i - 1] < cpus[i]);
}

TEST_CASE("peak loops compute what they say") {
  const PeakKernel f32 = f32_peak_kernel();
  REQUIRE(f32.run != nullptr);
  CHECK(f32.flops_per_iteration > 0);
  // Every lane tends to the fixed point 1: twelve chains of as many lanes as FLOPs say.
  const double lanes = f32.flops_per_iteration / 2;
  CHECK(f32.run(100000) == Approx(lanes).epsilon(1e-3));
  CHECK(f32.run(0) != Approx(lanes).epsilon(1e-3));
  if (const auto bf16 = bf16_peak_kernel()) {
    // Each step adds zero to the starting values, whose sum over the chains is 21.75.
    CHECK(bf16->run(1000) == Approx(16 * 21.75));
  } else {
    WARN("no avx512_bf16 on this CPU: its loop was not run");
  }
}

TEST_CASE("copies are copies, and pages hold them") {
  Pages from(1 << 20);
  Pages to(1 << 20);
  for (std::size_t i = 0; i < from.bytes(); ++i) from.data()[i] = static_cast<std::byte>(i * 7);
  copy_nontemporal(to.data() + 64, from.data() + 128, from.bytes() - 192);
  CHECK(to.data()[0] == std::byte{0});
  CHECK(std::equal(to.data() + 64, to.data() + to.bytes() - 128, from.data() + 128));
  CHECK(to.data()[to.bytes() - 128] == std::byte{0});
  const Pages moved(std::move(to));
  CHECK(moved.bytes() == 1 << 20);
  CHECK(moved.data()[64] == from.data()[128]);
}

TEST_CASE("reads read every word once, however many streams") {
  constexpr std::size_t kLine = 64;
  Pages pages(1 << 20);
  std::uint64_t word = 1;
  for (std::size_t at = 0; at < pages.bytes(); at += sizeof(word)) {
    word = word * 6364136223846793005U + 1442695040888963407U;
    std::memcpy(pages.data() + at, &word, sizeof(word));
  }
  for (const std::size_t lines : {0U, 1U, 3U, 4U, 5U, 1000U, 16384U}) {
    std::uint64_t expected = 0;
    for (std::size_t at = 0; at < lines * kLine; at += sizeof(word)) {
      std::memcpy(&word, pages.data() + at, sizeof(word));
      expected ^= word;
    }
    for (const int streams : {1, 2, 4, 7}) {
      CHECK(read_all(pages.data(), lines * kLine, streams) == expected);
    }
  }
}

TEST_CASE("copy buffers are well beyond the caches, within reason") {
  constexpr std::size_t kMiB = 1 << 20;
  constexpr std::int64_t kGiB = std::int64_t{1} << 30;
  CHECK(copy_buffer_bytes(32 * kMiB, 16 * kGiB, 2) == 128 * kMiB);
  CHECK(copy_buffer_bytes(2 * kMiB, 16 * kGiB, 2) == 32 * kMiB);
  CHECK(copy_buffer_bytes(532 * kMiB, 64 * kGiB, 2) == 128 * kMiB);
  CHECK(copy_buffer_bytes(384 * kMiB, 512 * kGiB, 96) == 1024 * kMiB);
  CHECK(copy_buffer_bytes(32 * kMiB, kGiB / 2, 2) == 64 * kMiB);
  CHECK(copy_buffer_bytes(0, 0, 1) == 128 * kMiB);
}

}  // namespace
}  // namespace ashlar::machine
