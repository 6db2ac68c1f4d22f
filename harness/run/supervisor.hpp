#pragma once
// The commanding side of a run: starts workers, has every implementation verified, samples them in
// turn, writes records, keeps the budget. A crash, a hang or a wrong answer of one implementation
// is a recorded result; the others go on in a new worker.
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/measure/sample.hpp"
#include "harness/record/file.hpp"
#include "harness/run/plan.hpp"
#include "harness/run/process.hpp"

namespace ashlar::run {

struct RunOptions {
  std::vector<std::string> worker_command;  // this program, as a worker
  /// Full path of a resource that an external worker's command names.
  std::function<std::string(const std::string&)> resource;
  std::filesystem::path scratch;  // empty folder for tensors, caches, standard errors
  std::string run_id;
  int threads = 1;
  int rounds = 1;
  double budget_s = 20;  // for everything after calibration
  double timeout_s = 0;  // for one execution; 0: ten times the expected time, at least 30 s
  std::int64_t memory_bytes = 0;  // limit per worker; 0: none
  /// Cold caches: CPU implementations rotate among copies of more than so many bytes; 0: hot.
  std::int64_t cold_bytes = 0;
  bool profile = false;                           // execute each case once, time nothing
  const std::atomic<int>* interrupted = nullptr;  // set by SIGINT
};

/// Where progress is shown; the command line implements it.
class Progress {
 public:
  virtual ~Progress() = default;
  /// `done` of `total` points x rounds are finished; `label` is what comes next.
  virtual void step(std::size_t done, std::size_t total, const std::string& label) = 0;
  /// A line worth keeping: a wrong answer, a crash, something dropped.
  virtual void note(const std::string& line) = 0;
};

struct RunSummary {
  std::map<record::Status, std::size_t> cases;  // each case by the gravest status of its rounds
  std::vector<std::string> dropped;             // what the budget did not reach
  std::size_t controls_accepted = 0;            // an oracle that accepts a broken implementation
  bool interrupted = false;
};

class PointRun;

class Supervisor {
 public:
  Supervisor(const Plan& plan, RunOptions options, record::Writer& writer, Progress& progress);
  ~Supervisor();

  /// Measures the machine in a fresh worker. Throws std::runtime_error when that fails.
  Json calibrate();
  RunSummary run();

 private:
  friend class PointRun;

  void run_round(int round);
  void run_point(std::size_t index, int round);
  void begin_experiment(const model::Experiment& experiment);
  bool fits(std::size_t index, int round) const;
  void drop(std::size_t index, int round, const std::string& why);
  void drop_unreached();
  void note_status(const std::string& case_id, record::Status status);
  double time_left_s() const;
  double elapsed_s() const;
  bool stopping() const { return options_.interrupted != nullptr && *options_.interrupted != 0; }

  std::unique_ptr<WorkerProcess> start(const std::vector<std::string>& command);
  void event(const std::string& name, Json details);

  const Plan& plan_;
  RunOptions options_;
  record::Writer& writer_;
  Progress& progress_;
  RunSummary summary_;
  std::map<std::string, record::Status> gravest_status_;  // by case id
  std::vector<double> point_seconds_;                     // what a point took in its first round
  std::vector<bool> visited_;                             // points that round 0 ran or dropped
  /// Where an implementation ran into its deadline; it is left out from then on, by experiment and
  /// name.
  std::map<std::pair<const model::Experiment*, std::string>, std::string> timed_out_at_;
  /// Mode gpu: kept for one experiment and round, so that the context is made once for all its
  /// points, and a round is a process.
  std::unique_ptr<WorkerProcess> device_worker_;
  const model::Experiment* device_experiment_ = nullptr;
  double lost_s_ = 0;  // to deadlines; not charged to the budget
  std::int64_t start_ns_ = 0;
  std::size_t steps_done_ = 0;
  std::size_t steps_total_ = 0;
};

/// What every worker's environment has beside this process's own; recorded with the run.
std::map<std::string, std::string> worker_environment(int threads);

/// ISO 8601 in UTC, to the second.
std::string utc_now();

}  // namespace ashlar::run
