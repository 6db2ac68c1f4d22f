#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/format.h>

#include "harness/cli/options.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/run_files.hpp"
#include "harness/cli/services.hpp"
#include "harness/cli/timing.hpp"
#include "harness/gate/selftest.hpp"
#include "harness/machine/build.hpp"
#include "harness/machine/environment.hpp"
#include "harness/measure/clock.hpp"
#include "harness/model/time.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

namespace {

constexpr double kPowerMargin = 0.03;

/// One line of progress with the time left, from the pace of the trial that runs.
class Pace {
 public:
  Pace(std::string label) : label_(std::move(label)), terminal_(isatty(STDERR_FILENO) != 0) {}
  ~Pace() {
    if (terminal_) fmt::print(stderr, "\r\033[K");
  }
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;

  void step(std::size_t done, std::size_t wanted) {
    const double elapsed_s =
        1e-9 * static_cast<double>(measure::system_clock().now_ns() - start_ns_);
    const double left_s =
        elapsed_s * static_cast<double>(wanted - done) / static_cast<double>(done);
    // Piped, a line for every tenth is enough.
    if (!terminal_ && 10 * done / wanted == tenth_) return;
    tenth_ = 10 * done / wanted;
    const std::string line = fmt::format("[{}/{}] {} ({:.0f} s, about {:.0f} s left)", done, wanted,
                                         label_, elapsed_s, left_s);
    fmt::print(stderr, "{}{}{}", terminal_ ? "\r" : "", line, terminal_ ? "\033[K" : "\n");
    std::fflush(stderr);
  }

 private:
  std::string label_;
  bool terminal_;
  std::size_t tenth_ = 0;
  std::int64_t start_ns_ = measure::system_clock().now_ns();
};

std::string label_of(const gate::Trial& trial) {
  if (trial.slow_down > 0) return fmt::format("{:+.0f} % injected", 100 * trial.slow_down);
  return trial.load > 0 ? fmt::format("A/A beside {} busy loops", trial.load)
                        : std::string("A/A on the quiet machine");
}

std::vector<gate::Trial> trials_from(const Options& options) {
  const bool quick = options.get<bool>("quick");
  const int comparisons = between(options, "comparisons", 0, 0, 1'000'000);
  const int gates = between(options, "gates", 0, 0, 1'000'000);
  const int load = between(options, "load", 0, 0, 1024);
  const double margin = options.get<double>("margin");
  if (!(margin > 0 && margin < 1))
    throw UsageError(fmt::format("--margin {}: must be between 0 and 1, as in 0.05", margin));
  const auto some = [quick](int count, int most) { return quick ? std::min(count, most) : count; };
  std::vector<gate::Trial> trials;
  const auto add = [&](int count, int beside, double slow_down, double m) {
    if (count > 0) trials.push_back({count, beside, slow_down, std::log1p(m)});
  };
  if (load > 0) add(some(comparisons, 20), load, 0, margin);
  add(some(comparisons, 20), 0, 0, margin);
  add(some(gates, 3), 0, 0.10, kPowerMargin);
  add(some(gates, 3), 0, 0.05, kPowerMargin);
  if (trials.empty()) throw UsageError("nothing to do: --comparisons 0 and --gates 0");
  return trials;
}

int show(const std::string& path) {
  const std::optional<gate::Runner> runner = gate::read_runner(path);
  if (!runner) throw UsageError(fmt::format("--show: '{}' has no lines", path));
  fmt::print("{}", gate::runner_markdown(*runner));
  return kFine;
}

}  // namespace

int selftest_command(const Context& context, const Arguments& arguments) {
  Options options(
      "selftest", "",
      "How often 'ashlar gate' is wrong on this machine: false alarms when both sides are "
      "this program,\n"
      "beside busy loops and without; and how often it sees a head that does 10 % or 5 % "
      "more work.");
  options.add()  //
      ("comparisons", po::value<int>()->default_value(300),
       "A/A comparisons, under load and without")  //
      ("gates", po::value<int>()->default_value(50),
       "gates per injected slow-down (10 % and 5 %, at a margin of 3 %)")                     //
      ("load", po::value<int>()->default_value(2), "busy loops to compete with")              //
      ("margin", po::value<double>()->default_value(0.05, "0.05"), "of the A/A comparisons")  //
      ("seed", po::value<std::string>()->default_value("1"), "seed of problems and orders")   //
      ("quick", po::bool_switch(), "20 comparisons and 3 gates: shows that it works")         //
      ("out", po::value<std::string>(), "file of JSON Lines to append to")                    //
      ("show", po::value<std::string>(),
       "measure nothing: print what such a file says, as Markdown");
  add_lock_options(options);
  if (!options.parse(context, arguments)) return kFine;
  options.at_most(0);
  if (options.has("show")) return show(options.get<std::string>("show"));
  const std::vector<gate::Trial> trials = trials_from(options);
  std::ofstream out;
  if (options.has("out")) {
    refuse_compressed(options.get<std::string>("out"));
    out.open(options.get<std::string>("out"), std::ios::app);
    if (!out)
      throw UsageError(fmt::format("--out: cannot write '{}'", options.get<std::string>("out")));
  }
  const ScratchFolder scratch;
  const model::Json environment = machine::capture_environment(device_description());
  catch_interruptions();
  const auto lock = hold_timing_lock(
      options, context, [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
  if (interruptions() > 0) return kInterrupted;
  gate::SelftestOptions chosen;
  chosen.program = "/proc/self/exe";
  chosen.scratch = scratch.path();
  chosen.threads = environment.at("affinity").at("count").get<int>();
  chosen.seed = seed_from(options);
  chosen.interrupted = &interruptions();
  std::vector<gate::TrialResult> results;
  for (const gate::Trial& trial : trials) {
    Pace pace(label_of(trial));
    chosen.progress = [&pace](std::size_t done, std::size_t wanted) { pace.step(done, wanted); };
    results.push_back(gate::run_trial(trial, chosen));
    if (out.is_open()) {
      model::Json line = gate::to_json(results.back());
      line["machine_id"] = machine::machine_id(environment);
      line["time"] = model::utc_now();
      line["build"] = machine::describe_build();
      out << line.dump() << std::endl;
      if (!out) throw std::runtime_error("cannot write '" + options.get<std::string>("out") + "'");
    }
    if (results.back().interrupted) break;
  }
  fmt::print("{}", gate::trials_text(results));
  return results.back().interrupted ? kInterrupted : kFine;
}

}  // namespace ashlar::cli
