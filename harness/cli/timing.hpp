#pragma once
// Commands that measure time wait for each other.
#include <functional>
#include <memory>
#include <string>

#include "harness/cli/options.hpp"
#include "harness/machine/timing_lock.hpp"

namespace ashlar::cli {

/// --no-wait and --no-lock.
void add_lock_options(Options& options);

/// Holds the machine's timing lock as long as the result lives; nothing with --no-lock. While
/// another process has it this waits, once `note` has said for whom; an interrupt ends the waiting
/// with nothing held, so ask interruptions() afterwards. Throws UsageError with --no-wait. Where
/// the lock's file cannot be made, `note` says so and nothing is held.
std::unique_ptr<machine::TimingLock> hold_timing_lock(
    const Options& options, const Context& context,
    const std::function<void(const std::string&)>& note);

}  // namespace ashlar::cli
