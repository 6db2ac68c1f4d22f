#include <unistd.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/cli/judging.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/report_options.hpp"
#include "harness/cli/resources.hpp"
#include "harness/cli/run_files.hpp"
#include "harness/cli/services.hpp"
#include "harness/cli/timing.hpp"
#include "harness/gate/report.hpp"
#include "harness/machine/environment.hpp"
#include "harness/machine/memory_limit.hpp"

namespace ashlar::cli {

namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

using model::Json;

void add_gate_options(Options& options) {
  add_filter_options(options);
  options.add()                                                                              //
      ("base", po::value<std::string>(), "ashlar executable of the commit to compare with")  //
      ("head", po::value<std::string>(), "ashlar executable of the commit in question")      //
      ("margin", po::value<double>()->default_value(0.05, "0.05"),
       "change that counts as none (at least 0.10 for cases under 100 us)")                     //
      ("threads", po::value<int>(), "threads of parallel implementations (all usable CPUs)")    //
      ("groups", po::value<int>()->default_value(12), "groups per case before the first look")  //
      ("pairs", po::value<int>()->default_value(3),
       "pairs of fresh processes that share the groups")  //
      ("budget", po::value<double>()->default_value(300),
       "seconds after which unclear cases are measured no further")  //
      ("timeout", po::value<double>(),
       "seconds for one execution (ten times the expected, at least 30)")  //
      ("memory", po::value<std::int64_t>(),
       "MiB of resident memory per worker (90 % of what is available)")  //
      ("instructions", po::bool_switch(),
       "also count instructions under callgrind: more than 0.5 % more fail")  //
      ("check", po::value<std::vector<std::string>>(),
       "record file of the head (repeatable): a contradicted required claim fails")  //
      ("claims", po::value<std::vector<std::string>>(),
       "claim file for --check (repeatable; those of the suites without)")  //
      ("runner", po::value<std::string>(),
       "what 'ashlar selftest --out' wrote (results/MACHINE/selftest.jsonl)")                //
      ("strict", po::bool_switch(), "an unclear case is inconclusive: ends with status 4")   //
      ("shadow", po::bool_switch(), "report a failure, but do not end with 1 or 4")          //
      ("format", po::value<std::string>()->default_value("text"), "text, markdown or json")  //
      ("out", po::value<std::string>(), "file to write instead of the terminal")             //
      ("json", po::value<std::string>(), "file to write all measurements to, beside the report");
  add_lock_options(options);
}

fs::path program_from(const Options& options, const char* name) {
  if (!options.has(name))
    throw UsageError(fmt::format("ashlar gate: --{} is missing: an ashlar executable", name));
  const fs::path path = options.get<std::string>(name);
  std::error_code unreadable;
  if (!fs::exists(path, unreadable))
    throw UsageError(fmt::format("--{}: no file '{}'", name, path.string()));
  if (fs::is_directory(path, unreadable) || access(path.c_str(), X_OK) != 0)
    throw UsageError(fmt::format("--{}: '{}' is no executable", name, path.string()));
  // A name without a slash would be looked for in PATH.
  return fs::absolute(path);
}

run::Plan plan_from(const Context& context, const Options& options) {
  run::Filter filter = filter_from(options);
  // What belongs to the project; peers are other people's code, the same on both sides.
  if (filter.tiers.empty()) filter.tiers = {"naive", "reference", "optimized", "cuda"};
  return run::make_plan(*context.registry, filter, mode_from(options), seed_from(options));
}

gate::GateOptions gate_options(const Options& options, const Json& environment,
                               const fs::path& scratch) {
  gate::GateOptions chosen;
  chosen.scratch = scratch;
  gate::Effort& effort = chosen.effort;
  effort.margin = std::log1p(between(options, "margin", 0.05, 0.001, 1.0));
  effort.groups = between(options, "groups", 12, 6, 10'000);
  effort.pairs = between(options, "pairs", 3, 3, 1'000);
  effort.seed = seed_from(options);
  gate::PairOptions& pairs = chosen.pairs;
  pairs.threads =
      between(options, "threads", environment.at("affinity").at("count").get<int>(), 1, 4096);
  const std::int64_t usable_mib = machine::usable_memory_bytes().value_or(0) >> 20;
  const auto side = [&](const char* name) {
    gate::SideOptions made;
    made.name = name;
    made.command = {program_from(options, name).string(), "worker"};
    made.environment = run::worker_environment(pairs.threads);
    made.scratch = scratch / name;
    fs::create_directories(made.scratch);
    made.timeout_s = options.has("timeout") ? between(options, "timeout", 0.0, 1e-3, 1e9) : 0;
    made.memory_bytes =
        between<std::int64_t>(options, "memory", usable_mib * 9 / 10, 1, std::int64_t{1} << 30)
        << 20;
    return made;
  };
  pairs.base = side("base");
  pairs.head = side("head");
  pairs.budget_s = between(options, "budget", 300.0, 0.0, 1e9);
  pairs.seed = effort.seed;
  pairs.interrupted = &interruptions();
  if (options.get<bool>("instructions")) {
    chosen.count_base = pairs.base.command.front();
    chosen.count_head = pairs.head.command.front();
  }
  return chosen;
}

/// What the self-test measured: the named file, or the one committed for this machine.
std::optional<gate::Runner> runner_from(const Options& options, const std::string& machine_id) {
  if (options.has("runner")) {
    const std::string path = options.get<std::string>("runner");
    std::error_code unreadable;
    if (!fs::is_regular_file(path, unreadable))
      throw UsageError(fmt::format("--runner: cannot read '{}'", path));
    return gate::read_runner(path);
  }
  const fs::path found = find_resource(fmt::format("results/{}/selftest.jsonl", machine_id));
  if (found.empty()) return std::nullopt;
  return gate::read_runner(found);
}

/// Judged before anything is measured, so that a claim file with a mistake costs nothing.
std::vector<gate::HardFailure> claim_gates(const Context& context, const Options& options) {
  std::vector<gate::HardFailure> failures;
  if (!options.has("check")) return failures;
  const auto judged =
      judge_records(context, options.list("claims"), load_records(options.list("check")));
  for (const report::Judged& one : judged) {
    for (const claims::Verdict& verdict : one.verdicts) {
      if (verdict.required && verdict.outcome == claims::Outcome::contradicted)
        failures.push_back({"claim", verdict.id, "required, and contradicted: " + verdict.reason});
    }
  }
  return failures;
}

std::string rendered(const gate::Report& report, const gate::ReportStyle& style,
                     const std::string& format) {
  if (format == "markdown") return gate::markdown_report(report, style);
  if (format == "json") return gate::json_report(report, style).dump(2);
  return gate::text_report(report, style);
}

}  // namespace

int gate_command(const Context& context, const Arguments& arguments) {
  Options options(
      "gate", "[SUITE...]",
      "Compares two builds on this machine, both alive at the same time and sampled in turn, and "
      "fails on a real\n"
      "regression only (docs/gate.md). All suites without a name; peers only when --tier peer asks "
      "for them.");
  add_gate_options(options);
  if (!options.parse(context, arguments)) return kFine;
  const std::string format = options.get<std::string>("format");
  const std::vector<std::string> formats = {"text", "markdown", "json"};
  if (std::find(formats.begin(), formats.end(), format) == formats.end()) {
    throw UsageError(
        fmt::format("--format: unknown format '{}'{}", format, model::suggestion(format, formats)));
  }
  const run::Plan plan = plan_from(context, options);
  const ScratchFolder scratch;
  const Json environment = machine::capture_environment(device_description());
  gate::GateOptions chosen = gate_options(options, environment, scratch.path());
  const std::string machine_id = machine::machine_id(environment);
  gate::ReportStyle style;
  style.runner = runner_from(options, machine_id);
  style.strict = options.get<bool>("strict");
  style.shadow = options.get<bool>("shadow");
  const auto out = output_path(options);
  style.colour = !out && wants_colour(STDOUT_FILENO);
  std::vector<gate::HardFailure> claims = claim_gates(context, options);

  catch_interruptions();
  gate::Report report;
  {
    ConsoleProgress progress(isatty(STDERR_FILENO) != 0);
    const auto lock =
        hold_timing_lock(options, context, [&](const std::string& line) { progress.note(line); });
    if (interruptions() > 0) return kInterrupted;
    chosen.pairs.progress = &progress;
    report = gate::run_gate(plan, chosen);
  }
  report.machine_id = machine_id;
  std::move(claims.begin(), claims.end(), std::back_inserter(report.hard));
  write_output(out, rendered(report, style, format));
  if (options.has("json"))
    write_output(options.get<std::string>("json"), gate::json_report(report, style).dump(2));
  return gate::exit_code(report, style.strict, style.shadow);
}

}  // namespace ashlar::cli
