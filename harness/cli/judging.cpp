#include "harness/cli/judging.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/judge.hpp"
#include "harness/cli/resources.hpp"

namespace ashlar::cli {

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
std::vector<std::filesystem::path> claim_files(const std::vector<std::string>& named,
                                               const std::vector<std::string>& suites) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : named) {
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

}  // namespace

std::vector<report::Judged> judge_records(const Context& context,
                                          const std::vector<std::string>& named,
                                          const record::RecordSet& records) {
  const std::vector<std::string> suites = suites_of(records);
  std::vector<report::Judged> judged;
  std::vector<std::string> problems;
  for (const std::filesystem::path& path : claim_files(named, suites)) {
    try {
      judged.push_back(judge_file(context, path, records, suites));
    } catch (const claims::ClaimError& error) {
      problems.insert(problems.end(), error.problems().begin(), error.problems().end());
    }
  }
  if (!problems.empty()) throw claims::ClaimError(problems);
  return judged;
}

}  // namespace ashlar::cli
