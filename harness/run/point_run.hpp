#pragma once
// One point in one round: open, verify, warm up, sweep, verify again.
#include <memory>
#include <string>
#include <vector>

#include "harness/run/supervisor.hpp"

namespace ashlar::run {

class PointRun {
 public:
  /// `allowance_s`: the time that sampling should take; the fewest samples are taken all the same.
  PointRun(Supervisor& supervisor, const PlannedPoint& planned, int round, double allowance_s);
  void run();

 private:
  struct Entry {
    const model::Implementation* implementation = nullptr;
    record::CaseRecord record;
    std::vector<measure::Sample> samples;
    int ready_in = -1;     // generation of the worker in which it was verified
    bool checked = false;  // its check record is written
    bool active = false;   // still being sampled
    std::int64_t estimate_ns = 0;
    std::int64_t spent_ns = 0;
    std::unique_ptr<WorkerProcess> own_worker;  // external implementations
  };

  void run_timed();
  void run_profile();
  void run_studies();
  void study_once(Entry& entry, std::uint64_t ordinal);
  void run_controls();
  void note_unsupported(const Json& unsupported);
  bool open_worker();
  bool open_external(Entry& entry);
  bool make_ready(Entry& entry);
  Reply verify(Entry& entry, bool again);
  void take_check(Entry& entry, const Json& answer, bool control, const std::string& name);
  bool take_sample(Entry& entry);
  void sweep_all();
  void verify_again();
  void finish(Entry& entry);

  Reply ask(Entry& entry, const Json& request);
  Limits limits_for(const Entry& entry) const;
  void lose(Entry& entry, const Reply& reply);
  void fail(Entry& entry, record::Status status, const std::string& reason);
  Json open_request() const;
  std::string key(const std::string& implementation) const;

  Supervisor& supervisor_;
  const PlannedPoint& planned_;
  int round_;
  double allowance_s_;
  std::vector<Entry> entries_;
  std::unique_ptr<WorkerProcess> worker_;
  int generation_ = 0;
  std::string tensors_;  // the problem's tensors, when an external implementation needs them
};

}  // namespace ashlar::run
