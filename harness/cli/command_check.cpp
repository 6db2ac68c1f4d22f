#include <unistd.h>

#include <fmt/format.h>

#include "harness/claims/judge.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/report_options.hpp"
#include "harness/cli/resources.hpp"
#include "harness/report/verdicts.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

namespace {

/// The claim files that were named, or those of the suites that the records hold.
std::vector<std::filesystem::path> claim_files(const Options& options,
                                               const record::RecordSet& records) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : options.list("claims")) {
    if (!std::filesystem::exists(name))
      throw UsageError(fmt::format("--claims: no file '{}'", name));
    files.emplace_back(name);
  }
  if (!files.empty()) return files;
  std::vector<std::string> suites;
  for (const record::RunRecord& run : records.runs) {
    for (const model::Json& experiment : run.experiments) {
      const std::string suite = experiment.at("suite");
      if (std::find(suites.begin(), suites.end(), suite) == suites.end()) suites.push_back(suite);
    }
  }
  for (const std::string& suite : suites) {
    const std::filesystem::path path = find_resource(fmt::format("suites/{}/claims.toml", suite));
    if (!path.empty()) files.push_back(path);
  }
  if (files.empty()) {
    throw UsageError(
        fmt::format("no claim file for {}; name one with --claims FILE",
                    suites.empty() ? "these records" : "suite '" + suites.front() + "'"));
  }
  return files;
}

}  // namespace

int check_command(const Context& context, const Arguments& arguments) {
  Options options("check", "[RUN...]",
                  "Holds claims against record files (the newest in ashlar-runs/ without a name) "
                  "and prints a verdict\n"
                  "for each. Runs nothing. Ends with 1 when a required claim is contradicted.");
  options.add()  //
      ("claims", po::value<std::vector<std::string>>(),
       "claim file (that of each suite in the records; repeatable)")  //
      ("format", po::value<std::string>()->default_value("text"),
       "text, markdown, csv, latex or json")                                               //
      ("every", po::bool_switch(), "list every claim, those not run or out of reach too")  //
      ("out", po::value<std::string>(), "file to write instead of the terminal");
  if (!options.parse(context, arguments)) return kFine;
  const record::RecordSet records = load_records(options.words());
  std::vector<report::Judged> judged;
  std::vector<claims::Verdict> all;
  for (const std::filesystem::path& path : claim_files(options, records)) {
    claims::ClaimFile file = claims::load(path);
    std::vector<claims::Verdict> verdicts = claims::judge(file, records);
    all.insert(all.end(), verdicts.begin(), verdicts.end());
    judged.push_back({std::move(file), std::move(verdicts)});
  }
  const std::string format = options.get<std::string>("format");
  const auto out = output_path(options);
  if (format == "text") {
    report::VerdictOptions style;
    style.colour = !out && wants_colour(STDOUT_FILENO);
    style.width = terminal_width(STDOUT_FILENO);
    style.every = options.get<bool>("every");
    write_output(out, report::verdict_text(judged, style));
  } else {
    write_output(out, report::verdict_table(judged, format_from(format)));
  }
  return claims::summarize(all).required_contradicted.empty() ? kFine : kFailed;
}

}  // namespace ashlar::cli
