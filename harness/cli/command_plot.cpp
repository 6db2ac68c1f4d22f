#include <fmt/format.h>

#include "harness/cli/report_options.hpp"
#include "harness/report/figures.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

int plot_command(const Context& context, const Arguments& arguments) {
  Options options("plot", "[RUN...]",
                  "Draws the figures that the experiments declare, from record files (the newest "
                  "in ashlar-runs/ without\n"
                  "a name), by gnuplot. The scripts stay beside the pictures. Runs nothing.");
  options.add()                                                                           //
      ("format", po::value<std::vector<std::string>>(), "svg or png (both; repeatable)")  //
      ("out", po::value<std::string>()->default_value("ashlar-figures"), "folder for the figures");
  add_report_filter(options);
  if (!options.parse(context, arguments)) return kFine;
  report::FigureOptions chosen;
  if (options.has("format")) chosen.formats = options.list("format");
  chosen.filter = report_filter(options);
  try {
    const report::FigureFiles written = report::write_figures(
        load_records(options.words()), options.get<std::string>("out"), chosen);
    for (const std::string& message : written.messages) fmt::print(stderr, "{}\n", message);
    for (const std::filesystem::path& file : written.files) fmt::print("{}\n", file.string());
  } catch (const report::NothingToShow& error) {
    throw UsageError(error.what());
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  } catch (const report::GnuplotError& error) {
    throw UsageError(error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    throw UsageError(fmt::format("--out: {}", error.what()));
  }
  return kFine;
}

}  // namespace ashlar::cli
