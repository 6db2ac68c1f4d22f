#pragma once
// Selection rules by a team of threads. Internal; selection.hpp has what they equal.
#include "impls/bcd/cuda_batch_quadratic_norm.hpp"

namespace ashlar::bcd::kernel {

struct ChosenBlock {
  const Index* members = nullptr;
  Index size = 0;    // 0 where the rule finds nothing to do
  Index place = -1;  // in a fixed partition
  bool diverged = false;
};

ASHLAR_HOST_DEVICE ChosenBlock fixed_block(const BatchRun& run, Index place) {
  const std::int64_t start = run.block_starts[place];
  return {run.members + start, static_cast<Index>(run.block_starts[place + 1] - start), place,
          false};
}

/// The block of an iteration, counted from 0.
template <class Team>
ASHLAR_KERNEL_CODE ChosenBlock choose_block(Team& team, const BatchProblem& problem,
                                            const BatchRun& run, const TeamMemory& memory,
                                            std::int64_t iteration) {
  if (!looks_at_gradient(run.selection)) {
    if (!run.variable) return fixed_block(run, run.schedule[iteration]);
    const std::int64_t start = run.schedule_starts[iteration];
    return {run.schedule + start, static_cast<Index>(run.schedule_starts[iteration + 1] - start),
            -1, false};
  }
  look_at_gradient(team, problem, run, memory);
  const bool quadratic = uses_quadratic_norm(run.selection);
  if (run.variable) {
    const TopFound found = choose_coordinates(team, problem, run, memory);
    return {memory.block, found.count, -1, found.diverged};
  }
  if (quadratic) square_by_roots(team, run, memory);
  const Best best = team_reduce<LargestScore>(team, memory, [&](const Worker& w) {
    Best own = LargestScore::none();
    for (Index place = w.rank(); place < run.blocks; place += w.count()) {
      const double score = quadratic ? quadratic_score(run, memory, place)
                                     : block_score(problem, run, memory, place);
      own = LargestScore::both(own, score == score ? Best{score, place} : not_a_number());
    }
    return own;
  });
  if (best.place < 0) return {nullptr, 0, -1, true};
  return best.score > 0 ? fixed_block(run, best.place) : ChosenBlock{};
}

}  // namespace ashlar::bcd::kernel
