#pragma once
// Instructions of a region, counted by valgrind's callgrind: a metric without noise. The process
// has to run under it, started with instrumentation off; docs/gate.md has the command line.
#include <functional>
#include <optional>
#include <string>

namespace ashlar::measure {

/// Why regions are not counted here; nothing when they are.
std::optional<std::string> instructions_uncountable();

/// Runs `region` with instrumentation on, and has callgrind write the counts of it to its next
/// output file. Only where instructions_uncountable() says nothing.
void count_instructions(const std::function<void()>& region);

}  // namespace ashlar::measure
