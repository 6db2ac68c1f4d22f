#include <unistd.h>

#include <fmt/format.h>

#include "harness/cli/progress.hpp"
#include "harness/cli/report_options.hpp"
#include "harness/report/show.hpp"

namespace ashlar::cli {

int show_command(const Context& context, const Arguments& arguments) {
  Options options("show", "CASE [RUN...]",
                  "All that the records say of one case: samples, norms, and the command line that "
                  "repeats it.\n"
                  "CASE is an id, its first digits, a key, or the end of a key.");
  if (!options.parse(context, arguments)) return kFine;
  if (options.words().empty())
    throw UsageError("ashlar show: name a case; 'ashlar list cases' shows their ids");
  const std::vector<std::string> files(options.words().begin() + 1, options.words().end());
  const record::RecordSet records = load_records(files);
  try {
    fmt::print("{}",
               report::show_case(records, options.words().front(),
                                 {wants_colour(STDOUT_FILENO), terminal_width(STDOUT_FILENO)}));
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  return kFine;
}

}  // namespace ashlar::cli
