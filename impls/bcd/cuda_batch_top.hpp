#pragma once
// The k largest of p scores by a team of threads: a radix search for the threshold, eight bits a
// pass, then a compaction that keeps the order of indices. Internal.
#include "impls/bcd/cuda_batch_team.hpp"

namespace ashlar::bcd::kernel {

/// Numbers that are not negative are ordered as their bits are.
ASHLAR_HOST_DEVICE std::uint64_t bits_of(double score) {
  return __builtin_bit_cast(std::uint64_t, score);
}

/// The scores that a pass looks at, and their digits: digit 0 is the best. The first pass counts
/// sixteenths of powers of two below the largest score, so that scores spread over many digits (and
/// threads over many counters); its last digit stands for all that is smaller.
struct DigitPass {
  static constexpr int kFirstShift = 48;

  bool first = true;
  std::uint64_t top = 0;                    // the largest score's bits, shifted by kFirstShift
  std::uint64_t limit = ~std::uint64_t{0};  // of the bits so shifted
  int known_shift = 64;                     // bits from there on are known ...
  std::uint64_t known = 0;                  // ... to be these
  int shift = kFirstShift;

  ASHLAR_HOST_DEVICE bool looks_at(std::uint64_t bits) const {
    return (bits >> kFirstShift) <= limit && (known_shift == 64 || (bits >> known_shift) == known);
  }
  ASHLAR_HOST_DEVICE int digit(std::uint64_t bits) const {
    if (!first) return 255 - static_cast<int>((bits >> shift) & 255);
    const std::uint64_t below = top - (bits >> kFirstShift);
    return below < 255 ? static_cast<int>(below) : 255;
  }
  /// The pass after this one, when the threshold has this digit.
  ASHLAR_HOST_DEVICE DigitPass next(int digit) const {
    DigitPass next = *this;
    next.first = false;
    if (first && digit == 255) {
      next.limit = top - 255;
      next.shift = 56;
      return next;
    }
    next.known =
        first ? top - static_cast<std::uint64_t>(digit)
              : (known_shift == 64 ? 0 : known << 8) | static_cast<std::uint64_t>(255 - digit);
    next.known_shift = shift;
    next.shift = shift - 8;
    return next;
  }
};

/// Finds the digit in which the `wanted`-th score of the pass lies, into local memory.
template <class Team>
ASHLAR_KERNEL_CODE DigitFound find_digit(Team& team, const std::uint32_t* counts,
                                         std::uint32_t wanted) {
  constexpr int kDigitsOfGroup = kDigits / kGroups;
  team.each_block([&](const Worker& w) {
    for (int group = w.thread; group < kGroups; group += w.threads) {
      std::uint32_t sum = 0;
      for (int d = 0; d < kDigitsOfGroup; ++d) sum += counts[group * kDigitsOfGroup + d];
      w.local->digit_sums[group] = sum;
    }
  });
  team.each_block([&](const Worker& w) {
    if (w.thread != 0) return;
    std::uint32_t before = 0;
    int group = 0;
    while (group < kGroups - 1 && before + w.local->digit_sums[group] < wanted) {
      before += w.local->digit_sums[group++];
    }
    int digit = group * kDigitsOfGroup;
    while (digit < kDigits - 1 && before + counts[digit] < wanted) before += counts[digit++];
    w.local->found = {digit, before, counts[digit]};
  });
  return team.read(&team.local().found);
}

/// Which scores are taken: those whose bits from `shift` on are above `known`, and the first
/// `equal` of those where they are the same.
struct TopThreshold {
  int shift = 0;
  std::uint64_t known = 0;
  std::uint32_t equal = 0;

  ASHLAR_HOST_DEVICE bool above(std::uint64_t bits) const { return (bits >> shift) > known; }
  ASHLAR_HOST_DEVICE bool same(std::uint64_t bits) const { return (bits >> shift) == known; }
};

/// `digits` must be 0.
template <class Team>
ASHLAR_KERNEL_CODE TopThreshold find_threshold(Team& team, const TeamMemory& memory, Index size,
                                               std::uint32_t count, double largest) {
  const double* const scores = memory.ranks;
  DigitPass pass;
  pass.top = bits_of(largest) >> DigitPass::kFirstShift;
  for (int number = 0;; ++number) {
    std::uint32_t* const counts = memory.digits + number * kDigits;
    team.each([&](const Worker& w) {
      for (Index i = w.rank(); i < size; i += w.count()) {
        const std::uint64_t bits = bits_of(scores[i]);
        if (pass.looks_at(bits)) add_count(counts + pass.digit(bits), 1);
      }
    });
    const DigitFound found = find_digit(team, counts, count);
    count -= found.before;
    pass = pass.next(found.bin);
    const bool whole = pass.known_shift < 64 && found.inside == count;
    if (whole || pass.known_shift == 0) return {pass.known_shift, pass.known, count};
  }
}

/// Taken indices into memory.block, rising. Each worker has a run of coordinates of its own, and
/// finds its place behind those before it.
template <class Team>
ASHLAR_KERNEL_CODE void take_top(Team& team, const TeamMemory& memory, Index size,
                                 const TopThreshold& threshold) {
  const auto add = [](TopCount& all, const TopCount& some) {
    all.above += some.above;
    all.equal += some.equal;
  };
  team.each_block([&](const Worker& w) {
    const OwnPart own = own_part(size, w.rank(), w.count());
    TopCount count;
    for (Index i = own.begin; i < own.end; ++i) {
      const std::uint64_t bits = bits_of(memory.ranks[i]);
      count.above += threshold.above(bits) ? 1 : 0;
      count.equal += threshold.same(bits) ? 1 : 0;
    }
    w.local->counts[w.thread] = count;
  });
  team.each_block([&](const Worker& w) {
    for (int group = w.thread; group < kGroups; group += w.threads) {
      const OwnPart members = own_part(w.threads, group, kGroups);
      TopCount count;
      for (Index t = members.begin; t < members.end; ++t) add(count, w.local->counts[t]);
      w.local->group_counts[group] = count;
    }
  });
  team.each([&](const Worker& w) {
    if (w.thread != 0) return;
    TopCount count;
    for (const TopCount& group : w.local->group_counts) add(count, group);
    memory.block_counts[w.block] = count;
  });
  team.each([&](const Worker& w) {
    TopCount before;
    for (int block = 0; block < w.block; ++block) add(before, memory.block_counts[block]);
    int group = 0;
    while (own_part(w.threads, group, kGroups).end <= w.thread) {
      add(before, w.local->group_counts[group++]);
    }
    for (Index t = own_part(w.threads, group, kGroups).begin; t < w.thread; ++t) {
      add(before, w.local->counts[t]);
    }
    const OwnPart own = own_part(size, w.rank(), w.count());
    for (Index i = own.begin; i < own.end; ++i) {
      const std::uint64_t bits = bits_of(memory.ranks[i]);
      const bool same = threshold.same(bits);
      if (threshold.above(bits) || (same && before.equal < threshold.equal)) {
        const std::uint32_t equal = before.equal < threshold.equal ? before.equal : threshold.equal;
        memory.block[before.above + equal] = i;
      }
      before.above += threshold.above(bits) ? 1 : 0;
      before.equal += same ? 1 : 0;
    }
  });
}

struct TopFound {
  Index count = 0;  // 0 where all scores are 0
  bool diverged = false;
};

/// The indices of the `count` largest of memory.ranks, which are not negative, into memory.block:
/// rising, ties to the lowest.
template <class Team>
ASHLAR_KERNEL_CODE TopFound select_top(Team& team, const TeamMemory& memory, Index size,
                                       Index count) {
  const Best best = team_reduce<LargestScore>(team, memory, [&](const Worker& w) {
    for (int d = w.rank(); d < kPasses * kDigits; d += w.count()) memory.digits[d] = 0;
    Best own = LargestScore::none();
    for (Index i = w.rank(); i < size; i += w.count()) {
      const double score = memory.ranks[i];
      own = LargestScore::both(own, score == score ? Best{score, i} : not_a_number());
    }
    return own;
  });
  if (best.place < 0) return {0, true};
  if (best.score == 0) return {0, false};
  if (count < size) {
    take_top(team, memory, size,
             find_threshold(team, memory, size, static_cast<std::uint32_t>(count), best.score));
  } else {
    team.each([&](const Worker& w) {
      for (Index i = w.rank(); i < size; i += w.count()) memory.block[i] = i;
    });
  }
  return {count, false};
}

}  // namespace ashlar::bcd::kernel
