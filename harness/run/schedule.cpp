// Which points get how many rounds. The first rounds visit the whole plan; each further round
// visits the points whose ratios are not tight yet, the least certain first. Rounds are spread over
// the run in this way, so that they see different moods of the machine.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/run/point_run.hpp"
#include "harness/run/supervisor.hpp"
#include "harness/trace/range.hpp"

namespace ashlar::run {

RunSummary Supervisor::run() {
  start_ns_ = measure::system_clock().now_ns();
  take_history();
  const int most = options_.profile ? 1 : options_.rounds.most;
  const int least = std::min(options_.rounds.least, most);
  for (int round = 0; round < least; ++round) steps_total_ += whole_plan(round).size();
  for (int round = 0; round < most && !stopping(); ++round) {
    const bool further = round >= least;
    const std::vector<std::size_t> order = further ? open_points(round) : whole_plan(round);
    if (further) steps_total_ += order.size();
    if (further && order.empty()) break;
    run_pass(order, round);
  }
  if (!options_.profile) record_stops();
  if (stopping()) {
    summary_.interrupted = true;
    drop_unreached();
    journal_.event("interrupted", {{"steps_done", steps_done_}, {"steps_total", steps_total_}});
  }
  for (const auto& [id, status] : gravest_status_) ++summary_.cases[status];
  return summary_;
}

void Supervisor::take_history() {
  gravest_status_ = history_.gravest;
  timed_out_at_ = history_.timed_out_at;
  summary_.controls_accepted = history_.controls_accepted;
  lost_s_ = history_.lost_s;
  for (std::size_t index = 0; index < points_.size(); ++index) {
    const std::string key = point_key(plan_.points[index]);
    if (const auto found = history_.times.find(key); found != history_.times.end())
      points_[index].times = found->second;
    if (const auto found = history_.seconds.find(key); found != history_.seconds.end())
      points_[index].seconds = found->second;
  }
}

/// A study repeats over its seeds, not over rounds.
std::vector<std::size_t> Supervisor::whole_plan(int round) const {
  std::vector<std::size_t> order;
  for (std::size_t index = 0; index < points_.size(); ++index) {
    if (round == 0 || plan_.points[index].experiment->kind == model::Kind::timed)
      order.push_back(index);
  }
  return order;
}

/// Decided from the rounds before this one alone, so that a resumed run decides the same. On a
/// device the points of an experiment stay together, since they share a process.
std::vector<std::size_t> Supervisor::open_points(int round) const {
  std::map<std::size_t, double> half_by_point;
  for (const std::size_t index : whole_plan(round)) {
    if (points_[index].ended || points_[index].rounds < round) continue;
    const std::optional<Width> widest = width_of(index, round);
    if (!enough(options_.rounds, round, widest)) half_by_point[index] = widest->half;
  }
  std::vector<std::size_t> order = widest_first(half_by_point);
  if (plan_.mode != model::Mode::gpu) return order;
  std::vector<std::size_t> grouped;
  for (const std::size_t first : order) {
    for (const std::size_t index : order) {
      const bool together = plan_.points[index].experiment == plan_.points[first].experiment;
      if (together && std::find(grouped.begin(), grouped.end(), index) == grouped.end())
        grouped.push_back(index);
    }
  }
  return grouped;
}

std::optional<Width> Supervisor::width_of(std::size_t index, int rounds) const {
  return widest_ratio(points_[index].times, rounds, plan_.points[index].experiment->baselines);
}

void Supervisor::run_pass(const std::vector<std::size_t>& order, int round) {
  const trace::Range range(fmt::format("round {}", round));
  for (std::size_t place = 0; place < order.size() && !stopping(); ++place) {
    const std::size_t index = order[place];
    PointState& state = points_[index];
    const std::string key = point_key(plan_.points[index]);
    state.visited = true;
    const auto finished = history_.finished.find(key);
    if (finished != history_.finished.end() && finished->second.contains(round)) {
      state.rounds = round + 1;
    } else if (state.ended) {
      // A later round needs the ones before.
    } else if (!fits(index, round)) {
      drop(index, round, "budget");
    } else {
      progress_.step(steps_done_, steps_total_, key, most_time_left_s(order, place, round));
      run_point(index, round, share_of_time(order.size() - place, round));
    }
    ++steps_done_;
  }
  end_device_processes();
  progress_.step(steps_done_, steps_total_, "", 0);
}

/// The time that sampling a point should take. Where more rounds than the least may come, as much
/// as one round over the whole plan is kept for them.
double Supervisor::share_of_time(std::size_t left_in_pass, int round) const {
  const RoundRule& rule = options_.rounds;
  const int least = std::min(rule.least, rule.most);
  double shares = static_cast<double>(left_in_pass);
  for (int later = round + 1; later < least; ++later)
    shares += static_cast<double>(whole_plan(later).size());
  if (round < least && rule.most > least) shares += static_cast<double>(whole_plan(1).size());
  return std::max(0.0, time_left_s()) / shares;
}

/// Points come least work first, so their pace in the first round says nothing of the rest; then
/// the budget bounds it. Later the points' own first rounds do.
double Supervisor::most_time_left_s(const std::vector<std::size_t>& order, std::size_t place,
                                    int round) const {
  if (round == 0) return time_left_s();
  double seconds = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const int rounds = options_.rounds.most - round - (i < place ? 1 : 0);
    seconds += points_[order[i]].seconds * rounds;
  }
  return std::min(seconds, time_left_s());
}

void Supervisor::record_stops() {
  for (const std::size_t index : whole_plan(1)) {
    const PlannedPoint& planned = plan_.points[index];
    const PointState& state = points_[index];
    const std::optional<Width> widest = width_of(index, state.rounds);
    std::optional<Stop> stop = enough(options_.rounds, state.rounds, widest);
    if (!stop) stop = state.ended;
    // Neither decided nor dropped: it was waiting for its next round.
    if (!stop) stop = Stop::interrupted;
    const bool known = widest && std::isfinite(widest->half);
    const Json details = {{"suite", planned.experiment->suite},
                          {"experiment", planned.experiment->name},
                          {"point", planned.point.to_json()},
                          {"rounds", state.rounds},
                          {"reason", name_of(*stop)},
                          {"half_width", known ? Json(widest->half) : Json(nullptr)},
                          {"implementation", widest ? Json(widest->implementation) : Json(nullptr)},
                          {"baseline", widest ? Json(widest->baseline) : Json(nullptr)}};
    const auto before = history_.stops.find(point_key(planned));
    if (before == history_.stops.end() || before->second != details)
      journal_.event("rounds", details);
  }
}

void Supervisor::drop(std::size_t index, int round, const std::string& why) {
  const PlannedPoint& planned = plan_.points[index];
  const bool by_budget = why == "budget";
  if (by_budget) points_[index].ended = Stop::budget;
  const bool said = by_budget && history_.dropped.contains({point_key(planned), round});
  // A point without any round must not be missing from the records, or verdicts would be given on
  // the rest without a word.
  if (round == 0) PointRun(*this, planned, round, 0, points_[index].times).drop(why, !said);
  // That a further round did not fit is said by the event `rounds`.
  if (said || round >= options_.rounds.least) return;
  journal_.event("dropped", {{"what", fmt::format("{} round {}", point_key(planned), round)},
                             {"why", why},
                             {"point", planned.point.to_json()},
                             {"round", round},
                             {"suite", planned.experiment->suite},
                             {"experiment", planned.experiment->name}});
}

void Supervisor::drop_unreached() {
  for (std::size_t index = 0; index < points_.size(); ++index) {
    if (!points_[index].visited) drop(index, 0, "interrupted");
  }
}

}  // namespace ashlar::run
