#pragma once
// What `ashlar run` makes of its options before anything is measured.
#include <filesystem>
#include <memory>
#include <optional>

#include "harness/cli/options.hpp"
#include "harness/run/supervisor.hpp"

namespace ashlar::cli {

void add_run_options(Options& options);

/// The plan of the whole and this invocation's part of it.
struct ChosenPlan {
  run::Plan whole;
  run::Plan part;  // the same without --shard
  std::optional<run::Shard> shard;
  double budget_s = 0;  // of the part
  run::RoundRule rounds;
};
/// Throws UsageError.
ChosenPlan chosen_plan(const Options& options, const Context& context);

/// Throws UsageError.
run::RunOptions run_options(const Options& options, const ChosenPlan& plan,
                            const model::Json& environment, const std::filesystem::path& scratch);

record::RunRecord run_record(const Context& context, const ChosenPlan& plan,
                             const run::RunOptions& chosen, const model::Json& environment,
                             const model::Json& calibration);

/// Details of the event `plan`; its `settings` are what a resumed run must have too.
model::Json plan_details(const ChosenPlan& plan, const run::RunOptions& chosen);
run::Identity identity(const ChosenPlan& plan, const run::RunOptions& chosen,
                       const model::Json& environment);

/// The record file of a new run, or of the one that is resumed.
class RunFile {
 public:
  /// Opens what --out and --resume say, before anything is measured, so that a folder without write
  /// permission costs nothing. Throws UsageError.
  RunFile(const Options& options, const std::string& new_run_id);
  /// One that holds nothing at the end is removed.
  ~RunFile();
  RunFile(const RunFile&) = delete;
  RunFile& operator=(const RunFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const std::string& run_id() const { return run_id_; }
  /// Whether there is something to go on from.
  bool resumed() const { return history_.run.has_value(); }
  const run::History& history() const { return history_; }
  /// Opened at the first call: a run that is refused is not touched.
  record::Writer& writer();

 private:
  std::filesystem::path path_;
  std::string run_id_;
  run::History history_;
  bool exists_ = false;
  std::unique_ptr<record::Writer> writer_;
};

}  // namespace ashlar::cli
