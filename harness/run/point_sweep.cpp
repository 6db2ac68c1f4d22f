// Sampling. Every sweep visits each implementation once, in an order shuffled from the seed, so
// that neighbours in time form ratios; sample i of every implementation is of sweep i. One that has
// enough leaves. The first sweep warms up and sizes batches.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "harness/run/point_run.hpp"
#include "harness/run/requests.hpp"

namespace ashlar::run {

using record::Status;

namespace {

constexpr std::int64_t kLongestTogether_ns = 5'000'000;
constexpr std::int64_t kAnswer_ns = 6'000;  // that a worker takes to read a line and answer it
constexpr std::size_t kLeastSamples = 3;    // taken whatever the budget says

/// Fisher-Yates with a stable generator: the same seed gives the same order on every machine.
void shuffle(std::vector<std::size_t>& order, std::uint64_t seed) {
  for (std::size_t i = order.size(); i > 1; --i) {
    seed = model::stable_hash(std::to_string(i), seed);
    std::swap(order[i - 1], order[(seed >> 11) % i]);
  }
}

}  // namespace

/// One sample; false when the implementation is lost.
bool PointRun::take_sample(Entry& entry) {
  guarded(entry, [&] {
    const Reply reply = ask(entry, sample_request(entry.implementation->name, entry.record.batch));
    if (entry.record.status == Status::ok) keep_sample(entry, reply.message);
  });
  return entry.record.status == Status::ok && !entry.refused;
}

void PointRun::keep_sample(Entry& entry, const Json& answer) {
  take_notes(entry, answer);
  if (entry.refused) return;
  const auto first = [&](const char* field) { return answer.at(field).at(0).get<std::int64_t>(); };
  entry.samples.push_back(
      {first("wall_ns"), first("cpu_ns"), first("page_faults"), first("involuntary_switches")});
  const std::int64_t lasted_ns = entry.samples.back().wall_ns * entry.record.batch;
  entry.spent_ns += lasted_ns;
  supervisor_.timed_s_ += static_cast<double>(lasted_ns) * 1e-9;
}

/// What the timer says of all samples so far, and whether it gave up. A case without any sample has
/// its record all the same, which says why.
void PointRun::take_notes(Entry& entry, const Json& answer) {
  record::CaseRecord& record = entry.record;
  const auto flag = [&](const std::string& name) {
    if (std::find(record.flags.begin(), record.flags.end(), name) == record.flags.end())
      record.flags.push_back(name);
  };
  for (const auto& [name, value] : numbers_from(answer.value("metrics", Json::object())))
    record.metrics[name] = value;
  for (const Json& name : answer.value("flags", Json::array())) flag(name.get<std::string>());
  if (!answer.contains("refused")) return;
  entry.refused = true;
  record.reason = answer.at("refused").get<std::string>();
  record.stop_reason = "throttled";
  flag("no-accepted-samples");
  supervisor_.progress_.note(fmt::format("{}: {}", record.key, *record.reason));
}

/// Executes until a batch lasts long enough for a sample; nothing of it is kept.
bool PointRun::warm_up(Entry& entry) {
  entry.record.warmups = 1;  // the verified execution
  while (take_sample(entry)) {
    const std::int64_t first_ns = entry.samples.back().wall_ns;
    // A preempted batch looks long enough; the shorter of two tells, where it costs nothing.
    const bool again = first_ns * entry.record.batch < 10 * measure::kShortestSample_ns;
    if (again && !take_sample(entry)) {
      entry.samples.clear();
      return false;
    }
    const std::int64_t each_ns = std::min(first_ns, entry.samples.back().wall_ns);
    const std::int64_t batch = entry.record.batch;
    entry.samples.clear();
    entry.estimate_ns = each_ns;
    entry.record.warmups += static_cast<int>(again ? 2 * batch : batch);
    const std::int64_t next = entry.in_place ? batch : measure::next_batch(batch, each_ns * batch);
    if (next == batch) return true;
    entry.record.batch = next;
  }
  return false;
}

void PointRun::visit(Entry& entry, const measure::StopRule& rule, bool first_sweep,
                     std::int64_t share_ns) {
  if (supervisor_.stopping()) {
    entry.record.stop_reason = "interrupted";
    entry.active = false;
    return;
  }
  entry.active = make_ready(entry) && (first_sweep ? warm_up(entry) : take_sample(entry));
  if (!first_sweep) settle(entry, rule, share_ns);
}

/// Whether it has enough.
void PointRun::settle(Entry& entry, const measure::StopRule& rule, std::int64_t share_ns) {
  if (!entry.active) return;
  std::vector<std::int64_t> wall;
  for (const measure::Sample& sample : entry.samples) wall.push_back(sample.wall_ns);
  entry.record.stop_reason = measure::stop_reason(rule, wall, entry.record.batch);
  const bool spent = wall.size() >= kLeastSamples && entry.spent_ns >= share_ns;
  if (!entry.record.stop_reason && spent) entry.record.stop_reason = "budget";
  entry.active = !entry.record.stop_reason;
}

/// Worth asking for together with its neighbours: waking two processes per sample would cost as
/// much as the sample. Long ones are asked for one by one, so that an interrupt need not wait.
bool PointRun::short_here(const Entry& entry) const {
  return !entry.implementation->external() &&
         entry.estimate_ns * entry.record.batch <= kLongestTogether_ns;
}

/// Neighbours in a sweep: all are asked at once, and the answers are looked at when the last one
/// should be there. Until then this process sleeps, and so takes no CPU from what is timed.
void PointRun::visit_together(const std::vector<Entry*>& entries, const measure::StopRule& rule,
                              std::int64_t share_ns) {
  const bool several = entries.size() > 1 && !supervisor_.stopping();
  if (several) {
    for (Entry* entry : entries) make_ready(*entry);
  }
  const auto ready = [this](const Entry* entry) {
    return entry->record.status == Status::ok && entry->ready_in == generation_;
  };
  if (!several || !worker_ || !std::all_of(entries.begin(), entries.end(), ready)) {
    for (Entry* entry : entries) {
      if (entry->active) visit(*entry, rule, false, share_ns);
    }
    return;
  }
  std::vector<Json> requests;
  std::int64_t expected_ns = 0;
  for (const Entry* entry : entries) {
    requests.push_back(sample_request(entry->implementation->name, entry->record.batch));
    expected_ns += entry->estimate_ns * entry->record.batch + kAnswer_ns;
  }
  const int asked = generation_;
  supervisor_.send(*worker_, requests, expected_ns);
  for (Entry* entry : entries) {
    // When that worker is gone, what it did not answer is asked for again, one by one.
    if (!worker_ || generation_ != asked) {
      visit(*entry, rule, false, share_ns);
      continue;
    }
    guarded(*entry, [&] {
      const Reply reply = supervisor_.receive(*worker_, "sample", limits_for(*entry));
      take_fate(*entry, reply);
      if (entry->record.status == Status::ok) keep_sample(*entry, reply.message);
    });
    entry->active = entry->record.status == Status::ok && !entry->refused;
    settle(*entry, rule, share_ns);
  }
}

void PointRun::sweep_all() {
  const std::uint64_t seed =
      model::stable_hash("sweeps " + std::to_string(round_),
                         point_seed(supervisor_.plan_.seed, *planned_.experiment, planned_.point));
  for (Entry& entry : entries_) entry.active = entry.record.status == Status::ok && entry.checked;
  const auto active = [this] {
    return std::count_if(entries_.begin(), entries_.end(),
                         [](const Entry& entry) { return entry.active; });
  };
  const auto share_ns = static_cast<std::int64_t>(
      allowance_s_ * 1e9 / static_cast<double>(std::max<std::ptrdiff_t>(active(), 1)));
  measure::StopRule rule;
  if (supervisor_.plan_.mode == model::Mode::quick) rule.least_time_ns = 20'000'000;
  for (int sweep = 0; active() > 0; ++sweep) {
    std::vector<std::size_t> order(entries_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    shuffle(order, model::stable_hash(std::to_string(sweep), seed));
    std::vector<Entry*> together;
    const auto visit_those = [&] {
      if (!together.empty()) visit_together(together, rule, share_ns);
      together.clear();
    };
    for (const std::size_t index : order) {
      Entry& entry = entries_[index];
      if (!entry.active) continue;
      if (sweep > 0 && short_here(entry)) {
        together.push_back(&entry);
        continue;
      }
      visit_those();
      visit(entry, rule, sweep == 0, share_ns);
    }
    visit_those();
  }
}

/// The last timed answer must be as right as the first: state that leaks between executions shows
/// here.
void PointRun::verify_all_again() {
  for (Entry& entry : entries_) {
    if (supervisor_.stopping() || entry.record.status != Status::ok || entry.samples.empty())
      continue;
    const bool external = entry.implementation->external();
    const bool here =
        external ? entry.own_worker && entry.own_worker->alive() && (worker_ || open_worker())
                 : worker_ && entry.ready_in == generation_;
    if (!here) {
      // The process that took its samples died in another implementation's hands.
      entry.record.flags.emplace_back("not-verified-again");
      continue;
    }
    guarded(entry, [&] {
      const Reply reply = verify(entry, true);
      if (entry.record.status == Status::ok)
        take_check(entry, reply.message, false, entry.implementation->name);
    });
  }
}

}  // namespace ashlar::run
