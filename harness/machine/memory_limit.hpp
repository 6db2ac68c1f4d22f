#pragma once
// How much memory this process may still take: what the machine has, and what its cgroup allows.
#include <cstdint>
#include <optional>

#include "harness/machine/system.hpp"

namespace ashlar::machine {

/// Bytes that can be used before the kernel swaps or kills: MemAvailable, or less where a cgroup
/// (version 1 or 2) on the way to the root has a limit. What a cgroup's files hold that can be
/// dropped at once (inactive page cache) counts as free. Nothing where neither is known.
std::optional<std::int64_t> usable_memory_bytes(const System& system = System());

}  // namespace ashlar::machine
