#pragma once
// Where the time went: inclusive and exclusive time per range, from a timeline alone.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/trace/timeline.hpp"

namespace ashlar::trace {

/// All ranges of one name, domain and side (supervisor or workers).
struct RangeTotal {
  Role role = Role::worker;
  std::string domain;
  std::string name;
  std::size_t count = 0;
  std::int64_t inclusive_ns = 0;  // a range within one of its own name counts once
  /// Less the ranges within, on the same thread. Nothing for started ranges, which need not nest.
  std::optional<std::int64_t> exclusive_ns;
  std::size_t unfinished = 0;
  bool operator==(const RangeTotal&) const = default;
};

/// The supervisor's first; then by exclusive time, the longest first.
std::vector<RangeTotal> totals(const Timeline& timeline);

/// A table per side, at most `rows` lines each (0: all), and what was dropped or left open. Shares
/// are of the exclusive time of all ranges on that side, so they sum to 100 %.
std::string summary_text(const Timeline& timeline, std::size_t rows = 0);

}  // namespace ashlar::trace
