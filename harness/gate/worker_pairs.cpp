#include "harness/gate/worker_pairs.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "harness/machine/environment.hpp"
#include "harness/statistics/random.hpp"

namespace ashlar::gate {

namespace {

constexpr double kShortestSample_ns = 200'000;  // a sample lasts at least so long ...
constexpr double kWantedSample_ns = 400'000;    // ... and its batch is sized for this
constexpr std::int64_t kMostBatch = 10'000'000;
constexpr std::int64_t kCoarsestCpuClock_ns = 20'000;
constexpr double kShowEvery_s = 2;
constexpr double kMostForeign = 0.10;  // of all CPUs' time, by processes that are not ours
constexpr double kMostSteal = 0.02;    // by the host

/// CPU seconds of this process and of those that it waited for.
double own_cpu_s() {
  double seconds = 0;
  for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(whose, &usage);
    for (const timeval& part : {usage.ru_utime, usage.ru_stime})
      seconds += static_cast<double>(part.tv_sec) + 1e-6 * static_cast<double>(part.tv_usec);
  }
  return seconds;
}

template <class T>
void shuffle(std::vector<T>& order, statistics::SplitMix64& random) {
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.index(i)]);
}

int runs_for(double sample_ns) {
  if (sample_ns < 2e6) return 5;
  return sample_ns < 50e6 ? 4 : 3;
}

/// A side with one implementation and batch; remembers whether it was the one that was lost.
class BoundSide final : public Side {
 public:
  BoundSide(WorkerSide& side, const Case& one) : side_(side), case_(one) {}
  Taken sample() override {
    try {
      return side_.sample(case_.implementation->name, case_.batch);
    } catch (const Lost&) {
      lost_ = true;
      throw;
    }
  }
  bool lost() const { return lost_; }

 private:
  WorkerSide& side_;
  const Case& case_;
  bool lost_ = false;
};

bool fine(const Case& one) {
  return one.base.kind == Fate::Kind::fine && one.head.kind == Fate::Kind::fine;
}

Metric metric_of(const model::Implementation& implementation, int threads, bool cpu_clock_is_fine) {
  if (implementation.options.device == model::Device::cuda) return Metric::device_time;
  const int own = implementation.options.threads > 0 ? implementation.options.threads : threads;
  return own == 1 && cpu_clock_is_fine ? Metric::cpu_time : Metric::wall_time;
}

}  // namespace

WorkerPairs::WorkerPairs(const run::Plan& plan, PairOptions options)
    : plan_(plan),
      options_(std::move(options)),
      base_(options_.base),
      head_(options_.head),
      start_ns_(measure::system_clock().now_ns()),
      start_activity_(machine::capture_activity()),
      start_cpu_s_(own_cpu_s()) {
  const bool cpu_clock_is_fine = cpu_clock_step_ns() <= kCoarsestCpuClock_ns;
  for (const run::PlannedPoint& planned : plan.points) {
    if (planned.experiment->kind != model::Kind::timed) continue;
    for (const model::Implementation* implementation : planned.implementations) {
      if (implementation->external()) continue;
      Case& one = cases_.emplace_back();
      one.planned = &planned;
      one.implementation = implementation;
      one.key = run::case_key(*planned.experiment, planned.point, implementation->name);
      one.id = run::case_id(one.key);
      one.metric = metric_of(*implementation, options_.threads, cpu_clock_is_fine);
    }
  }
}

double WorkerPairs::elapsed_s() const {
  return 1e-9 * static_cast<double>(measure::system_clock().now_ns() - start_ns_);
}

bool WorkerPairs::time_left() const { return elapsed_s() < options_.budget_s; }

bool WorkerPairs::stopping() const {
  return options_.interrupted != nullptr && *options_.interrupted != 0;
}

/// Which side's process is made first, and so gets its memory first, alternates.
void WorkerPairs::start_both() {
  WorkerSide& first = ordinal_ % 2 == 0 ? base_ : head_;
  WorkerSide& second = ordinal_ % 2 == 0 ? head_ : base_;
  first.start();
  second.start();
}

std::vector<PairData> WorkerPairs::visit(const std::vector<std::size_t>& cases, int groups) {
  std::vector<PairData> data(cases.size());
  start_both();
  std::map<const run::PlannedPoint*, Slots> by_point;
  for (std::size_t i = 0; i < cases.size(); ++i)
    by_point[cases_[cases[i]].planned].emplace_back(cases[i], &data[i]);
  std::vector<const run::PlannedPoint*> order;
  for (const run::PlannedPoint& planned : plan_.points)
    if (by_point.contains(&planned)) order.push_back(&planned);
  statistics::SplitMix64 random(statistics::mix64(options_.seed) + ordinal_);
  shuffle(order, random);
  for (const run::PlannedPoint* planned : order) {
    if (stopping()) break;
    Slots slots = by_point.at(planned);
    shuffle(slots, random);
    visit_point(std::move(slots), groups);
  }
  base_.stop();
  head_.stop();
  ++ordinal_;
  if (run::WorkerProcess::unkillable() > 0) {
    throw std::runtime_error(
        "a worker outlived SIGKILL; nothing can be timed beside it (a device's driver may hang)");
  }
  look_at_machine();
  return data;
}

void WorkerPairs::visit_point(Slots slots, int groups) {
  const auto drop_lost = [&] {
    std::erase_if(slots, [&](const auto& slot) {
      if (fine(cases_[slot.first])) return false;
      *slot.second = {};
      return true;
    });
  };
  for (const auto& [index, data] : slots) {
    if (stopping()) return;
    Case& one = cases_[index];
    show(one, slots.size());
    if (make_ready(one)) warm_up(one);
  }
  drop_lost();
  for (int group = 0; group < groups; ++group) {
    for (const auto& [index, data] : slots) {
      if (stopping()) return;
      if (make_ready(cases_[index])) take(cases_[index], group, groups, *data);
    }
    drop_lost();
  }
  for (const auto& [index, data] : slots) verify_again(cases_[index], *data);
}

/// Not every case: the short ones would scroll a log away.
void WorkerPairs::show(const Case& one, std::size_t more) {
  const double now_s = elapsed_s();
  if (options_.progress != nullptr && (visits_ == 0 || now_s - shown_s_ >= kShowEvery_s)) {
    // How often cases that stay unclear will be visited is not known before.
    const std::size_t total = std::max(visits_ + more, 3 * cases_.size());
    // By the pace so far, and no longer than the budget.
    const double each_s = visits_ == 0 ? 0 : now_s / static_cast<double>(visits_);
    const double left_s = visits_ == 0 ? options_.budget_s
                                       : std::clamp(each_s * static_cast<double>(total - visits_),
                                                    0.0, std::max(0.0, options_.budget_s - now_s));
    options_.progress->step(visits_, total, one.key, left_s);
    shown_s_ = now_s;
  }
  ++visits_;
}

/// Both sides, whatever becomes of the first: what breaks on both is no news of the head.
bool WorkerPairs::make_ready(Case& one) {
  if (!fine(one)) return false;
  const std::string& name = one.implementation->name;
  one.base = base_.make_ready(*one.planned, plan_, name, one.base_evidence);
  one.head = head_.make_ready(*one.planned, plan_, name, one.head_evidence);
  if (!fine(one)) {
    forget_device(one);
    note(one);
  }
  for (WorkerSide* side : {&base_, &head_}) side->expect(one.execution_ns * one.batch);
  return fine(one);
}

/// Sizes the batch the first time; nothing of it is kept.
void WorkerPairs::warm_up(Case& one) {
  BoundSide base(base_, one);
  BoundSide head(head_, one);
  try {
    if (one.batch == 0) size_batch(one);
    base.sample();
    head.sample();
  } catch (const Lost& lost) {
    lose(one, head.lost(), lost.what());  // size_batch() samples the base
  }
}

void WorkerPairs::size_batch(Case& one) {
  one.batch = 1;
  base_.expect(one.base_evidence.first_ns);
  while (true) {
    double least_ns = std::numeric_limits<double>::infinity();
    for (int repeat = 0; repeat < 2; ++repeat) {
      const Taken taken = base_.sample(one.implementation->name, one.batch);
      least_ns = std::min(least_ns, value_of(taken.times, one.metric));
    }
    const double total_ns = least_ns * static_cast<double>(one.batch);
    one.execution_ns = static_cast<std::int64_t>(least_ns);
    one.runs = runs_for(total_ns);
    const bool enough = one.base_evidence.in_place || total_ns >= kShortestSample_ns;
    if (enough || one.batch >= kMostBatch) return;
    const double factor = std::clamp(kWantedSample_ns / std::max(total_ns, 1.0), 1.2, 10.0);
    one.batch = std::min(
        kMostBatch, static_cast<std::int64_t>(std::ceil(factor * static_cast<double>(one.batch))));
  }
}

void WorkerPairs::take(Case& one, int group, int groups, PairData& data) {
  BoundSide base(base_, one);
  BoundSide head(head_, one);
  const std::uint64_t random =
      statistics::seed_of(one.id) ^ options_.seed ^
      (ordinal_ * static_cast<std::uint64_t>(groups) + static_cast<std::uint64_t>(group));
  try {
    take_group(base, head, anchor_, one.metric, one.runs, statistics::mix64(random) % 2 == 1, data);
  } catch (const Lost& lost) {
    lose(one, head.lost(), lost.what());
  }
}

/// One side was lost while it was sampled: does the other survive as many samples?
void WorkerPairs::lose(Case& one, bool head_was_lost, const std::string& why) {
  (head_was_lost ? one.head : one.base) = {Fate::Kind::broken, why};
  WorkerSide& other = head_was_lost ? base_ : head_;
  try {
    for (int run = 0; run < std::max(1, 2 * one.runs); ++run)
      other.sample(one.implementation->name, std::max<std::int64_t>(one.batch, 1));
  } catch (const Lost& lost) {
    (head_was_lost ? one.base : one.head) = {Fate::Kind::broken, lost.what()};
  }
  forget_device(one);
  note(one);
}

/// An error on a device can poison its whole context; nobody else shall inherit it.
void WorkerPairs::forget_device(const Case& one) {
  if (one.implementation->options.device != model::Device::cuda) return;
  if (one.base.kind == Fate::Kind::broken) base_.stop();
  if (one.head.kind == Fate::Kind::broken) head_.stop();
}

void WorkerPairs::verify_again(Case& one, PairData& data) {
  if (data.groups.empty()) return;
  one.base = base_.verify_again(one.implementation->name);
  one.head = head_.verify_again(one.implementation->name);
  if (fine(one)) return;
  data = {};
  note(one);
}

void WorkerPairs::note(const Case& one) {
  if (options_.progress == nullptr) return;
  for (const auto& [side, fate] : {std::pair{"base", &one.base}, {"head", &one.head}}) {
    if (fate->kind == Fate::Kind::wrong || fate->kind == Fate::Kind::broken) {
      options_.progress->note(fmt::format("{} in {}: {}: {}",
                                          fate->kind == Fate::Kind::wrong ? "wrong" : "broken",
                                          side, one.key, fate->reason));
    }
  }
}

void WorkerPairs::look_at_machine() {
  const Json shares = machine::activity_between(start_activity_, machine::capture_activity());
  activity_ = {{"steal", shares.at("steal_share")}, {"foreign", nullptr}};
  unquiet_.reset();
  if (shares.at("busy_share").is_number()) {
    const double cpus = static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
    const double own = (own_cpu_s() - start_cpu_s_) / (elapsed_s() * cpus);
    const double foreign = std::max(0.0, shares.at("busy_share").get<double>() - own);
    activity_["foreign"] = foreign;
    if (foreign > kMostForeign) {
      unquiet_ =
          fmt::format("other processes took {:.0f} % of the machine's CPU time", 100 * foreign);
    }
  }
  if (shares.at("steal_share").is_number() && shares.at("steal_share").get<double>() > kMostSteal) {
    unquiet_ = fmt::format("the host took {:.1f} % of the CPU time away",
                           100 * shares.at("steal_share").get<double>());
  }
}

}  // namespace ashlar::gate
