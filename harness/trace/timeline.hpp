#pragma once
// A run as a timeline: processes, their threads, and the ranges of each. Pure data and functions.
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/trace/spill.hpp"

namespace ashlar::trace {

struct Span {
  std::string name;
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  std::optional<std::int64_t> payload;
  /// Nobody ended it (its process was killed): it ends at the last time known of its process, and
  /// when only its thread ended, there.
  bool unfinished = false;
  bool operator==(const Span&) const = default;
};

/// The ranges of one domain on one thread, outer ones before inner ones. Of any two, one holds the
/// other or they are apart.
struct Lane {
  std::uint64_t thread = 0;  // in order of first use; 0 is the first
  std::string thread_name;   // may be empty
  std::string domain;
  std::vector<Span> spans;
  bool operator==(const Lane&) const = default;
};

/// A range that was started and ended by its number: need not nest, may change threads.
struct Started {
  std::string domain;
  Span span;
  bool operator==(const Started&) const = default;
};

struct Mark {
  std::uint64_t thread = 0;
  std::string domain;
  std::string name;
  std::int64_t time_ns = 0;
  bool operator==(const Mark&) const = default;
};

struct Process {
  int pid = 0;
  Role role = Role::worker;
  std::string name;  // what it does
  std::int64_t start_ns = 0;
  std::vector<Lane> lanes;
  std::vector<Started> started;
  std::vector<Mark> marks;
  std::uint64_t dropped = 0;    // ranges and marks that were one too many
  std::uint64_t unmatched = 0;  // ends of ranges that nobody began
  bool operator==(const Process&) const = default;
};

struct Timeline {
  std::vector<Process> processes;  // the supervisor first, workers in order of their start
};

/// The lanes of one process, named after its outermost ranges.
Process process_of(const SpillFile& spill);

/// All spills of a folder. At most `most` ranges, those of the first processes, since viewers do
/// not take any number; the rest counts as dropped. A file that is no spill is left out.
Timeline collect(const std::filesystem::path& folder, std::size_t most = 1'000'000);

/// Time in each span that is in none of those directly within it.
std::vector<std::int64_t> exclusive_ns(std::span<const Span> lane);
/// How many others each span lies in.
std::vector<int> depths(std::span<const Span> lane);

/// Trace Event JSON, which Perfetto and chrome://tracing open: complete events in microseconds
/// since the first process began, asynchronous ones for started ranges, instants for marks,
/// names as metadata. A lane is a thread: its tid is the number of the lane in its process.
void write_timeline(std::ostream& out, const Timeline& timeline);
/// What write_timeline() wrote; times count from its first process. Throws std::runtime_error that
/// says what is wrong with the file.
Timeline read_timeline(std::istream& in);

}  // namespace ashlar::trace
