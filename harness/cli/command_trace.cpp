#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "harness/cli/trace_option.hpp"
#include "harness/trace/summary.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

/// The table of `ashlar run --trace` again, from its file.
int trace_command(const Context& context, const Arguments& arguments) {
  Options options("trace", "FILE",
                  "Prints count, inclusive and exclusive time of every range in the timeline that "
                  "'ashlar run --trace FILE' wrote.");
  options.add()("rows", po::value<int>()->default_value(kTraceRows),
                "most lines per table; 0 prints all");
  if (!options.parse(context, arguments)) return kFine;
  options.at_most(1);
  if (options.words().empty())
    throw UsageError("ashlar trace: name the timeline, as in 'ashlar trace out.json'");
  const int rows = options.get<int>("rows");
  if (rows < 0) throw UsageError(fmt::format("--rows {}: must not be negative", rows));
  const std::string& file = options.words().front();
  std::ifstream in(file, std::ios::binary);
  if (!in) throw UsageError(fmt::format("cannot read '{}': {}", file, std::strerror(errno)));
  trace::Timeline timeline;
  try {
    timeline = trace::read_timeline(in);
  } catch (const std::runtime_error& error) {
    throw UsageError(fmt::format("'{}' {}", file, error.what()));
  }
  fmt::print("{}", trace::summary_text(timeline, static_cast<std::size_t>(rows)));
  return kFine;
}

}  // namespace ashlar::cli
