#include <fmt/format.h>

#include "harness/cli/options.hpp"
#include "harness/record/merge.hpp"

namespace ashlar::cli {

int merge_command(const Context& context, const Arguments& arguments) {
  Options options("merge", "RUN...",
                  "Joins the record files of the shards of one plan (ashlar run --shard i/n).");
  options.add()("out", boost::program_options::value<std::string>(), "record file to write");
  if (!options.parse(context, arguments)) return kFine;
  if (options.words().empty()) throw UsageError("merge: name the record files of the shards");
  if (!options.has("out")) throw UsageError("merge: name the record file to write with --out");
  const std::string out = options.get<std::string>("out");
  refuse_compressed(out);
  const record::Merged merged = record::merge(record_files(options.words()), out);
  for (const std::string& warning : merged.warnings) fmt::print(stderr, "warning: {}\n", warning);
  fmt::print("{} records of {} files, {} run{}: {}\n", merged.lines, options.words().size(),
             merged.runs, merged.runs == 1 ? "" : "s", out);
  return kFine;
}

}  // namespace ashlar::cli
