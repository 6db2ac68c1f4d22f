#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/cli/judging.hpp"
#include "harness/cli/report_options.hpp"
#include "harness/report/export.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

namespace {

const std::vector<std::string> kFormats = {"google-benchmark", "bencher", "junit", "csv"};

std::string text_of(const Context& context, const Options& options, const std::string& format) {
  report::Filter filter = report_filter(options);
  filter.runs = options.list("run");
  const record::RecordSet records = load_records(options.words());
  if (format == "google-benchmark") return report::export_google_benchmark(records, filter);
  if (format == "bencher") return report::export_bencher(records, filter);
  if (format == "junit") {
    const std::vector<std::string> claims = options.list("claims");
    return report::export_junit(
        records,
        claims.empty() ? std::vector<report::Judged>() : judge_records(context, claims, records),
        filter);
  }
  return options.get<bool>("samples") ? report::export_csv_samples(records, filter)
                                      : report::export_csv(records, filter);
}

}  // namespace

int export_command(const Context& context, const Arguments& arguments) {
  Options options("export", "[RUN...]",
                  "Writes records (the newest in ashlar-runs/ without a name) in a format of other "
                  "tools. Runs nothing.");
  options.add()                                                                        //
      ("format", po::value<std::string>(), "google-benchmark, bencher, junit or csv")  //
      ("out", po::value<std::string>(), "file to write instead of the terminal")       //
      ("claims", po::value<std::vector<std::string>>(),
       "with junit: also a test per claim of this file (repeatable)")                        //
      ("samples", po::bool_switch(), "with csv: a row per sample instead of one per round")  //
      ("run", po::value<std::vector<std::string>>(), "only the run with this id (repeatable)");
  add_report_filter(options);
  if (!options.parse(context, arguments)) return kFine;
  if (!options.has("format"))
    throw UsageError(fmt::format("ashlar export: name a --format: {}", fmt::join(kFormats, ", ")));
  const std::string format = options.get<std::string>("format");
  if (std::find(kFormats.begin(), kFormats.end(), format) == kFormats.end())
    throw UsageError(fmt::format("--format: unknown format '{}'{}", format,
                                 model::suggestion(format, kFormats)));
  if (options.has("claims") && format != "junit")
    throw UsageError("--claims goes with --format junit");
  if (options.get<bool>("samples") && format != "csv")
    throw UsageError("--samples goes with --format csv");
  write_report(options, [&] { return text_of(context, options, format); });
  return kFine;
}

}  // namespace ashlar::cli
