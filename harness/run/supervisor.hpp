#pragma once
// The commanding side of a run: starts workers, has every implementation verified, samples them in
// turn, writes records, keeps the budget. A crash, a hang or a wrong answer of one implementation
// is a recorded result; the others go on in a new worker. The parts: supervisor.cpp (one point in
// one round), schedule.cpp (which points get how many rounds, and what an earlier part of the same
// run has done).
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/measure/sample.hpp"
#include "harness/record/file.hpp"
#include "harness/run/history.hpp"
#include "harness/run/journal.hpp"
#include "harness/run/plan.hpp"
#include "harness/run/process.hpp"
#include "harness/run/rounds.hpp"

namespace ashlar::run {

struct RunOptions {
  std::vector<std::string> worker_command;  // this program, as a worker
  /// Full path of a resource that an external worker's command names.
  std::function<std::string(const std::string&)> resource;
  std::filesystem::path scratch;  // empty folder for tensors, caches, standard errors
  std::string run_id;
  int threads = 1;
  RoundRule rounds;
  double budget_s = 20;  // for everything after calibration, earlier parts of the run included
  double timeout_s = 0;  // for one execution; 0: ten times the expected time, at least 30 s
  std::int64_t memory_bytes = 0;  // limit per worker's process group; 0: none
  /// Cold caches: CPU implementations rotate among copies of more than so many bytes; 0: hot.
  std::int64_t cold_bytes = 0;
  bool profile = false;                           // execute each case once, time nothing
  const std::atomic<int>* interrupted = nullptr;  // set by SIGINT
};

/// Where progress is shown; the command line implements it.
class Progress {
 public:
  virtual ~Progress() = default;
  /// `done` of `total` points x rounds are finished, those that are planned so far; `label` is what
  /// comes next, `left_s` the most that is still to come.
  virtual void step(std::size_t done, std::size_t total, const std::string& label,
                    double left_s) = 0;
  /// A line worth keeping: a wrong answer, a crash, something dropped.
  virtual void note(const std::string& line) = 0;
};

struct RunSummary {
  std::map<record::Status, std::size_t> cases;  // each case by the gravest status of its rounds
  std::size_t controls_accepted = 0;            // an oracle that accepts a broken implementation
  std::size_t measured = 0;                     // points x rounds of this invocation
  bool interrupted = false;
};

class PointRun;

class Supervisor {
 public:
  /// `history` is of the same run, when this is a resumed one.
  Supervisor(const Plan& plan, RunOptions options, Journal& journal, Progress& progress,
             History history = {});
  ~Supervisor();

  /// Measures the machine in a fresh worker. Throws std::runtime_error when that fails.
  Json calibrate();
  RunSummary run();
  /// Where the time went since run() began: `elapsed_s`, `timed_s` (inside samples), and `seconds`
  /// by request to workers, with `start` and `stop` of processes and `record` (writing).
  Json time_spent() const;

 private:
  friend class PointRun;

  struct PointState {
    PointTimes times;
    int rounds = 0;             // finished
    double seconds = 0;         // that its first round took
    bool visited = false;       // its first round ran, or was dropped
    std::optional<Stop> ended;  // by the budget
  };

  // schedule.cpp
  void take_history();
  void run_pass(const std::vector<std::size_t>& order, int round);
  std::vector<std::size_t> whole_plan(int round) const;
  std::vector<std::size_t> open_points(int round) const;
  std::optional<Width> width_of(std::size_t index, int rounds) const;
  double share_of_time(std::size_t left_in_pass, int round) const;
  double most_time_left_s(const std::vector<std::size_t>& order, std::size_t place,
                          int round) const;
  void record_stops();
  void drop(std::size_t index, int round, const std::string& why);
  void drop_unreached();

  // supervisor.cpp
  void run_point(std::size_t index, int round, double allowance_s);
  void begin_experiment(const model::Experiment& experiment);
  bool fits(std::size_t index, int round) const;
  void note_status(const std::string& case_id, record::Status status);
  /// Said once in a run, whose every case it makes unsupported.
  void note_no_device(const std::string& reason);
  double time_left_s() const { return options_.budget_s - elapsed_s(); }
  /// Charged to the budget, in earlier parts of the run too.
  double elapsed_s() const;
  bool stopping() const { return options_.interrupted != nullptr && *options_.interrupted != 0; }

  std::unique_ptr<WorkerProcess> start(const std::vector<std::string>& command);
  Reply exchange(WorkerProcess& worker, const Json& request, const Limits& limits);
  /// The halves of exchange(): several requests of one verb, then `sleep_ns` without a look.
  void send(WorkerProcess& worker, const std::vector<Json>& requests, std::int64_t sleep_ns);
  Reply receive(WorkerProcess& worker, const char* verb, const Limits& limits);
  void end(std::unique_ptr<WorkerProcess>& worker);
  void end_device_processes();

  const Plan& plan_;
  RunOptions options_;
  Journal& journal_;
  Progress& progress_;
  History history_;
  RunSummary summary_;
  std::vector<PointState> points_;                        // as in the plan
  std::map<std::string, record::Status> gravest_status_;  // by case id
  /// Where an implementation ran into its deadline; it is left out from then on, by experiment
  /// ("suite/experiment") and name.
  std::map<std::pair<std::string, std::string>, std::string> timed_out_at_;
  /// Other programs whose versions are in the journal, likewise.
  std::set<std::pair<std::string, std::string>> told_software_;
  /// Mode gpu: kept for one experiment and round, so that the context is made once for all its
  /// points, and a round is a process.
  std::unique_ptr<WorkerProcess> device_worker_;
  std::map<std::string, std::unique_ptr<WorkerProcess>> device_peers_;  // likewise, by name
  const model::Experiment* device_experiment_ = nullptr;
  bool told_no_device_ = false;
  double lost_s_ = 0;  // to deadlines; not charged to the budget
  std::int64_t start_ns_ = 0;
  std::size_t steps_done_ = 0;
  std::size_t steps_total_ = 0;
  std::map<std::string, double> seconds_;  // by request
  double timed_s_ = 0;
};

/// What every worker's environment has beside this process's own; recorded with the run.
std::map<std::string, std::string> worker_environment(int threads);

}  // namespace ashlar::run
