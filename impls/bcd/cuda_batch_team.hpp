#pragma once
// Phases between barriers, for the team of threads that works on one run. Internal.
//
// A Team is a machine: on a GPU a thread block, a cluster or a grid (cuda_batch_kernel.cuh), in
// tests loops on a CPU (test_batch_team.hpp). It has
//   each(f)         f(worker) by every worker, then a barrier of the team
//   each_block(f)   the same with a barrier of each block: f shares with its own block alone
//   first_block(f)  f(team of the first block alone), then a barrier of the team
//   read(pointer)   a number by which all go on: it must not be written in the phase after
//   blocks(), turn() (0 and 1 in turn), local() (memory of the caller's block)
// What one worker writes in a phase no other worker may read or write in it, but by add_count() and
// take_number(), of which the sum alone is used.
#include <cmath>
#include <cstdint>

#include "impls/bcd/cuda_batch_state.hpp"

namespace ashlar::bcd::kernel {

struct Worker {
  int block = 0;
  int blocks = 1;
  int thread = 0;
  int threads = 1;  // of a block
  BlockMemory* local = nullptr;

  ASHLAR_HOST_DEVICE Index rank() const { return block * threads + thread; }
  ASHLAR_HOST_DEVICE Index count() const { return blocks * threads; }
};

/// [begin, end), the part of 0 .. size - 1 that is the block's own.
struct OwnPart {
  Index begin = 0;
  Index end = 0;
};
ASHLAR_HOST_DEVICE OwnPart own_part(Index size, int part, int parts) {
  const auto cut = [&](int at) {
    return static_cast<Index>(static_cast<std::int64_t>(size) * at / parts);
  };
  return {cut(part), cut(part + 1)};
}

/// Counts are whole numbers, so that the order of additions does not show.
ASHLAR_HOST_DEVICE void add_count(std::uint32_t* count, std::uint32_t by) {
#ifdef __CUDA_ARCH__
  atomicAdd(count, by);
#else
  *count += by;
#endif
}

/// The next number of a queue.
ASHLAR_HOST_DEVICE std::uint32_t take_number(std::uint32_t* queue) {
#ifdef __CUDA_ARCH__
  return atomicAdd(queue, 1);
#else
  return (*queue)++;
#endif
}

struct AddScores {
  ASHLAR_HOST_DEVICE static Best none() { return {0, 0}; }
  ASHLAR_HOST_DEVICE static Best both(const Best& a, const Best& b) {
    return {a.score + b.score, 0};
  }
};
/// The largest, and of equal ones the first. Above 0 alone.
struct LargestScore {
  static constexpr Index kNone = 0x7fffffff;
  ASHLAR_HOST_DEVICE static Best none() { return {0, kNone}; }
  ASHLAR_HOST_DEVICE static Best both(const Best& a, const Best& b) {
    if (a.score != b.score) return a.score > b.score ? a : b;
    return a.place <= b.place ? a : b;
  }
};
/// In LargestScore, for a score that is not a number: wins.
ASHLAR_HOST_DEVICE Best not_a_number() { return {HUGE_VAL, -1}; }

/// part(worker) of all workers together, in an order that depends on their number alone.
template <class Combine, class Team, class Part>
ASHLAR_KERNEL_CODE Best team_reduce(Team& team, const TeamMemory& memory, const Part& part) {
  team.each_block([&](const Worker& w) { w.local->parts[w.thread] = part(w); });
  team.each_block([&](const Worker& w) {
    for (int group = w.thread; group < kGroups; group += w.threads) {
      Best all = Combine::none();
      for (int t = group; t < w.threads; t += kGroups) {
        all = Combine::both(all, w.local->parts[t]);
      }
      w.local->groups[group] = all;
    }
  });
  Best* const totals = memory.totals + team.turn() * team.blocks();
  team.each([&](const Worker& w) {
    if (w.thread != 0) return;
    Best all = Combine::none();
    for (const Best& group : w.local->groups) all = Combine::both(all, group);
    totals[w.block] = all;
  });
  Best all = Combine::none();
  for (int block = 0; block < team.blocks(); ++block) {
    all = Combine::both(all, team.read(&totals[block]));
  }
  return all;
}

template <class Team, class Part>
ASHLAR_KERNEL_CODE double team_sum(Team& team, const TeamMemory& memory, const Part& part) {
  return team_reduce<AddScores>(team, memory,
                                [&](const Worker& w) {
                                  return Best{part(w), 0};
                                })
      .score;
}

}  // namespace ashlar::bcd::kernel
