#pragma once
// Two builds against each other on one machine: the whole gate. docs/gate.md says how it decides.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/gate/comparison.hpp"
#include "harness/gate/hard.hpp"
#include "harness/gate/worker_pairs.hpp"

namespace ashlar::gate {

struct GateOptions {
  PairOptions pairs;
  Effort effort;
  /// Programs whose instructions are counted; empty: they are not.
  std::string count_base;
  std::string count_head;
  std::filesystem::path scratch;
};

/// A case that is in the report without a comparison, and why.
struct Listed {
  std::string key;
  std::string why;
};

struct Counted {
  std::string key;
  Instructions base;
  Instructions head;
};

struct Report {
  std::string base;  // programs, as given
  std::string head;
  std::string machine_id;
  std::string mode;
  std::uint64_t seed = 0;
  int threads = 1;
  Effort effort;
  std::vector<Case> cases;  // in the plan's order; comparison.cases[i] judges cases[i]
  Comparison comparison;
  std::vector<HardFailure> hard;
  std::vector<Listed> listed;
  std::vector<Counted> instructions;
  Json activity;
  double seconds = 0;
  bool interrupted = false;
};

/// Measures. The plan must outlive the report. Throws run::UsageError for a program that is not
/// there or speaks no worker protocol.
Report run_gate(const run::Plan& plan, const GateOptions& options);

/// What the job ends with: 130, 2, 1, 4 or 0, the first that applies. `strict`: an unclear case is
/// inconclusive. `shadow`: only 130 and 2 are passed on.
int exit_code(const Report& report, bool strict, bool shadow);

/// Cases by verdict; lost and left-out ones are in no count.
std::map<Verdict, std::size_t> count_verdicts(const Comparison& comparison);

}  // namespace ashlar::gate
