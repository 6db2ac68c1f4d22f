#pragma once
// What threads do in the elimination of a forest on a GPU, apart from waiting for each other, for
// both sides. Internal; forest_rounds.hpp has the idea.
//
// Levels before `narrow` are wide: a phase of the grid each, upwards and downwards, and between
// these one phase in which a thread block takes all the others. In the last level of all a thread
// goes up and down at once.
#include <cstdint>

#include "impls/bcd/forest_rounds.hpp"
#include "impls/core/cuda/host_device.hpp"

namespace ashlar::bcd::kernel {

constexpr Index kLanes = 32;
/// Slots of the narrow levels at most: 48 KiB of values, which a block has as shared memory.
constexpr Index kNarrowSlots = 6144;

/// A forest and what its right side is made of: device pointers in launches, host pointers in
/// tests. Arrays as in ForestRounds and OutsideRows.
struct ForestTask {
  const ForestLevel* levels = nullptr;
  Index level_count = 0;
  Index narrow = 0;
  Index slots = 0;
  const Index* targets = nullptr;  // slot -> place in `right` and `x`; -1 at a sum
  const double* inverses = nullptr;
  const ForestAbove* above = nullptr;
  const Index* starts = nullptr;
  const Index* sources = nullptr;
  const double* shares = nullptr;
  const Index* outside_starts = nullptr;  // null: the right side is `right`
  const Index* outside_indices = nullptr;
  const double* outside_values = nullptr;
};

/// Of several right sides, which lie one after the other.
struct ForestCall {
  const double* right = nullptr;
  double* x = nullptr;
  double* values = nullptr;  // scratch of wide forests, one per slot
  Index count = 1;
  std::int64_t distance = 0;        // from one right side to the next, in `right` and `x`
  std::int64_t value_distance = 0;  // in `values`
};

/// One right side.
struct ForestVectors {
  const double* right = nullptr;
  double* x = nullptr;
  double* values = nullptr;
};
ASHLAR_HOST_DEVICE ForestVectors vectors_at(const ForestCall& call, Index number) {
  return {call.right + number * call.distance, call.x + number * call.distance,
          call.values + number * call.value_distance};
}

/// Forests that are solved independently of each other, each by one thread block: all of them
/// narrow from level 0 on.
struct ForestBatch {
  const ForestTask* tasks = nullptr;
  const std::int64_t* starts = nullptr;  // of each forest's part of `right` and `x`
  Index count = 0;
  Index most_slots = 0;
};
ASHLAR_HOST_DEVICE ForestVectors batch_vectors(const ForestBatch& batch, const double* right,
                                               double* x, double* values, Index number) {
  return {right + batch.starts[number], x + batch.starts[number], values};
}

enum class ForestPhaseKind : std::uint8_t { up, top, down, narrow };
struct ForestPhase {
  ForestPhaseKind kind = ForestPhaseKind::top;
  Index level = 0;
};

/// Phases in which levels [first, end) are all the same: up, the last at once, down.
ASHLAR_HOST_DEVICE Index forest_phases(Index first, Index end) {
  return first < end ? 2 * (end - first) - 1 : 0;
}
ASHLAR_HOST_DEVICE ForestPhase forest_phase(Index first, Index end, Index number) {
  const Index last = end - 1 - first;
  if (number < last) return {ForestPhaseKind::up, first + number};
  if (number == last) return {ForestPhaseKind::top, first + number};
  return {ForestPhaseKind::down, first + 2 * last - number};
}

/// Phases of the grid. All narrow levels count as one.
ASHLAR_HOST_DEVICE Index grid_phases(const ForestTask& task) {
  const Index end = task.narrow < task.level_count ? task.narrow + 1 : task.level_count;
  return forest_phases(0, end);
}
ASHLAR_HOST_DEVICE ForestPhase grid_phase(const ForestTask& task, Index number) {
  const bool has_narrow = task.narrow < task.level_count;
  ForestPhase phase = forest_phase(0, has_narrow ? task.narrow + 1 : task.level_count, number);
  if (has_narrow && phase.kind == ForestPhaseKind::top) phase.kind = ForestPhaseKind::narrow;
  return phase;
}

/// A lane's part of what is taken off a slot's right side.
ASHLAR_HOST_DEVICE double row_part(const ForestTask& task, const ForestVectors& vectors, Index slot,
                                   Index lane, Index lanes) {
  double sum = 0;
  const Index end = task.starts[slot + 1];
  for (Index e = task.starts[slot] + lane; e < end; e += lanes)
    sum += task.shares[e] * vectors.values[task.sources[e]];
  if (task.outside_starts != nullptr) {
    const Index last = task.outside_starts[slot + 1];
    ASHLAR_NO_UNROLL
    for (Index e = task.outside_starts[slot] + lane; e < last; e += lanes)
      sum += task.outside_values[e] * vectors.x[task.outside_indices[e]];
  }
  return sum;
}

ASHLAR_HOST_DEVICE void substitute(const ForestTask& task, const ForestVectors& vectors,
                                   Index slot) {
  const Index target = task.targets[slot];
  if (target < 0) return;
  const ForestAbove above = task.above[slot];
  double x = vectors.values[slot] * task.inverses[slot];
  ASHLAR_UNROLL
  for (int side = 0; side < 2; ++side) {
    if (above.slots[side] >= 0) x -= above.shares[side] * vectors.values[above.slots[side]];
  }
  vectors.values[slot] = x;
  vectors.x[target] = x;
}

/// `sum` is that of all lanes. In the last level nothing is above: `top` goes on downwards.
ASHLAR_HOST_DEVICE void finish_row(const ForestTask& task, const ForestVectors& vectors, Index slot,
                                   double sum, bool top) {
  const Index target = task.targets[slot];
  vectors.values[slot] = (target < 0 ? 0.0 : vectors.right[target]) - sum;
  if (top) substitute(task, vectors, slot);
}

/// A thread's short rows of a level, or all its slots on the way down.
ASHLAR_HOST_DEVICE void thread_slots(const ForestTask& task, const ForestVectors& vectors,
                                     const ForestPhase& phase, Index thread, Index threads) {
  const ForestLevel level = task.levels[phase.level];
  if (phase.kind == ForestPhaseKind::down) {
    ASHLAR_NO_UNROLL
    for (Index slot = level.first + thread; slot < level.end; slot += threads)
      substitute(task, vectors, slot);
    return;
  }
  ASHLAR_NO_UNROLL
  for (Index slot = level.first + thread; slot < level.longer; slot += threads)
    finish_row(task, vectors, slot, row_part(task, vectors, slot, 0, 1),
               phase.kind == ForestPhaseKind::top);
}

/// A warp's long rows of a level: row(slot, top) for each.
template <class Row>
ASHLAR_HOST_DEVICE void warp_slots(const ForestTask& task, const ForestPhase& phase, Index warp,
                                   Index warps, const Row& row) {
  if (phase.kind == ForestPhaseKind::down) return;
  const ForestLevel level = task.levels[phase.level];
  ASHLAR_NO_UNROLL
  for (Index slot = level.longer + warp; slot < level.end; slot += warps)
    row(slot, phase.kind == ForestPhaseKind::top);
}

/// put(vector) says where the vector's elements are for the task's threads. `outside` may be null.
template <class Put>
ForestTask make_forest_task(const ForestRounds& rounds, const std::vector<Index>& targets,
                            const OutsideRows* outside, const Put& put) {
  ForestTask task;
  task.levels = put(rounds.levels);
  task.level_count = static_cast<Index>(rounds.levels.size());
  task.narrow = rounds.narrow_from(kNarrowSlots);
  task.slots = rounds.slots();
  task.targets = put(targets);
  task.inverses = put(rounds.inverses);
  task.above = put(rounds.above);
  task.starts = put(rounds.starts);
  task.sources = put(rounds.sources);
  task.shares = put(rounds.shares);
  if (outside == nullptr) return task;
  task.outside_starts = put(outside->starts);
  task.outside_indices = put(outside->indices);
  task.outside_values = put(outside->values);
  return task;
}

}  // namespace ashlar::bcd::kernel
