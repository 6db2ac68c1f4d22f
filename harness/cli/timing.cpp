#include "harness/cli/timing.hpp"

#include <chrono>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ashlar::cli {

namespace po = boost::program_options;

namespace {

constexpr std::chrono::milliseconds kPause{100};
constexpr std::size_t kMostOfCommand = 120;

std::string command_of(const Context& context) {
  Arguments words = context.all_arguments;
  if (!words.empty()) words[0] = std::filesystem::path(words[0]).filename().string();
  return fmt::format("{}", fmt::join(words, " ")).substr(0, kMostOfCommand);
}

}  // namespace

void add_lock_options(Options& options) {
  options.add()  //
      ("no-wait", po::bool_switch(),
       "end with status 3 when another process measures on this machine, instead of waiting")  //
      ("no-lock", po::bool_switch(), "measure beside other measurements; their times suffer too");
}

std::unique_ptr<machine::TimingLock> hold_timing_lock(
    const Options& options, const Context& context,
    const std::function<void(const std::string&)>& note) {
  const bool no_wait = options.get<bool>("no-wait");
  if (options.get<bool>("no-lock")) {
    if (no_wait) throw UsageError("--no-lock and --no-wait exclude each other");
    return nullptr;
  }
  auto lock = std::make_unique<machine::TimingLock>();
  try {
    for (bool said = false; !lock->try_hold(command_of(context)); said = true) {
      const std::string holder = lock->holder().value_or("a process that is just starting");
      if (no_wait) {
        throw UsageError(
            fmt::format("--no-wait: this machine is being measured by {}; wait for it, or use "
                        "--no-lock to measure beside it",
                        holder));
      }
      if (!said) note(fmt::format("waiting: this machine is being measured by {}", holder));
      std::this_thread::sleep_for(kPause);
      if (interruptions() > 0) return nullptr;
    }
  } catch (const std::system_error& error) {
    note(fmt::format("no timing lock: {}", error.what()));
    return nullptr;
  }
  return lock;
}

}  // namespace ashlar::cli
