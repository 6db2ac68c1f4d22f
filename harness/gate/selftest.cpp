#include "harness/gate/selftest.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>

#include <fmt/format.h>

#include "harness/gate/busy.hpp"
#include "harness/gate/selftest_suite.hpp"
#include "harness/statistics/statistics.hpp"

namespace ashlar::gate {

namespace {

constexpr std::int64_t kMillisecond_ns = 1'000'000;
constexpr std::int64_t kShort_ns = 50'000;

std::vector<std::string> worker(const SelftestOptions& options, double extra) {
  return {options.program, "worker", "--selftest", "--extra", fmt::format("{}", extra)};
}

GateOptions gate_options(const Trial& trial, const SelftestOptions& options, std::size_t ordinal) {
  GateOptions gate;
  gate.scratch = options.scratch;
  gate.effort = {trial.margin, options.groups, options.pairs, options.seed + ordinal};
  PairOptions& pairs = gate.pairs;
  const auto side = [&](const char* name, double extra) {
    const std::filesystem::path scratch = options.scratch / name;
    std::filesystem::create_directories(scratch);
    return SideOptions{name, worker(options, extra), run::worker_environment(options.threads),
                       scratch};
  };
  pairs.base = side("base", 0);
  pairs.head = side("head", trial.slow_down);
  pairs.threads = options.threads;
  pairs.seed = options.seed + ordinal;
  pairs.interrupted = options.interrupted;
  return gate;
}

void take(const Report& report, TrialResult& result) {
  for (std::size_t i = 0; i < report.cases.size(); ++i) {
    const Judgement& judgement = report.comparison.cases[i];
    if (!judgement.measured)
      throw std::runtime_error("the self-test's own work was lost: " + report.cases[i].head.reason);
    ++result.verdicts[judgement.verdict];
    ++result.by_case[report.cases[i].key.substr(report.cases[i].key.find('/') + 1)]
                    [judgement.verdict];
    result.changes.push_back(judgement.first.estimate.change.estimate);
    ++result.comparisons;
  }
}

}  // namespace

TrialResult run_trial(const Trial& trial, const SelftestOptions& options) {
  TrialResult result;
  result.trial = trial;
  const std::int64_t steps = steps_lasting(kMillisecond_ns);
  const bool power = trial.slow_down > 0;
  const model::Registry registry = selftest_registry(
      power ? std::vector{steps}
            : std::vector{std::max<std::int64_t>(1, steps * kShort_ns / kMillisecond_ns), steps});
  run::Filter filter;
  if (power) filter.only = {fmt::format("/{}/", kPowerExperiment)};
  const std::int64_t start_ns = measure::system_clock().now_ns();
  const BusyLoops load(trial.load);
  const auto wanted = static_cast<std::size_t>(trial.comparisons);
  while (result.comparisons < wanted && !result.interrupted) {
    // Another problem in every gate, as another seed would be.
    const run::Plan plan =
        run::make_plan(registry, filter, model::Mode::quick, options.seed + result.gates);
    const Report report = run_gate(plan, gate_options(trial, options, result.gates));
    result.interrupted = report.interrupted;
    if (report.interrupted) break;
    take(report, result);
    ++result.gates;
    if (options.progress) options.progress(std::min(result.comparisons, wanted), wanted);
  }
  result.seconds = 1e-9 * static_cast<double>(measure::system_clock().now_ns() - start_ns);
  return result;
}

Json to_json(const TrialResult& result) {
  const auto counts = [](const std::map<Verdict, std::size_t>& verdicts) {
    Json json = Json::object();
    for (const Verdict verdict :
         {Verdict::slower, Verdict::faster, Verdict::same, Verdict::unclear, Verdict::disturbed}) {
      const auto found = verdicts.find(verdict);
      json[std::string(name_of(verdict))] = found == verdicts.end() ? 0 : found->second;
    }
    return json;
  };
  Json by_case = Json::object();
  for (const auto& [key, verdicts] : result.by_case) by_case[key] = counts(verdicts);
  Json changes = Json::array();
  for (const double change : result.changes)
    changes.push_back(record::number_to_json(std::round(change * 1e6) / 1e6));
  return {{"schema", 1},
          {"kind", "selftest"},
          {"slow_down", result.trial.slow_down},
          {"load", result.trial.load},
          {"margin", std::round(std::expm1(result.trial.margin) * 1e6) / 1e6},
          {"comparisons", result.comparisons},
          {"gates", result.gates},
          {"verdicts", counts(result.verdicts)},
          {"by_case", by_case},
          {"log_changes", changes},
          {"seconds", std::round(result.seconds * 10) / 10},
          {"interrupted", result.interrupted}};
}

std::optional<Runner> read_runner(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw run::UsageError(fmt::format("cannot read '{}'", path.string()));
  std::optional<Runner> runner;
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty()) continue;
    try {
      const Json json = Json::parse(line);
      if (json.at("schema").get<int>() != 1 || json.at("kind").get<std::string>() != "selftest")
        throw std::runtime_error("not a line of 'ashlar selftest'");
      if (!runner) runner.emplace();
      runner->machine_id = json.at("machine_id").get<std::string>();
      runner->time = json.at("time").get<std::string>();
      TrialResult result;
      result.trial.slow_down = json.at("slow_down").get<double>();
      result.trial.load = json.at("load").get<int>();
      result.trial.margin = std::log1p(json.at("margin").get<double>());
      result.comparisons = json.at("comparisons").get<std::size_t>();
      for (const Verdict verdict : {Verdict::slower, Verdict::faster, Verdict::same,
                                    Verdict::unclear, Verdict::disturbed}) {
        result.verdicts[verdict] =
            json.at("verdicts").at(std::string(name_of(verdict))).get<std::size_t>();
      }
      std::erase_if(runner->trials, [&](const TrialResult& older) {
        return older.trial.slow_down == result.trial.slow_down &&
               older.trial.load == result.trial.load && older.trial.margin == result.trial.margin;
      });
      runner->trials.push_back(std::move(result));
    } catch (const std::exception& error) {
      throw run::UsageError(fmt::format("{}:{}: not a line of 'ashlar selftest': {}", path.string(),
                                        number, error.what()));
    }
  }
  return runner;
}

std::string proportion_text(std::size_t seen, std::size_t all) {
  if (all == 0) return "none";
  const statistics::Interval interval = statistics::proportion_interval(seen, all);
  if (seen == 0) return fmt::format("0 of {} (at most {:.1f} %)", all, 100 * interval.high);
  if (seen == all)
    return fmt::format("{} of {} (at least {:.1f} %)", seen, all, 100 * interval.low);
  return fmt::format("{} of {} ({:.1f} %, {:.1f} to {:.1f} %)", seen, all, 100 * interval.estimate,
                     100 * interval.low, 100 * interval.high);
}

namespace {

constexpr Verdict kVerdicts[] = {Verdict::slower, Verdict::same, Verdict::faster, Verdict::unclear,
                                 Verdict::disturbed};

std::string question_of(const Trial& trial) {
  const std::string what =
      trial.slow_down > 0
          ? fmt::format("{:+.0f} % of work in a case of a millisecond", 100 * trial.slow_down)
          : std::string("the same program on both sides");
  return trial.load > 0 ? fmt::format("{}, beside {} busy loops", what, trial.load) : what;
}

std::size_t count_of(const TrialResult& result, Verdict verdict) {
  const auto found = result.verdicts.find(verdict);
  return found == result.verdicts.end() ? std::size_t{0} : found->second;
}

}  // namespace

std::string trials_text(const std::vector<TrialResult>& results) {
  std::string text;
  for (const TrialResult& result : results) {
    text += fmt::format("{} (margin {:.0f} %; {:.0f} s)\n", question_of(result.trial),
                        100 * std::expm1(result.trial.margin), result.seconds);
    for (const Verdict verdict : kVerdicts) {
      text += fmt::format("  {:<10} {}\n", name_of(verdict),
                          proportion_text(count_of(result, verdict), result.comparisons));
    }
    if (result.interrupted) text += "  interrupted\n";
  }
  return text;
}

std::string runner_markdown(const Runner& runner) {
  std::string text = "| question | margin |";
  std::string line = "|---|---:|";
  for (const Verdict verdict : kVerdicts) {
    text += fmt::format(" {} |", name_of(verdict));
    line += "---:|";
  }
  text += "\n" + line + "\n";
  for (const TrialResult& result : runner.trials) {
    text += fmt::format("| {} | {:.0f} % |", question_of(result.trial),
                        100 * std::expm1(result.trial.margin));
    for (const Verdict verdict : kVerdicts)
      text += fmt::format(" {} |", proportion_text(count_of(result, verdict), result.comparisons));
    text += "\n";
  }
  return text + fmt::format("\nMachine {}, {}.\n", runner.machine_id, runner.time);
}

}  // namespace ashlar::gate
