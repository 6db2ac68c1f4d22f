#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "harness/cli/options.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/resources.hpp"
#include "harness/cli/run_files.hpp"
#include "harness/cli/services.hpp"
#include "harness/cli/trace_option.hpp"
#include "harness/machine/build.hpp"
#include "harness/machine/calibration.hpp"
#include "harness/machine/environment.hpp"
#include "harness/report/run_summary.hpp"
#include "harness/run/supervisor.hpp"

namespace ashlar::cli {

namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

using model::Json;
using model::Mode;

struct Budget {
  double seconds_per_suite;
  int rounds;
};

Budget default_budget(Mode mode) {
  switch (mode) {
    case Mode::quick:
      return {20, 2};
    case Mode::full:
      return {720, 3};
    case Mode::gpu:
      return {60, 2};
  }
  return {20, 1};
}

void add_run_options(Options& options) {
  add_filter_options(options);
  add_trace_option(options);
  options.add()                                                                               //
      ("threads", po::value<int>(), "threads of parallel implementations (all usable CPUs)")  //
      ("rounds", po::value<int>(),
       "most fresh worker processes per point (quick 2, full 3, gpu 2)")  //
      ("budget", po::value<double>(),
       "seconds per suite, calibration apart (quick 20, full 720, gpu 60)")  //
      ("timeout", po::value<double>(),
       "seconds for one execution (ten times the expected, at least 30)")  //
      ("memory", po::value<std::int64_t>(),
       "MiB of resident memory per worker (90 % of what is available)")  //
      ("cache", po::value<std::string>()->default_value("hot"),
       "hot: the same data again and again; cold: copies in turn, larger than the caches (CPU)")  //
      ("out", po::value<std::string>(), "record file to write (ashlar-runs/TIME.jsonl)")          //
      ("no-calibration", po::bool_switch(), "do not measure the machine's peaks")                 //
      ("profile", po::bool_switch(), "execute each case once under NVTX ranges; time nothing")    //
      ("strict", po::bool_switch(),
       "a crash, a timeout or a failure ends with status 2, like a wrong answer")  //
      ("dry-run", po::bool_switch(), "print the plan and stop");
}

template <class Number>
Number positive(const Options& options, const char* name, Number fallback) {
  if (!options.has(name)) return fallback;
  // Far above any sensible value, far below where conversions overflow.
  constexpr Number kMost = Number(1'000'000'000);
  const Number value = options.get<Number>(name);
  if (!(value > 0))
    throw UsageError(fmt::format("--{} {}: must be greater than zero", name, value));
  if (value > kMost) throw UsageError(fmt::format("--{} {}: at most {}", name, value, kMost));
  return value;
}

int print_plan(const run::Plan& plan, double budget_s, int rounds) {
  for (const run::PlannedPoint& planned : plan.points) {
    fmt::print("{}/{} {}\n", planned.experiment->suite, planned.experiment->name,
               planned.point.text());
    for (const model::Implementation* implementation : planned.implementations) {
      fmt::print("  {}\n", implementation->name);
    }
  }
  fmt::print("{} points, {} cases, at most {} rounds in {:.0f} s; plan {}\n", plan.points.size(),
             plan.cases(), rounds, budget_s, plan.hash);
  return kFine;
}

std::size_t suites_in(const run::Plan& plan) {
  std::vector<std::string> names;
  for (const run::PlannedPoint& planned : plan.points) names.push_back(planned.experiment->suite);
  std::sort(names.begin(), names.end());
  return static_cast<std::size_t>(std::unique(names.begin(), names.end()) - names.begin());
}

/// Which code each suite of the plan chooses here: part of what a machine is to a run.
Json describe_kernels(const model::Registry& registry, const run::Plan& plan) {
  Json described = Json::object();
  for (const model::Suite& suite : registry) {
    const auto planned = [&](const run::PlannedPoint& point) {
      return point.experiment->suite == suite.id();
    };
    if (std::any_of(plan.points.begin(), plan.points.end(), planned))
      described[suite.id()] = suite.kernels();
  }
  return described;
}

Json describe_experiments(const run::Plan& plan) {
  Json described = Json::array();
  std::vector<const model::Experiment*> seen;
  for (const run::PlannedPoint& planned : plan.points) {
    if (std::find(seen.begin(), seen.end(), planned.experiment) != seen.end()) continue;
    seen.push_back(planned.experiment);
    described.push_back(planned.experiment->describe(plan.mode));
  }
  return described;
}

/// The record file: made before anything is measured, so that a folder without write permission
/// costs nothing.
std::unique_ptr<record::Writer> open_records(const fs::path& path) {
  std::error_code unreadable;
  if (fs::exists(path, unreadable)) {
    throw UsageError(
        fmt::format("--out: '{}' exists; choose another name or remove it", path.string()));
  }
  if (unreadable) {
    throw UsageError(
        fmt::format("--out: cannot write '{}': {}", path.string(), unreadable.message()));
  }
  try {
    return std::make_unique<record::Writer>(path);
  } catch (const std::system_error& error) {
    throw UsageError(
        fmt::format("--out: cannot write '{}': {}", path.string(), error.code().message()));
  }
}

/// A run that fails before its first record leaves no empty file behind.
class RemoveIfEmpty {
 public:
  explicit RemoveIfEmpty(fs::path path) : path_(std::move(path)) {}
  ~RemoveIfEmpty() {
    std::error_code ignored;
    if (fs::exists(path_, ignored) && fs::file_size(path_, ignored) == 0)
      fs::remove(path_, ignored);
  }
  RemoveIfEmpty(const RemoveIfEmpty&) = delete;
  RemoveIfEmpty& operator=(const RemoveIfEmpty&) = delete;

 private:
  fs::path path_;
};

/// Twice the last-level cache: what rotates has then left it. Virtual machines report caches of
/// their host, so there is a limit. 0 for hot caches.
std::int64_t cold_bytes(const Options& options, const Json& environment) {
  const std::string cache = options.get<std::string>("cache");
  if (cache == "hot") return 0;
  if (cache != "cold") {
    throw UsageError(fmt::format("--cache: unknown mode '{}'{}", cache,
                                 model::suggestion(cache, {"hot", "cold"})));
  }
  constexpr std::int64_t kLeast = std::int64_t{64} << 20;
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  const Json& known = environment.at("caches").at("last_level_bytes");
  const std::int64_t last_level = known.is_null() ? 0 : known.get<std::int64_t>();
  return std::clamp(2 * last_level, kLeast, kMost);
}

run::RunOptions run_options(const Options& options, const Json& environment,
                            const fs::path& scratch, double budget_s, int rounds) {
  run::RunOptions chosen;
  // Not a path: a program that is rebuilt during the run must not become a worker of it.
  chosen.worker_command = {"/proc/self/exe", "worker"};
  chosen.resource = [](const std::string& relative) {
    const fs::path found = find_resource(relative);
    return found.empty() ? relative : found.string();
  };
  chosen.scratch = scratch;
  chosen.threads = positive(options, "threads", environment.at("affinity").at("count").get<int>());
  chosen.rounds = rounds;
  chosen.budget_s = budget_s;
  chosen.timeout_s = positive(options, "timeout", 0.0);
  const std::int64_t available_mib =
      environment.at("memory").at("available_bytes").get<std::int64_t>() >> 20;
  chosen.memory_bytes = positive<std::int64_t>(options, "memory", available_mib * 9 / 10) << 20;
  chosen.cold_bytes = cold_bytes(options, environment);
  chosen.profile = options.get<bool>("profile");
  chosen.interrupted = &interruptions();
  return chosen;
}

int exit_code(const run::RunSummary& summary, bool strict) {
  const auto count = [&](record::Status status) {
    const auto found = summary.cases.find(status);
    return found == summary.cases.end() ? std::size_t{0} : found->second;
  };
  using record::Status;
  if (summary.interrupted) return kInterrupted;
  if (summary.controls_accepted > 0) return kHarnessError;
  if (count(Status::wrong) > 0) return kWrongAnswer;
  const std::size_t broken = count(Status::crashed) + count(Status::timeout) +
                             count(Status::out_of_memory) + count(Status::failed);
  return strict && broken > 0 ? kWrongAnswer : kFine;
}

record::RunRecord run_record(const Context& context, const run::Plan& plan,
                             const run::RunOptions& chosen, const Json& environment,
                             const Json& calibration) {
  record::RunRecord record;
  record.run_id = chosen.run_id;
  record.plan_hash = plan.hash;
  record.argv = context.all_arguments;
  if (!record.argv.empty()) record.argv[0] = fs::path(record.argv[0]).filename().string();
  record.started = run::utc_now();
  record.mode = model::name_of(plan.mode);
  record.seed = plan.seed;
  record.threads = chosen.threads;
  record.build = machine::describe_build();
  record.machine = environment;
  record.machine["worker_variables"] = run::worker_environment(chosen.threads);
  record.machine["kernels"] = describe_kernels(*context.registry, plan);
  record.machine_id = machine::machine_id(environment);
  record.calibration = calibration;
  record.experiments = describe_experiments(plan);
  return record;
}

void finish(const run::RunOptions& chosen, record::Writer& writer, run::Supervisor& supervisor,
            const Json& environment, const Json& start, const run::RunSummary& summary) {
  if (!start.is_null() && !summary.interrupted) {
    const Json end = supervisor.calibrate();
    Json details = end;
    details["drift"] =
        machine::to_json(machine::drift(machine::from_json(start), machine::from_json(end)));
    writer.append(record::EventRecord{chosen.run_id, "calibration", run::utc_now(), details});
  }
  Json counts = Json::object();
  for (const auto& [status, count] : summary.cases) {
    counts[std::string(record::name_of(status))] = count;
  }
  writer.append(record::EventRecord{
      chosen.run_id,
      "finished",
      run::utc_now(),
      {{"cases", counts},
       {"activity", machine::activity_between(environment, machine::capture_activity())}}});
}

}  // namespace

int run_command(const Context& context, const Arguments& arguments) {
  Options options(
      "run", "[SUITE...]",
      "Verifies every implementation at every point and measures it. All suites without a name.");
  add_run_options(options);
  if (!options.parse(context, arguments)) return kFine;
  TraceOption trace(options);
  const Mode mode = mode_from(options);
  const run::Plan plan =
      run::make_plan(*context.registry, filter_from(options), mode, seed_from(options));
  const Budget defaults = default_budget(mode);
  const double budget_s = positive(options, "budget", defaults.seconds_per_suite) *
                          static_cast<double>(suites_in(plan));
  const int rounds = positive(options, "rounds", defaults.rounds);
  const ScratchFolder scratch;
  const Json environment = machine::capture_environment(device_description());
  run::RunOptions chosen = run_options(options, environment, scratch.path(), budget_s, rounds);
  if (options.get<bool>("dry-run")) return print_plan(plan, budget_s, rounds);

  chosen.run_id = new_run_id();
  const fs::path out = options.has("out") ? fs::path(options.get<std::string>("out"))
                                          : fs::path(kRunFolder) / (chosen.run_id + ".jsonl");
  const auto writer = open_records(out);
  const RemoveIfEmpty cleanup(out);
  catch_interruptions();
  ConsoleProgress progress(isatty(STDERR_FILENO) != 0, budget_s);
  run::Supervisor supervisor(plan, chosen, *writer, progress);
  const bool calibrate = !options.get<bool>("no-calibration") && !chosen.profile;
  if (calibrate) progress.note("measuring this machine's peaks");
  const Json calibration = calibrate ? supervisor.calibrate() : Json(nullptr);
  writer->append(run_record(context, plan, chosen, environment, calibration));
  const run::RunSummary summary = supervisor.run();
  finish(chosen, *writer, supervisor, environment, calibration, summary);

  const report::SummaryOptions style{wants_colour(STDOUT_FILENO), terminal_width(STDOUT_FILENO)};
  fmt::print("{}\nrecords: {}\n", report::run_summary(record::load({out}), style), out.string());
  trace.finish();
  return exit_code(summary, options.get<bool>("strict"));
}

}  // namespace ashlar::cli
