#pragma once
// Pairs of worker processes of two builds: opens points, has every implementation verified on both
// sides, sizes batches, takes groups. A crash, a hang or a wrong answer ends one case; the others
// go on in a new process.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "harness/gate/anchor.hpp"
#include "harness/gate/comparison.hpp"
#include "harness/gate/side.hpp"
#include "harness/run/supervisor.hpp"

namespace ashlar::gate {

/// One case of both builds.
struct Case {
  const run::PlannedPoint* planned = nullptr;
  const model::Implementation* implementation = nullptr;
  std::string key;
  std::string id;
  Metric metric = Metric::wall_time;
  Fate base;
  Fate head;
  Evidence base_evidence;
  Evidence head_evidence;
  std::int64_t batch = 0;         // executions per sample, of both sides; 0: not sized yet
  std::int64_t execution_ns = 0;  // of the base, when the batch was sized
  int runs = 0;                   // of each side in a group
};

struct PairOptions {
  SideOptions base;
  SideOptions head;
  int threads = 1;
  double budget_s = 300;  // after it unclear cases are measured no further
  std::uint64_t seed = 1;
  const std::atomic<int>* interrupted = nullptr;  // set by SIGINT
  run::Progress* progress = nullptr;              // may be null
};

class WorkerPairs final : public Pairs {
 public:
  /// Every case of the plan that belongs to this program and is timed. The plan must outlive this.
  WorkerPairs(const run::Plan& plan, PairOptions options);

  std::vector<PairData> visit(const std::vector<std::size_t>& cases, int groups) override;
  Metric metric(std::size_t index) const override { return cases_[index].metric; }
  std::optional<std::string> unquiet() const override { return unquiet_; }
  bool time_left() const override;
  bool stopping() const override;

  const std::vector<Case>& cases() const { return cases_; }
  double elapsed_s() const;
  /// Shares of all CPUs' time since the start: {steal, foreign}; null where the kernel says
  /// nothing.
  const Json& activity() const { return activity_; }

 private:
  using Slots = std::vector<std::pair<std::size_t, PairData*>>;

  void start_both();
  void visit_point(Slots slots, int groups);
  bool make_ready(Case& one);
  void warm_up(Case& one);
  void size_batch(Case& one);
  void take(Case& one, int group, int groups, PairData& data);
  void lose(Case& one, bool head_was_lost, const std::string& why);
  void forget_device(const Case& one);
  void verify_again(Case& one, PairData& data);
  void note(const Case& one);
  void show(const Case& one, std::size_t more);
  void look_at_machine();

  const run::Plan& plan_;
  PairOptions options_;
  WorkAnchor anchor_;
  WorkerSide base_;
  WorkerSide head_;
  std::vector<Case> cases_;
  std::uint64_t ordinal_ = 0;  // of the pair
  std::size_t visits_ = 0;
  double shown_s_ = 0;
  std::int64_t start_ns_ = 0;
  Json start_activity_;
  double start_cpu_s_ = 0;
  Json activity_;
  std::optional<std::string> unquiet_;
};

}  // namespace ashlar::gate
