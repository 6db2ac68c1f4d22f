#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "harness/claims/claim.hpp"
#include "harness/cli/command.hpp"
#include "harness/record/file.hpp"

namespace ashlar::cli {

namespace {

struct Verb {
  const char* name;
  const char* about;  // null: not listed
  int (*command)(const Context&, const Arguments&);
};

constexpr Verb kVerbs[] = {
    {"list", "suites, experiments, cases, implementations, claims: what there is", list_command},
    {"run", "verify and measure; writes a record file", run_command},
    {"merge", "join the record files of the shards of one plan", merge_command},
    {"check", "hold claims against records: the verdict table", check_command},
    {"table", "tables of results from records", table_command},
    {"diff", "the same cases of two runs side by side", diff_command},
    {"plot", "figures from records, by gnuplot", plot_command},
    {"show", "one case: samples, norms, and the command line that repeats it", show_command},
    {"trace", "time per range, from the timeline of 'ashlar run --trace'", trace_command},
    {"export", "records for other tools: Google Benchmark, Bencher, JUnit, CSV", export_command},
    {"import", "results of Google Benchmark or nvbench as records", import_command},
    {"machine", "this machine and its calibration", machine_command},
    {"gate", "two builds against each other: what became slower", gate_command},
    {"selftest", "how often the gate is wrong on this machine", selftest_command},
    {"gbench", "the same cases under Google Benchmark's flags and output", gbench_command},
    {"worker", nullptr, worker_command},
};

std::atomic<int> interruption_count{0};

void count_interruption(int signal_number) {
  if (interruption_count.fetch_add(1) > 0) {
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
  }
}

void print_help() {
  fmt::print(
      "Usage: ashlar VERB [words] [options]\n\n"
      "A benchmark and reproducibility harness: runs a paper's experiments, verifies every "
      "answer,\n"
      "and says of each of its numbers whether it holds.\n\n");
  for (const Verb& verb : kVerbs) {
    if (verb.about != nullptr) fmt::print("  {:<9} {}\n", verb.name, verb.about);
  }
  fmt::print(
      "\n'ashlar VERB --help' lists a verb's options. Exit status: 0 fine, 1 a regression, or a "
      "required "
      "claim is contradicted,\n"
      "2 wrong answer, 3 usage, 4 inconclusive, 5 harness error, 130 interrupted.\n");
}

int run_verb(const Context& context, const Arguments& arguments) {
  if (arguments.empty()) {
    print_help();
    return kUsage;
  }
  const std::string& word = arguments.front();
  if (word == "--help" || word == "help") {
    print_help();
    return kFine;
  }
  if (word == "--version") {
    fmt::print("ashlar {}\n", ASHLAR_VERSION);
    return kFine;
  }
  std::vector<std::string> known;
  for (const Verb& verb : kVerbs) {
    if (word == verb.name) return verb.command(context, {arguments.begin() + 1, arguments.end()});
    if (verb.about != nullptr) known.emplace_back(verb.name);
  }
  throw UsageError(
      fmt::format("ashlar: unknown verb '{}'{}", word, model::suggestion(word, known)));
}

/// What the verb printed must have arrived: a full disk behind a redirection is no success.
int flushed(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  if (errno == EPIPE) return code;  // a reader that went away has what it wanted
  fmt::print(stderr, "ashlar: cannot write standard output: {}\n", std::strerror(errno));
  return kHarnessError;
}

int report(ExitCode code, const std::string& message) {
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", message);
  return code;
}

}  // namespace

const std::atomic<int>& interruptions() { return interruption_count; }

void catch_interruptions() {
  struct sigaction action {};
  action.sa_handler = count_interruption;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int dispatch(int argc, char** argv, const model::Registry& registry) {
  // A reader that went away ('ashlar list | head') and a worker that died are no reasons to die
  // silently.
  std::signal(SIGPIPE, SIG_IGN);
  // A limit on file sizes is a full disk to us: an error that is reported.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const Context context{argc > 0 ? argv[0] : "ashlar", {argv, argv + argc}, &registry};
    return flushed(run_verb(context, {argv + std::min(argc, 1), argv + argc}));
  } catch (const UsageError& error) {
    return report(kUsage, error.what());
  } catch (const claims::ClaimError& error) {
    return report(kUsage, error.what());
  } catch (const record::FileError& error) {
    return report(kUsage, error.what());
  } catch (const std::system_error& error) {
    // Writing to a pipe whose reader left is no fault.
    if (error.code() == std::errc::broken_pipe) return kFine;
    return report(kHarnessError, std::string("ashlar: ") + error.what());
  } catch (const std::exception& error) {
    return report(kHarnessError, std::string("ashlar: ") + error.what());
  }
}

}  // namespace ashlar::cli
