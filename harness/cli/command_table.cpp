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
       "wide: rows are points, columns implementations; long: a row per case")  //
      ("out", po::value<std::string>(), "file to write instead of the terminal");
  add_report_filter(options);
  if (!options.parse(context, arguments)) return kFine;
  report::TableOptions chosen;
  chosen.format = format_from(options.get<std::string>("format"));
  const std::string layout = options.get<std::string>("layout");
  if (layout != "wide" && layout != "long") {
    throw UsageError(fmt::format("--layout: unknown layout '{}'{}", layout,
                                 model::suggestion(layout, {"wide", "long"})));
  }
  chosen.layout = layout == "wide" ? report::Layout::wide : report::Layout::long_;
  chosen.filter = report_filter(options);
  const record::RecordSet records = load_records(options.words());
  try {
    write_output(output_path(options), report::tables(records, chosen));
  } catch (const report::NothingToShow& error) {
    throw UsageError(error.what());
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  return kFine;
}

}  // namespace ashlar::cli
