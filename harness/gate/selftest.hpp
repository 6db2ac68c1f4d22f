#pragma once
// How often this gate cries wolf on this machine, and how often it misses one: measured with the
// gate's own code, on work of a known amount.
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/gate/gate.hpp"

namespace ashlar::gate {

/// One question: the same program on both sides, or a head that does `slow_down` more work; beside
/// `load` busy loops.
struct Trial {
  int comparisons = 0;
  int load = 0;
  double slow_down = 0;
  double margin = 0;  // ln
};

struct TrialResult {
  Trial trial;
  std::map<Verdict, std::size_t> verdicts;
  std::map<std::string, std::map<Verdict, std::size_t>> by_case;  // key without the suite
  std::vector<double> changes;                                    // ln, of each comparison
  std::size_t comparisons = 0;
  std::size_t gates = 0;
  double seconds = 0;
  bool interrupted = false;
};

struct SelftestOptions {
  std::string program;  // this one; started as a worker
  std::filesystem::path scratch;
  int threads = 1;
  int groups = 12;
  int pairs = 3;
  std::uint64_t seed = 1;
  const std::atomic<int>* interrupted = nullptr;
  /// After each gate: comparisons done and wanted in this trial.
  std::function<void(std::size_t done, std::size_t wanted)> progress;
};

/// A trial without slow-down compares all of the self-test's cases in each gate, one with it the
/// one of about a millisecond, one comparison per gate.
TrialResult run_trial(const Trial& trial, const SelftestOptions& options);

/// One line of the self-test's file. docs/gate.md lists the fields.
Json to_json(const TrialResult& result);

/// What a self-test's file says of the runner: the newest line of each question.
struct Runner {
  std::string machine_id;
  std::string time;
  std::vector<TrialResult> trials;  // without by_case and changes
};
/// Throws run::UsageError naming file and line. Nothing for a file without lines.
std::optional<Runner> read_runner(const std::filesystem::path& path);

/// "0 of 300 (at most 1.0 %)" or "48 of 50 (96 %, 86 % to 99 %)".
std::string proportion_text(std::size_t seen, std::size_t all);
/// A table for people.
std::string trials_text(const std::vector<TrialResult>& results);
/// A row per question, for documents.
std::string runner_markdown(const Runner& runner);

}  // namespace ashlar::gate
