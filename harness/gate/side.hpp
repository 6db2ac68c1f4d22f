#pragma once
// One side of a gate: a worker process of one build, spoken to by the worker protocol.
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/gate/group.hpp"
#include "harness/gate/hard.hpp"
#include "harness/run/plan.hpp"
#include "harness/run/process.hpp"

namespace ashlar::gate {

struct SideOptions {
  std::string name;                  // "base" or "head", for messages
  std::vector<std::string> command;  // of a worker
  std::map<std::string, std::string> environment;
  std::filesystem::path scratch;  // of this side alone: its oracle may be another one
  double timeout_s = 0;           // for one execution; 0: ten times the expected, at least 30 s
  std::int64_t memory_bytes = 0;  // limit per worker; 0: none
};

/// The worker was lost, or refused, while it worked for one implementation.
class Lost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class WorkerSide {
 public:
  explicit WorkerSide(SideOptions options);

  /// A fresh process that has said hello. Throws run::UsageError when the program is not there or
  /// speaks no worker protocol.
  void start();
  void stop();

  /// Gets one implementation ready in the process that lives now: opens the point where it is not
  /// open, verifies where that was not done. Fine, or why not; after anything broken the process is
  /// gone and the next call starts another.
  Fate make_ready(const run::PlannedPoint& planned, const run::Plan& plan,
                  const std::string& implementation, Evidence& evidence);
  /// The last timed answer against the oracle. Only after make_ready().
  Fate verify_again(const std::string& implementation);
  /// One sample. Throws Lost.
  Taken sample(const std::string& implementation, std::int64_t batch);

  const std::string& name() const { return options_.name; }
  /// What one execution is known to take; deadlines follow from it.
  void expect(std::int64_t execution_ns) { expected_ns_ = execution_ns; }

 private:
  template <class Exchange>
  Fate guarded(const Exchange& exchange);
  Fate ready(const run::PlannedPoint& planned, const run::Plan& plan,
             const std::string& implementation, Evidence& evidence);
  Fate open(const run::PlannedPoint& planned, const run::Plan& plan);
  Fate verify(const std::string& implementation, bool again, Evidence* evidence);
  /// The answer, or nothing: then `fate` says why.
  std::optional<Json> ask(const Json& request, double least_s, Fate& fate);

  SideOptions options_;
  std::unique_ptr<run::WorkerProcess> process_;
  const run::PlannedPoint* point_ = nullptr;  // open now
  Json unsupported_;
  std::set<std::string> verified_;
  std::int64_t expected_ns_ = 0;
};

}  // namespace ashlar::gate
