#include <algorithm>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/cli/options.hpp"
#include "harness/record/file.hpp"
#include "harness/record/import.hpp"
#include "harness/report/text.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kPrograms = {"google-benchmark", "nvbench"};
const std::vector<std::string> kTiers = {"naive", "reference", "optimized", "cuda", "peer"};

std::string one_of(const Options& options, const char* option,
                   const std::vector<std::string>& known) {
  if (!options.has(option))
    throw UsageError(fmt::format("ashlar import: name --{}: {}", option, fmt::join(known, ", ")));
  const std::string word = options.get<std::string>(option);
  if (std::find(known.begin(), known.end(), word) == known.end())
    throw UsageError(
        fmt::format("--{}: unknown word '{}'{}", option, word, model::suggestion(word, known)));
  return word;
}

/// Ids are parts of keys, file names and claim files.
std::string suite_from(const Options& options) {
  if (!options.has("suite"))
    throw UsageError("ashlar import: name the suite that the claim file is about: --suite ID");
  const std::string suite = options.get<std::string>("suite");
  const bool plain =
      !suite.empty() && suite.find_first_not_of(
                            "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == std::string::npos;
  if (!plain)
    throw UsageError(fmt::format("--suite '{}': letters, digits, '-', '_' and '.' only", suite));
  return suite;
}

record::ImportOptions import_options(const Context& context, const Options& options) {
  record::ImportOptions chosen;
  chosen.suite = suite_from(options);
  chosen.tier = one_of(options, "tier", kTiers);
  chosen.machine_id = options.get<std::string>("machine");
  chosen.implementation = options.get<std::string>("implementation");
  if (options.has("pattern")) chosen.pattern = options.get<std::string>("pattern");
  chosen.arguments = options.list("axis");
  chosen.baselines = options.list("baseline");
  chosen.argv = context.all_arguments;
  return chosen;
}

/// All records or none: what was written before an error is taken away again.
void write_records(const fs::path& path, const record::Imported& imported) {
  try {
    std::error_code ignored;
    const bool there = fs::exists(path, ignored);
    if (there)
      throw UsageError(
          fmt::format("{} exists already; choose another file with --out", path.string()));
    record::Writer writer(path);
    try {
      writer.append(imported.run);
      for (const record::CaseRecord& one : imported.cases) writer.append(one);
    } catch (...) {
      fs::remove(path, ignored);
      throw;
    }
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::no_space_on_device) throw;
    throw UsageError(fmt::format("cannot write '{}': {}", path.string(), error.code().message()));
  }
}

}  // namespace

int import_command(const Context& context, const Arguments& arguments) {
  Options options("import", "FILE",
                  "Makes records of the results of another program, so that a claim file can judge "
                  "them.");
  options.add()                                                                             //
      ("from", po::value<std::string>(), "google-benchmark or nvbench: who made it")        //
      ("suite", po::value<std::string>(), "id of the suite that the results belong to")     //
      ("out", po::value<std::string>(), "record file to write (ashlar-runs/RUN-ID.jsonl)")  //
      ("pattern", po::value<std::string>(),
       "regular expression over a whole name with the groups (?<experiment>...), "
       "(?<implementation>...), (?<axes>...); another group is an axis")  //
      ("axis", po::value<std::vector<std::string>>(),
       "name of the next axis that is a value only, as the 8 in BM_x/8 (repeatable; arg0, arg1, "
       "...)")  //
      ("implementation", po::value<std::string>()->default_value("imported"),
       "implementation, where the name does not say")  //
      ("baseline", po::value<std::vector<std::string>>(),
       "implementation that tables compare with (repeatable)")  //
      ("tier", po::value<std::string>()->default_value("peer"),
       "naive, reference, optimized, cuda or peer")  //
      ("machine", po::value<std::string>()->default_value("unknown"), "name of the machine");
  if (!options.parse(context, arguments)) return kFine;
  options.at_most(1);
  if (options.words().empty()) throw UsageError("ashlar import: name the file to import");
  const std::string file = options.words().front();
  const std::string program = one_of(options, "from", kPrograms);
  const record::ImportOptions chosen = import_options(context, options);
  if (options.has("out")) refuse_compressed(options.get<std::string>("out"));
  record::Imported imported;
  try {
    imported = program == "nvbench" ? record::import_nvbench(file, chosen)
                                    : record::import_google_benchmark(file, chosen);
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  for (const std::string& warning : imported.warnings) fmt::print(stderr, "warning: {}\n", warning);
  const fs::path out = options.has("out") ? fs::path(options.get<std::string>("out"))
                                          : fs::path(kRunFolder) / (imported.run.run_id + ".jsonl");
  write_records(out, imported);
  std::size_t samples = 0;
  for (const record::CaseRecord& one : imported.cases) samples += one.samples_ns.size();
  fmt::print("{}: {}, {} of suite {}, run {}\n", out.string(),
             report::count_of(imported.cases.size(), "case"), report::count_of(samples, "sample"),
             chosen.suite, imported.run.run_id);
  return kFine;
}

}  // namespace ashlar::cli
