#pragma once
// `ashlar run --trace FILE`: this process and its workers record their ranges; at the end they
// become one timeline and a table.
#include <filesystem>
#include <optional>

#include "harness/cli/options.hpp"
#include "harness/cli/run_files.hpp"

namespace ashlar::cli {

void add_trace_option(Options& options);

/// Lines of the table per side, unless asked for more.
inline constexpr int kTraceRows = 25;

class TraceOption {
 public:
  /// With --trace: makes the file, and asks this process and all that it starts to record. Throws
  /// UsageError when the file exists or cannot be made, and when nothing could be recorded. Must
  /// come before the first range.
  explicit TraceOption(const Options& options);
  /// A run that failed keeps its timeline all the same; without any range the file goes.
  ~TraceOption();
  TraceOption(const TraceOption&) = delete;
  TraceOption& operator=(const TraceOption&) = delete;

  /// Writes the file and prints the table; every range must have ended. Without --trace nothing.
  /// Throws std::system_error when the file cannot be written.
  void finish();

 private:
  std::filesystem::path file_;  // empty without --trace, and when it is written
  std::optional<ScratchFolder> folder_;
};

}  // namespace ashlar::cli
