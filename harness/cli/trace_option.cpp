#include "harness/cli/trace_option.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "harness/trace/recorder.hpp"
#include "harness/trace/summary.hpp"

namespace ashlar::cli {

namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

/// Before anything is measured, so that a wrong path costs nothing.
void make_file(const fs::path& file) {
  const int made = open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (made >= 0) {
    close(made);
    return;
  }
  if (errno == EEXIST) {
    throw UsageError(
        fmt::format("--trace: '{}' exists; choose another name or remove it", file.string()));
  }
  throw UsageError(
      fmt::format("--trace: cannot write '{}': {}", file.string(), std::strerror(errno)));
}

void write(const fs::path& file, const trace::Timeline& timeline) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  trace::write_timeline(out, timeline);
  out.close();
  if (!out) throw std::system_error(errno, std::generic_category(), file.string());
}

}  // namespace

void add_trace_option(Options& options) {
  options.add()("trace", po::value<std::string>(),
                "file for a timeline of all ranges, for Perfetto or chrome://tracing");
}

TraceOption::TraceOption(const Options& options) {
  if (!options.has("trace") || options.get<bool>("dry-run")) return;
  if (const auto why = trace::why_not_recording()) throw UsageError("--trace: " + *why);
  const fs::path file = options.get<std::string>("trace");
  folder_.emplace();
  make_file(file);
  file_ = file;
  setenv(trace::kFolderVariable, folder_->path().c_str(), 1);
  trace::record_ranges(folder_->path(), trace::Role::supervisor);
}

TraceOption::~TraceOption() {
  if (file_.empty()) return;
  try {
    const trace::Timeline timeline = trace::collect(folder_->path());
    const bool ran = timeline.processes.size() > 1;
    if (ran) write(file_, timeline);
    if (!ran) fs::remove(file_);
  } catch (const std::exception& error) {
    fmt::print(stderr, "--trace: {}\n", error.what());
  }
}

void TraceOption::finish() {
  if (file_.empty()) return;
  const trace::Timeline timeline = trace::collect(folder_->path());
  const fs::path file = std::exchange(file_, {});
  write(file, timeline);
  fmt::print("\n{}timeline: {}\n", trace::summary_text(timeline, kTraceRows), file.string());
}

}  // namespace ashlar::cli
