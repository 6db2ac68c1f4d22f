#include "harness/cli/report_options.hpp"

#include <fmt/format.h>

#include "harness/report/tables.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

report::Format format_from(const std::string& name) {
  try {
    return report::parse_format(name);
  } catch (const std::invalid_argument& error) {
    throw UsageError(std::string("--format: ") + error.what());
  }
}

void add_report_filter(Options& options) {
  options.add()                                                                                   //
      ("suite", po::value<std::vector<std::string>>(), "only this suite (repeatable)")            //
      ("experiment", po::value<std::vector<std::string>>(), "only this experiment (repeatable)")  //
      ("where", po::value<std::vector<std::string>>(),
       "axis=value; only these points (repeatable)")                            //
      ("only", po::value<std::string>(), "regular expression on the case key")  //
      ("skip", po::value<std::string>(), "regular expression on the case key");
}

report::Filter report_filter(const Options& options) {
  report::Filter filter;
  filter.suites = options.list("suite");
  filter.experiments = options.list("experiment");
  for (const auto& [axis, text] : axis_choices(options)) {
    auto found =
        std::find_if(filter.where.begin(), filter.where.end(),
                     [&, name = axis](const auto& chosen) { return chosen.first == name; });
    if (found == filter.where.end()) found = filter.where.insert(filter.where.end(), {axis, {}});
    found->second.push_back(model::Value::parse(text));
  }
  if (options.has("only")) filter.only = options.get<std::string>("only");
  if (options.has("skip")) filter.skip = options.get<std::string>("skip");
  return filter;
}

record::RecordSet load_records(const std::vector<std::string>& words) {
  record::RecordSet records = record::load(record_files(words));
  for (const std::string& warning : records.warnings) fmt::print(stderr, "warning: {}\n", warning);
  return records;
}

std::optional<std::string> output_path(const Options& options) {
  if (!options.has("out")) return std::nullopt;
  return options.get<std::string>("out");
}

void write_report(const Options& options, const std::function<std::string()>& make) {
  try {
    write_output(output_path(options), make());
  } catch (const report::NothingToShow& error) {
    throw UsageError(error.what());
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

}  // namespace ashlar::cli
