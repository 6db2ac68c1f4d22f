#include <fmt/format.h>

#include "harness/cli/report_options.hpp"
#include "harness/report/diff.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

int diff_command(const Context& context, const Arguments& arguments) {
  Options options("diff", "RUN RUN",
                  "The same cases of two runs side by side, with the ratio of their times. Across "
                  "runs, so never a\nverdict: `ashlar gate` compares two builds.");
  options.add()  //
      ("format", po::value<std::string>()->default_value("markdown"),
       "markdown, csv, latex or json")  //
      ("out", po::value<std::string>(), "file to write instead of the terminal");
  add_report_filter(options);
  if (!options.parse(context, arguments)) return kFine;
  options.at_most(2);
  if (options.words().size() != 2)
    throw UsageError("ashlar diff: name two record files, the earlier one first");
  const report::Format format = format_from(options.get<std::string>("format"));
  const record::RecordSet before = load_records({options.words()[0]});
  const record::RecordSet after = load_records({options.words()[1]});
  write_report(options,
               [&] { return report::diff_table(before, after, format, report_filter(options)); });
  return kFine;
}

}  // namespace ashlar::cli
