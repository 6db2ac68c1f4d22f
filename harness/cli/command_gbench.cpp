#include <fmt/format.h>

#include "harness/cli/options.hpp"

#ifdef ASHLAR_HAVE_GBENCH

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <benchmark/benchmark.h>
#include <fmt/ranges.h>

#include "harness/cli/services.hpp"
#include "harness/measure/verify.hpp"
#include "harness/run/worker.hpp"

namespace ashlar::cli {

namespace {

/// One case under Google Benchmark: the problem and the oracle's answer are made once per point and
/// kept while the point's cases run, which follow each other.
class Bench {
 public:
  Bench(const run::PlannedPoint& planned, model::Mode mode, std::uint64_t seed)
      : planned_(planned), mode_(mode), seed_(seed) {}

  /// Never throws: one faulty case must not end the others.
  void run(benchmark::State& state, const model::Implementation& implementation) {
    try {
      measure(state, implementation);
    } catch (const std::exception& error) {
      skip(state, std::string("failed: ") + error.what());
    }
  }
  void release() { problem_.reset(); }
  static int wrong_answers() { return wrong_answers_; }

 private:
  void measure(benchmark::State& state, const model::Implementation& implementation) {
    make_problem();
    const model::Support support = run::support_of(*planned_.experiment, implementation,
                                                   planned_.point, mode_, problem_.get());
    if (!support.yes) return skip(state, "unsupported: " + support.reason);
    const auto trial = implementation.bind(problem_);
    const auto timer = services_.make_timer(implementation.options);
    trial->poison();
    trial->prepare();
    trial->poison();
    timer->run_once(*trial);
    if (const auto wrong = mismatch(*trial)) return fail(state, *wrong);
    for (auto _ : state) {
      state.SetIterationTime(static_cast<double>(timer->take(*trial, 1).wall_ns) * 1e-9);
    }
    if (const auto wrong = mismatch(*trial)) return fail(state, *wrong);
    if (!planned_.experiment->work) return;
    const double flops = planned_.experiment->work(planned_.point).flops;
    state.counters["FLOP/s"] =
        benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  }
  void make_problem() {
    if (problem_) return;
    problem_ = planned_.experiment->problem(planned_.point, seed_);
    expected_ = planned_.experiment->oracle(problem_.get());
    if (planned_.experiment->yardstick) yardstick_ = planned_.experiment->yardstick(problem_.get());
  }
  std::optional<std::string> mismatch(model::Trial& trial) {
    trial.fetch();
    return measure::check_answer(*planned_.experiment, problem_.get(), planned_.point, expected_,
                                 yardstick_ ? &*yardstick_ : nullptr, trial.answer())
        .mismatch;
  }
  /// The library insists that its loop is entered once, and once only, even when nothing is timed.
  static void skip(benchmark::State& state, const std::string& why) {
    state.SkipWithError(why.c_str());
    if (state.iterations() > 0) return;
    for (auto _ : state) {
    }
  }
  static void fail(benchmark::State& state, const std::string& why) {
    ++wrong_answers_;
    skip(state, "wrong answer: " + why);
  }

  const run::PlannedPoint& planned_;
  model::Mode mode_;
  std::uint64_t seed_;
  std::shared_ptr<const void> problem_;
  model::Expected expected_;
  std::optional<model::Expected> yardstick_;
  run::WorkerServices services_ = worker_services();
  static inline int wrong_answers_ = 0;
};

/// Splits off the words that belong to Google Benchmark.
Arguments take_library_flags(Arguments& arguments) {
  Arguments flags;
  std::erase_if(arguments, [&](const std::string& word) {
    const bool theirs = word.starts_with("--benchmark_") || word.starts_with("--v=");
    if (theirs) flags.push_back(word);
    return theirs;
  });
  return flags;
}

/// The library answers some wrong values with exit codes that mean something else here.
void check_library_flags(const Arguments& flags) {
  const auto value_of = [](const std::string& flag) { return flag.substr(flag.find('=') + 1); };
  const std::vector<std::string> formats = {"console", "json", "csv"};
  for (const std::string& flag : flags) {
    const bool format =
        flag.starts_with("--benchmark_format=") || flag.starts_with("--benchmark_out_format=");
    if (format && std::find(formats.begin(), formats.end(), value_of(flag)) == formats.end()) {
      throw UsageError(fmt::format("ashlar gbench: {}: the format is console, json or csv{}", flag,
                                   model::suggestion(value_of(flag), formats)));
    }
    if (flag.starts_with("--benchmark_out=") && !std::ofstream(value_of(flag), std::ios::app))
      throw UsageError(
          fmt::format("ashlar gbench: {}: cannot write: {}", flag, std::strerror(errno)));
  }
}

void register_cases(const run::Plan& plan, std::vector<std::shared_ptr<Bench>>& benches) {
  std::vector<std::string> elsewhere;
  for (const run::PlannedPoint& planned : plan.points) {
    if (planned.experiment->kind != model::Kind::timed) continue;
    auto bench = std::make_shared<Bench>(
        planned, plan.mode, run::point_seed(plan.seed, *planned.experiment, planned.point));
    benches.push_back(bench);
    for (const model::Implementation* implementation : planned.implementations) {
      if (implementation->external()) {
        if (std::find(elsewhere.begin(), elsewhere.end(), implementation->name) == elsewhere.end())
          elsewhere.push_back(implementation->name);
        continue;
      }
      const std::string key =
          run::case_key(*planned.experiment, planned.point, implementation->name);
      benchmark::RegisterBenchmark(key.c_str(), [bench, implementation,
                                                 &benches](benchmark::State& state) {
        for (const auto& other : benches) {
          if (other != bench) other->release();
        }
        bench->run(state, *implementation);
      })->UseManualTime();
    }
  }
  // Google Benchmark times what runs in its own process.
  if (!elsewhere.empty()) {
    fmt::print(stderr, "left out, as they run in other programs ('ashlar run' has them): {}\n",
               fmt::join(elsewhere, ", "));
  }
}

}  // namespace

int gbench_command(const Context& context, const Arguments& arguments) {
  Arguments own = arguments;
  const Arguments flags = take_library_flags(own);
  Options options("gbench", "[SUITE...]",
                  "The same verified cases under Google Benchmark: its flags (--benchmark_filter, "
                  "--benchmark_format,\n"
                  "--benchmark_repetitions, ...), its JSON, its compare.py. One process; 'ashlar "
                  "run' isolates workers.");
  add_filter_options(options);
  if (!options.parse(context, own)) return kFine;
  const run::Plan plan = run::make_plan(*context.registry, filter_from(options), mode_from(options),
                                        seed_from(options));
  check_library_flags(flags);
  std::vector<char*> words = {const_cast<char*>(context.program.c_str())};
  for (const std::string& flag : flags) words.push_back(const_cast<char*>(flag.c_str()));
  int count = static_cast<int>(words.size());
  benchmark::Initialize(&count, words.data());
  if (count > 1)
    throw UsageError(fmt::format("ashlar gbench: Google Benchmark does not know '{}'", words[1]));
  std::vector<std::shared_ptr<Bench>> benches;
  register_cases(plan, benches);
  // The library ends with 0 whatever happened; the exit codes here are Ashlar's.
  if (benchmark::RunSpecifiedBenchmarks() == 0)
    throw UsageError("ashlar gbench: the filters match no case");
  return Bench::wrong_answers() > 0 ? kWrongAnswer : kFine;
}

}  // namespace ashlar::cli

#else

namespace ashlar::cli {

int gbench_command(const Context&, const Arguments&) {
  throw UsageError("ashlar gbench: built without Google Benchmark (Debian: libbenchmark-dev)");
}

}  // namespace ashlar::cli

#endif
