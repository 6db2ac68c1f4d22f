#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/judge.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/report_options.hpp"
#include "harness/cli/resources.hpp"
#include "harness/report/verdicts.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

namespace {

/// The suites that the records speak of, in their order.
std::vector<std::string> suites_of(const record::RecordSet& records) {
  std::vector<std::string> suites;
  const auto add = [&](const std::string& suite) {
    if (std::find(suites.begin(), suites.end(), suite) == suites.end()) suites.push_back(suite);
  };
  for (const record::RunRecord& run : records.runs)
    for (const model::Json& experiment : run.experiments)
      if (experiment.is_object() && experiment.contains("suite") && experiment["suite"].is_string())
        add(experiment["suite"]);
  for (const record::CaseRecord& one : records.cases) add(one.suite);
  for (const record::StudyRecord& one : records.studies) add(one.suite);
  return suites;
}

/// The claim files that were named, or those of the suites that the records hold.
std::vector<std::filesystem::path> claim_files(const Options& options,
                                               const std::vector<std::string>& suites) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : options.list("claims")) {
    if (!std::filesystem::exists(name))
      throw UsageError(fmt::format("--claims: no file '{}'", name));
    files.emplace_back(name);
  }
  if (!files.empty()) return files;
  std::vector<std::string> without;
  for (const std::string& suite : suites) {
    const std::size_t before = files.size();
    for (const char* name : claims::kClaimFiles) {
      const std::filesystem::path path = find_resource(fmt::format("suites/{}/{}", suite, name));
      if (!path.empty()) files.push_back(path);
    }
    if (files.size() == before) without.push_back(suite);
  }
  const std::string names = fmt::format("'{}'", fmt::join(without, "', '"));
  if (files.empty()) {
    throw UsageError(fmt::format("no claim file for {}; name one with --claims FILE",
                                 suites.empty() ? "these records" : "suite " + names));
  }
  if (!without.empty())
    fmt::print(stderr, "no claim file for suite {}; name one with --claims FILE\n", names);
  return files;
}

/// Reads one file, holds its names against what this program declares, and judges it. A suite that
/// this program does not have is judged by what its records declare of themselves.
report::Judged judge_file(const Context& context, const std::filesystem::path& path,
                          const record::RecordSet& records,
                          const std::vector<std::string>& recorded_suites) {
  claims::ClaimFile file = claims::load(path);
  claims::Catalog catalog;
  std::vector<std::string> known = recorded_suites;
  const model::Suite* own = nullptr;
  for (const model::Suite& suite : *context.registry) {
    known.push_back(suite.id());
    if (suite.id() == file.suite) own = &suite;
  }
  claims::require_suite(file, known);
  if (own != nullptr) claims::add_declarations(catalog, *own);
  claims::add_records(catalog, file.suite, records);
  if (own != nullptr)
    for (const std::string& warning : claims::validate(file, catalog))
      fmt::print(stderr, "warning: {}\n", warning);
  std::vector<claims::Verdict> verdicts = claims::judge(file, records, std::move(catalog));
  return {std::move(file), std::move(verdicts)};
}

/// Every file is read, so that the problems of all are listed at once.
std::vector<report::Judged> judge_files(const Context& context,
                                        const std::vector<std::filesystem::path>& files,
                                        const record::RecordSet& records,
                                        const std::vector<std::string>& suites) {
  std::vector<report::Judged> judged;
  std::vector<std::string> problems;
  for (const std::filesystem::path& path : files) {
    try {
      judged.push_back(judge_file(context, path, records, suites));
    } catch (const claims::ClaimError& error) {
      problems.insert(problems.end(), error.problems().begin(), error.problems().end());
    }
  }
  if (!problems.empty()) throw claims::ClaimError(problems);
  return judged;
}

}  // namespace

int check_command(const Context& context, const Arguments& arguments) {
  Options options("check", "[RUN...]",
                  "Holds claims against record files (the newest in ashlar-runs/ without a name) "
                  "and prints a verdict\n"
                  "for each. Runs nothing. Ends with 1 when a required claim is contradicted.");
  options.add()  //
      ("claims", po::value<std::vector<std::string>>(),
       "claim file (claims.toml and goals.toml of each suite in the records; repeatable)")  //
      ("format", po::value<std::string>()->default_value("text"),
       "text, markdown, csv, latex or json")  //
      ("every", po::bool_switch(),
       "list every claim, those not run or out of reach too (csv and json always do)")  //
      ("out", po::value<std::string>(), "file to write instead of the terminal");
  if (!options.parse(context, arguments)) return kFine;
  const record::RecordSet records = load_records(options.words());
  const std::vector<std::string> suites = suites_of(records);
  const std::vector<report::Judged> judged =
      judge_files(context, claim_files(options, suites), records, suites);
  std::vector<claims::Verdict> all;
  for (const report::Judged& one : judged)
    all.insert(all.end(), one.verdicts.begin(), one.verdicts.end());
  const std::string format = options.get<std::string>("format");
  const auto out = output_path(options);
  if (format == "text") {
    report::VerdictOptions style;
    style.colour = !out && wants_colour(STDOUT_FILENO);
    style.width = terminal_width(STDOUT_FILENO);
    style.every = options.get<bool>("every");
    write_output(out, report::verdict_text(judged, style));
  } else {
    write_output(out,
                 report::verdict_table(judged, format_from(format), options.get<bool>("every")));
  }
  return claims::summarize(all).required_contradicted.empty() ? kFine : kFailed;
}

}  // namespace ashlar::cli
