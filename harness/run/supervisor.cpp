#include "harness/run/supervisor.hpp"

#include <ctime>

#include <fmt/format.h>

#include "harness/run/point_run.hpp"
#include "harness/run/worker.hpp"
#include "harness/trace/range.hpp"

namespace ashlar::run {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Supervisor::Supervisor(const Plan& plan, RunOptions options, record::Writer& writer,
                       Progress& progress)
    : plan_(plan), options_(std::move(options)), writer_(writer), progress_(progress) {}

Supervisor::~Supervisor() = default;

std::map<std::string, std::string> worker_environment(int threads) {
  // Spinning teams of two processes that work in turn were seen to cost 10 to 20 times.
  return {{"OMP_WAIT_POLICY", "passive"},
          {"OMP_PROC_BIND", "true"},
          {"OMP_NUM_THREADS", std::to_string(threads)},
          {"CUDA_MODULE_LOADING", "EAGER"}};
}

std::unique_ptr<WorkerProcess> Supervisor::start(const std::vector<std::string>& command) {
  return std::make_unique<WorkerProcess>(command, worker_environment(options_.threads),
                                         options_.scratch);
}

Json Supervisor::calibrate() {
  const trace::Range range("calibrate");
  const auto worker = start(options_.worker_command);
  Limits limits;
  limits.deadline = std::chrono::milliseconds(120'000);
  const Reply reply = worker->request({{"do", "calibrate"}, {"threads", options_.threads}}, limits);
  if (reply.kind != Reply::Kind::message)
    throw std::runtime_error("calibration failed: " + reply.reason);
  if (!reply.message.value("ok", false)) {
    throw std::runtime_error("calibration failed: " +
                             reply.message.value("error", std::string("no reason given")));
  }
  return reply.message.at("calibration");
}

RunSummary Supervisor::run() {
  start_ns_ = measure::system_clock().now_ns();
  point_seconds_.assign(plan_.points.size(), 0);
  visited_.assign(plan_.points.size(), false);
  const int rounds = options_.profile ? 1 : options_.rounds;
  steps_total_ = plan_.points.size() * static_cast<std::size_t>(rounds);
  for (int round = 0; round < rounds && !stopping(); ++round) run_round(round);
  if (stopping()) {
    summary_.interrupted = true;
    drop_unreached();
    event("interrupted", {{"steps_done", steps_done_}, {"steps_total", steps_total_}});
  }
  for (const auto& [id, status] : gravest_status_) ++summary_.cases[status];
  return summary_;
}

void Supervisor::run_round(int round) {
  const trace::Range range(fmt::format("round {}", round));
  for (std::size_t index = 0; index < plan_.points.size() && !stopping(); ++index) {
    run_point(index, round);
    ++steps_done_;
  }
  device_worker_.reset();
  progress_.step(steps_done_, steps_total_, "");
}

void Supervisor::run_point(std::size_t index, int round) {
  const PlannedPoint& planned = plan_.points[index];
  // A study repeats over its seeds, not over rounds.
  if (round > 0 && planned.experiment->kind == model::Kind::study) return;
  visited_[index] = true;
  if (!fits(index, round)) return drop(index, round, "budget");
  begin_experiment(*planned.experiment);
  const std::string label = fmt::format("{}/{} {}", planned.experiment->suite,
                                        planned.experiment->name, planned.point.text());
  progress_.step(steps_done_, steps_total_, label);
  const trace::Range range(label);
  const double started = elapsed_s();
  const double steps_left = static_cast<double>(steps_total_ - steps_done_);
  PointRun(*this, planned, round, std::max(0.0, time_left_s()) / steps_left).run();
  if (round == 0) point_seconds_[index] = elapsed_s() - started;
  if (WorkerProcess::unkillable() > 0) {
    throw std::runtime_error(
        "a worker outlived SIGKILL; nothing can be timed beside it (a device's driver may hang)");
  }
}

void Supervisor::begin_experiment(const model::Experiment& experiment) {
  if (device_experiment_ != &experiment) device_worker_.reset();
  device_experiment_ = &experiment;
}

void Supervisor::note_status(const std::string& case_id, record::Status status) {
  const auto [found, first] = gravest_status_.try_emplace(case_id, status);
  if (record::severity(status) > record::severity(found->second)) found->second = status;
}

/// Rounds are dropped before points: a later round runs only if it fits whole; in the first round a
/// point is started as long as any time is left.
bool Supervisor::fits(std::size_t index, int round) const {
  return round == 0 ? time_left_s() > 0 : point_seconds_[index] <= time_left_s();
}

void Supervisor::drop(std::size_t index, int round, const std::string& why) {
  const PlannedPoint& planned = plan_.points[index];
  // A point without any round must not be missing from the records, or verdicts would be given on
  // the rest without a word.
  if (round == 0) PointRun(*this, planned, round, 0).drop(why);
  const std::string what = fmt::format("{}/{}/{} round {}", planned.experiment->suite,
                                       planned.experiment->name, planned.point.text(), round);
  summary_.dropped.push_back(what);
  event("dropped", {{"what", what},
                    {"why", why},
                    {"point", planned.point.to_json()},
                    {"round", round},
                    {"suite", planned.experiment->suite},
                    {"experiment", planned.experiment->name}});
}

void Supervisor::drop_unreached() {
  for (std::size_t index = 0; index < plan_.points.size(); ++index) {
    if (!visited_[index]) drop(index, 0, "interrupted");
  }
}

double Supervisor::elapsed_s() const {
  return static_cast<double>(measure::system_clock().now_ns() - start_ns_) * 1e-9 - lost_s_;
}

double Supervisor::time_left_s() const { return options_.budget_s - elapsed_s(); }

void Supervisor::event(const std::string& name, Json details) {
  writer_.append(record::EventRecord{options_.run_id, name, utc_now(), std::move(details)});
}

}  // namespace ashlar::run
