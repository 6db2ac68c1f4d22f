#pragma once
// One point in one round: open, verify, warm up, sweep, verify again. The parts: point_run.cpp (the
// way of a point and its records), point_exchange.cpp (talking to workers), point_sweep.cpp
// (sampling), point_study.cpp.
#include <memory>
#include <string>
#include <vector>

#include "harness/run/supervisor.hpp"

namespace ashlar::run {

/// Name -> number, as a worker writes metrics and counters.
std::map<std::string, double> numbers_from(const Json& json);

/// By SIGKILL: from outside (a user, the kernel when memory is short), not by a fault of its own.
bool killed(const Reply& reply);

class PointRun {
 public:
  /// `allowance_s`: the time that sampling should take; the fewest samples are taken all the same.
  /// What the samples of the round lasted is added to `times`.
  PointRun(Supervisor& supervisor, const PlannedPoint& planned, int round, double allowance_s,
           PointTimes& times);
  void run();
  /// Runs nothing: counts every case of the point as dropped, and records it unless the records
  /// say so already.
  void drop(const std::string& why, bool record);

 private:
  struct Entry {
    const model::Implementation* implementation = nullptr;
    record::CaseRecord record;
    std::vector<measure::Sample> samples;
    int ready_in = -1;      // generation of the worker in which it was verified
    bool checked = false;   // its check record is written
    bool active = false;    // still being sampled
    bool refused = false;   // its device is in no state to be measured
    bool in_place = false;  // executions are timed one by one
    std::int64_t estimate_ns = 0;
    std::int64_t spent_ns = 0;
    std::unique_ptr<WorkerProcess> own_worker;  // external implementations
  };

  void run_timed();
  void run_profile();
  void profile_once(Entry& entry);
  void run_controls();
  /// False when its worker was killed before it answered.
  bool run_control(const model::Implementation& control, bool last_try);
  void skip_timed_out();
  void take_check(Entry& entry, const Json& answer, bool control, const std::string& name);
  void finish(Entry& entry);
  void drop_entry(Entry& entry, const std::string& why, bool record);
  std::string key(const std::string& implementation) const;
  std::string id(const std::string& key) const;

  // Studies.
  void run_studies();
  void study_once(Entry& entry, std::uint64_t ordinal);
  void write_study(const Entry& entry, std::uint64_t ordinal, record::StudyRecord study);
  std::pair<std::string, std::string> who(const Entry& entry) const;

  // Talking to workers. `guarded` runs `exchange`; an answer without the fields that the protocol
  // promises fails the entry instead of the run.
  template <class Exchange>
  void guarded(Entry& entry, Exchange exchange);
  void break_protocol(Entry& entry, const std::string& what);
  struct Refused {
    std::string why;
    bool killed = false;
  };
  bool open_worker();
  std::optional<Refused> try_to_open();
  void fail_unfinished(const std::string& why);
  void note_unsupported(const Json& unsupported);
  void note_software(const Entry& entry, const Json& answer);
  bool open_external(Entry& entry);
  bool keeps_process(const Entry& entry) const;
  bool make_ready(Entry& entry);
  Reply verify(Entry& entry, bool again);
  Reply check_foreign(Entry& entry, const Json& answer);
  Reply ask(Entry& entry, const Json& request);
  void take_fate(Entry& entry, const Reply& reply);
  Limits limits_for(const Entry& entry) const;
  Limits setup_limits() const;
  void lose(Entry& entry, const Reply& reply);
  void fail(Entry& entry, record::Status status, const std::string& reason);
  Json open_request() const;

  // Sampling.
  void sweep_all();
  void visit(Entry& entry, const measure::StopRule& rule, bool warm_up, std::int64_t share_ns);
  bool warm_up(Entry& entry);
  bool take_sample(Entry& entry);
  void keep_sample(Entry& entry, const Json& answer);
  bool short_here(const Entry& entry) const;
  void visit_together(const std::vector<Entry*>& entries, const measure::StopRule& rule,
                      std::int64_t share_ns);
  void settle(Entry& entry, const measure::StopRule& rule, std::int64_t share_ns);
  void take_notes(Entry& entry, const Json& answer);
  void verify_all_again();

  Supervisor& supervisor_;
  const PlannedPoint& planned_;
  int round_;
  double allowance_s_;
  PointTimes& times_;
  std::vector<Entry> entries_;
  std::unique_ptr<WorkerProcess> worker_;
  int generation_ = 0;
  bool no_device_ = false;  // no problem was made, as nothing here could run on it
  std::string tensors_;     // the problem's tensors, when an external implementation needs them
};

template <class Exchange>
void PointRun::guarded(Entry& entry, Exchange exchange) {
  try {
    exchange();
  } catch (const Json::exception& error) {
    break_protocol(entry, error.what());
  }
}

}  // namespace ashlar::run
