#pragma once
// The command line: one file per verb. Exit codes are part of the interface (docs/exit-codes.md).
#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/model/suite.hpp"
#include "harness/run/plan.hpp"

namespace ashlar::cli {

enum ExitCode : int {
  kFine = 0,
  kFailed = 1,       // a required claim is contradicted, or the head of a gate is slower
  kWrongAnswer = 2,  // an oracle rejected an answer (with --strict also a crash or a timeout)
  kUsage = 3,        // wrong words, missing files, bad claim files
  kInconclusive = 4,
  kHarnessError =
      5,  // the harness itself: disk full, an oracle that accepts a broken implementation
  kInterrupted = 130,
};

using Arguments = std::vector<std::string>;
using run::UsageError;

/// What every command may need.
struct Context {
  std::string program;      // argv[0]
  Arguments all_arguments;  // as typed, for the run record
  const model::Registry* registry = nullptr;
};

int list_command(const Context& context, const Arguments& arguments);
int run_command(const Context& context, const Arguments& arguments);
int merge_command(const Context& context, const Arguments& arguments);
int check_command(const Context& context, const Arguments& arguments);
int table_command(const Context& context, const Arguments& arguments);
int diff_command(const Context& context, const Arguments& arguments);
int export_command(const Context& context, const Arguments& arguments);
int import_command(const Context& context, const Arguments& arguments);
int plot_command(const Context& context, const Arguments& arguments);
int show_command(const Context& context, const Arguments& arguments);
int machine_command(const Context& context, const Arguments& arguments);
int trace_command(const Context& context, const Arguments& arguments);
int gate_command(const Context& context, const Arguments& arguments);
int selftest_command(const Context& context, const Arguments& arguments);
int gbench_command(const Context& context, const Arguments& arguments);
int worker_command(const Context& context, const Arguments& arguments);

/// Maps words to commands and errors to exit codes; never throws.
int dispatch(int argc, char** argv, const model::Registry& registry);

/// Counts SIGINT and SIGTERM; the second one ends the process at once.
const std::atomic<int>& interruptions();
void catch_interruptions();

}  // namespace ashlar::cli
