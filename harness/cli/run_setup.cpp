#include "harness/cli/run_setup.hpp"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>

#include "harness/cli/resources.hpp"
#include "harness/cli/timing.hpp"
#include "harness/cli/trace_option.hpp"
#include "harness/machine/build.hpp"
#include "harness/machine/environment.hpp"
#include "harness/machine/memory_limit.hpp"
#include "harness/model/time.hpp"
#include "harness/trace/recorder.hpp"

namespace ashlar::cli {

namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

using model::Json;
using model::Mode;

struct Defaults {
  double seconds_per_suite;
  int rounds;
};

Defaults defaults_of(Mode mode) {
  switch (mode) {
    case Mode::quick:
      return {20, 2};
    case Mode::full:
      return {720, 8};
    case Mode::gpu:
      return {60, 4};
  }
  return {20, 2};
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

bool is_planned(const model::Suite& suite, const run::Plan& plan) {
  return std::any_of(plan.points.begin(), plan.points.end(), [&](const run::PlannedPoint& point) {
    return point.experiment->suite == suite.id();
  });
}

/// What the suites of the plan are given together: each as long as the user says, else as long as
/// it asks for.
double seconds_for(const Options& options, const model::Registry& registry, const run::Plan& plan,
                   Mode mode) {
  double seconds = 0;
  for (const model::Suite& suite : registry) {
    if (!is_planned(suite, plan)) continue;
    seconds +=
        positive(options, "budget", suite.seconds_or(mode, defaults_of(mode).seconds_per_suite));
  }
  return seconds;
}

/// Which code each suite of the plan chooses here: part of what a machine is to a run.
Json describe_kernels(const model::Registry& registry, const run::Plan& plan) {
  Json described = Json::object();
  for (const model::Suite& suite : registry) {
    if (is_planned(suite, plan)) described[suite.id()] = suite.kernels();
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

Json settings(const ChosenPlan& plan, const run::RunOptions& chosen) {
  const Json shard =
      plan.shard ? Json{{"index", plan.shard->index}, {"count", plan.shard->count}} : Json(nullptr);
  return {{"shard", shard},
          {"profile", chosen.profile},
          {"cache", chosen.cold_bytes > 0 ? "cold" : "hot"},
          {"traced", trace::recording()}};
}

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

}  // namespace

void add_run_options(Options& options) {
  add_filter_options(options);
  add_trace_option(options);
  options.add()                                                                               //
      ("threads", po::value<int>(), "threads of parallel implementations (all usable CPUs)")  //
      ("rounds", po::value<int>(),
       "most fresh worker processes per point (quick 2, full 8, gpu 4)")  //
      ("tight", po::value<double>(),
       "a point gets no more rounds when half of the interval of each of its ratios is at most "
       "this, "
       "relative (0.02)")  //
      ("budget", po::value<double>(),
       "seconds per suite, calibration apart (quick 20, full 720, gpu 60, or what a suite asks "
       "for)")  //
      ("timeout", po::value<double>(),
       "seconds for one execution (ten times the expected, at least 30)")  //
      ("memory", po::value<std::int64_t>(),
       "MiB of resident memory per worker and what it starts (90 % of what is available)")  //
      ("cache", po::value<std::string>()->default_value("hot"),
       "hot: the same data again and again; cold: copies in turn, larger than the caches (CPU)")  //
      ("shard", po::value<std::string>(),
       "i/n: do the i-th of n parts of the plan; 'ashlar merge' joins their records")     //
      ("out", po::value<std::string>(), "record file to write (ashlar-runs/TIME.jsonl)")  //
      ("resume", po::bool_switch(),
       "go on with the run in --out, or the newest in ashlar-runs/: measure what is missing")   //
      ("no-calibration", po::bool_switch(), "do not measure the machine's peaks")               //
      ("profile", po::bool_switch(), "execute each case once under NVTX ranges; time nothing")  //
      ("strict", po::bool_switch(),
       "a crash, a timeout or a failure ends with status 2, like a wrong answer")  //
      ("dry-run", po::bool_switch(), "print the plan and stop");
  add_lock_options(options);
}

ChosenPlan chosen_plan(const Options& options, const Context& context) {
  ChosenPlan plan;
  const Mode mode = mode_from(options);
  plan.whole = run::make_plan(*context.registry, filter_from(options), mode, seed_from(options));
  const Defaults defaults = defaults_of(mode);
  plan.rounds.most = positive(options, "rounds", defaults.rounds);
  plan.rounds.tight = positive(options, "tight", plan.rounds.tight);
  plan.budget_s = seconds_for(options, *context.registry, plan.whole, mode);
  plan.part = plan.whole;
  if (options.has("shard")) {
    plan.shard = run::parse_shard(options.get<std::string>("shard"));
    plan.part = run::part_of(plan.whole, *plan.shard);
    // So that all shards together take as long as the whole would.
    plan.budget_s *= static_cast<double>(plan.part.points.size()) /
                     static_cast<double>(plan.whole.points.size());
  }
  return plan;
}

run::RunOptions run_options(const Options& options, const ChosenPlan& plan, const Json& environment,
                            const fs::path& scratch) {
  run::RunOptions chosen;
  // Not a path: a program that is rebuilt during the run must not become a worker of it.
  chosen.worker_command = {"/proc/self/exe", "worker"};
  chosen.resource = [](const std::string& relative) {
    const fs::path found = find_resource(relative);
    return found.empty() ? relative : found.string();
  };
  chosen.scratch = scratch;
  chosen.threads = positive(options, "threads", environment.at("affinity").at("count").get<int>());
  chosen.rounds = plan.rounds;
  chosen.budget_s = plan.budget_s;
  chosen.timeout_s = positive(options, "timeout", 0.0);
  const std::int64_t usable_mib = machine::usable_memory_bytes().value_or(0) >> 20;
  chosen.memory_bytes = positive<std::int64_t>(options, "memory", usable_mib * 9 / 10) << 20;
  chosen.cold_bytes = cold_bytes(options, environment);
  chosen.profile = options.get<bool>("profile");
  chosen.interrupted = &interruptions();
  return chosen;
}

record::RunRecord run_record(const Context& context, const ChosenPlan& plan,
                             const run::RunOptions& chosen, const Json& environment,
                             const Json& calibration) {
  record::RunRecord record;
  record.run_id = chosen.run_id;
  record.plan_hash = plan.whole.hash;
  record.argv = context.all_arguments;
  if (!record.argv.empty()) record.argv[0] = fs::path(record.argv[0]).filename().string();
  record.started = model::utc_now();
  record.mode = model::name_of(plan.whole.mode);
  record.seed = plan.whole.seed;
  record.threads = chosen.threads;
  record.build = machine::describe_build();
  record.machine = environment;
  record.machine["worker_variables"] = run::worker_environment(chosen.threads);
  record.machine["kernels"] = describe_kernels(*context.registry, plan.whole);
  record.machine_id = machine::machine_id(environment);
  record.calibration = calibration;
  // Of the whole plan, so that the records of all shards say the same.
  record.experiments = describe_experiments(plan.whole);
  return record;
}

Json plan_details(const ChosenPlan& plan, const run::RunOptions& chosen) {
  return {
      {"points", plan.part.points.size()},
      {"cases", plan.part.cases()},
      {"budget_s", plan.budget_s},
      {"rounds",
       {{"least", plan.rounds.least}, {"most", plan.rounds.most}, {"tight", plan.rounds.tight}}},
      {"settings", settings(plan, chosen)}};
}

run::Identity identity(const ChosenPlan& plan, const run::RunOptions& chosen,
                       const Json& environment) {
  run::Identity now;
  now.plan_hash = plan.whole.hash;
  const Json binary = machine::describe_build().at("binary_sha256");
  now.binary = binary.is_string() ? binary.get<std::string>() : "of unknown hash";
  now.mode = model::name_of(plan.whole.mode);
  now.seed = plan.whole.seed;
  now.threads = chosen.threads;
  now.machine_id = machine::machine_id(environment);
  now.settings = settings(plan, chosen);
  return now;
}

RunFile::RunFile(const Options& options, const std::string& new_run_id) : run_id_(new_run_id) {
  const bool resume = options.get<bool>("resume");
  if (options.has("out")) {
    path_ = options.get<std::string>("out");
  } else {
    path_ = resume ? record_files({}).front() : fs::path(kRunFolder) / (run_id_ + ".jsonl");
  }
  refuse_compressed(path_);
  std::error_code unreadable;
  exists_ = fs::exists(path_, unreadable);
  if (unreadable) {
    throw UsageError(
        fmt::format("--out: cannot write '{}': {}", path_.string(), unreadable.message()));
  }
  if (exists_ && !resume) {
    throw UsageError(fmt::format(
        "--out: '{}' exists; choose another name, remove it, or go on with it by --resume",
        path_.string()));
  }
  if (exists_) history_ = run::read_history(path_);
  if (history_.run) run_id_ = history_.run->run_id;
}

RunFile::~RunFile() {
  std::error_code ignored;
  if (writer_ && fs::file_size(path_, ignored) == 0) fs::remove(path_, ignored);
}

record::Writer& RunFile::writer() {
  if (writer_) return *writer_;
  try {
    writer_ = std::make_unique<record::Writer>(
        path_, exists_ ? record::Writer::Mode::append : record::Writer::Mode::create);
  } catch (const std::system_error& error) {
    throw UsageError(fmt::format("--out: cannot write '{}': {}", path_.string(),
                                 error.code() == std::errc::device_or_resource_busy
                                     ? "another process writes it"
                                     : error.code().message()));
  }
  // A process that wrote it until now may have added to it since it was read.
  if (exists_) history_ = run::read_history(path_);
  return *writer_;
}

}  // namespace ashlar::cli
