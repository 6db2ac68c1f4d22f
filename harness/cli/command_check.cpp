#include <unistd.h>

#include <fmt/format.h>

#include "harness/claims/judge.hpp"
#include "harness/cli/judging.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/report_options.hpp"
#include "harness/report/verdicts.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

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
  const std::vector<report::Judged> judged =
      judge_records(context, options.list("claims"), records);
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
