#include <fmt/format.h>

#include "harness/cli/report_options.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

int table_command(const Context& context, const Arguments& arguments) {
  Options options("table", "[RUN...]",
                  "Tables of results from record files (the newest in ashlar-runs/ without a "
                  "name). Runs nothing.");
  options.add()  //
      ("format", po::value<std::string>()->default_value("markdown"),
       "markdown, csv, latex or json")  //
      ("layout", po::value<std::string>()->default_value("wide"),
       "wide: rows are points, columns implementations; compact: the same without headings, for a "
       "README; long: a row per case")  //
      ("show", po::value<std::vector<std::string>>(),
       "time, rate, bandwidth, speedup or memory, or metric of a study: only these tables of a "
       "wide "
       "or compact layout (repeatable)")  //
      ("out", po::value<std::string>(), "file to write instead of the terminal");
  add_report_filter(options);
  if (!options.parse(context, arguments)) return kFine;
  report::TableOptions chosen;
  chosen.format = format_from(options.get<std::string>("format"));
  try {
    chosen.layout = report::parse_layout(options.get<std::string>("layout"));
    for (const std::string& word : options.list("show"))
      chosen.show.push_back(report::parse_quantity(word));
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("ashlar table: {}", error.what()));
  }
  chosen.filter = report_filter(options);
  const record::RecordSet records = load_records(options.words());
  write_report(options, [&] { return report::tables(records, chosen); });
  return kFine;
}

}  // namespace ashlar::cli
