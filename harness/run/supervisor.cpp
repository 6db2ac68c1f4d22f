#include "harness/run/supervisor.hpp"

#include <sys/prctl.h>

#include <thread>

#include <fmt/format.h>

#include "harness/run/point_run.hpp"
#include "harness/run/worker.hpp"
#include "harness/trace/range.hpp"

namespace ashlar::run {

namespace {

/// Adds the time until its end to a sum.
class Timed {
 public:
  explicit Timed(double& sum) : sum_(sum), start_ns_(measure::system_clock().now_ns()) {}
  ~Timed() { sum_ += static_cast<double>(measure::system_clock().now_ns() - start_ns_) * 1e-9; }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  double& sum_;
  std::int64_t start_ns_;
};

}  // namespace

Supervisor::Supervisor(const Plan& plan, RunOptions options, Journal& journal, Progress& progress,
                       History history)
    : plan_(plan),
      options_(std::move(options)),
      journal_(journal),
      progress_(progress),
      history_(std::move(history)),
      points_(plan.points.size()) {}

Supervisor::~Supervisor() = default;

std::map<std::string, std::string> worker_environment(int threads) {
  // Spinning teams of two processes that work in turn were seen to cost 10 to 20 times. A few
  // microseconds of it disturb nobody, and spare parallel regions that follow each other closely
  // the waking of threads (two processes in turn, Zen 4: median 29 us for 41, 266 us for 286; from
  // 5000 on they lose).
  return {{"OMP_WAIT_POLICY", "passive"},
          {"GOMP_SPINCOUNT", "1000"},
          {"OMP_PROC_BIND", "true"},
          {"OMP_NUM_THREADS", std::to_string(threads)},
          {"CUDA_MODULE_LOADING", "EAGER"}};
}

std::unique_ptr<WorkerProcess> Supervisor::start(const std::vector<std::string>& command) {
  const Timed timed(seconds_["start"]);
  return std::make_unique<WorkerProcess>(command, worker_environment(options_.threads),
                                         options_.scratch);
}

Reply Supervisor::exchange(WorkerProcess& worker, const Json& request, const Limits& limits) {
  const Timed timed(seconds_[request.at("do").get<std::string>()]);
  return worker.request(request, limits);
}

void Supervisor::send(WorkerProcess& worker, const std::vector<Json>& requests,
                      std::int64_t sleep_ns) {
  const Timed timed(seconds_[requests.front().at("do").get<std::string>()]);
  worker.send(requests);
  // By default the kernel wakes a sleeper up to 50 us late, as long as a sample lasts.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  std::this_thread::sleep_for(std::chrono::nanoseconds(sleep_ns));
  prctl(PR_SET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
}

Reply Supervisor::receive(WorkerProcess& worker, const char* verb, const Limits& limits) {
  const Timed timed(seconds_[verb]);
  return worker.receive(limits);
}

void Supervisor::end(std::unique_ptr<WorkerProcess>& worker) {
  const Timed timed(seconds_["stop"]);
  worker.reset();
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

void Supervisor::run_point(std::size_t index, int round, double allowance_s) {
  const PlannedPoint& planned = plan_.points[index];
  PointState& state = points_[index];
  begin_experiment(*planned.experiment);
  const trace::Range range(fmt::format("{}/{} {}", planned.experiment->suite,
                                       planned.experiment->name, planned.point.text()));
  const double started = elapsed_s();
  const std::size_t controls_before = summary_.controls_accepted;
  PointRun(*this, planned, round, allowance_s, state.times).run();
  const double seconds = elapsed_s() - started;
  if (round == 0) state.seconds = seconds;
  ++summary_.measured;
  // One that an interrupt cut short is measured again when the run is resumed.
  if (!stopping()) {
    state.rounds = round + 1;
    journal_.event("point-finished",
                   {{"suite", planned.experiment->suite},
                    {"experiment", planned.experiment->name},
                    {"point", planned.point.to_json()},
                    {"round", round},
                    {"seconds", seconds},
                    {"controls_accepted", summary_.controls_accepted - controls_before},
                    {"elapsed_s", elapsed_s()},
                    {"lost_s", lost_s_}});
  }
  if (WorkerProcess::unkillable() > 0) {
    throw std::runtime_error(
        "a worker outlived SIGKILL; nothing can be timed beside it (a device's driver may hang)");
  }
}

void Supervisor::begin_experiment(const model::Experiment& experiment) {
  if (device_experiment_ != &experiment) end_device_processes();
  device_experiment_ = &experiment;
}

void Supervisor::end_device_processes() {
  end(device_worker_);
  for (auto& [name, worker] : device_peers_) end(worker);
  device_peers_.clear();
}

void Supervisor::note_no_device(const std::string& reason) {
  if (!told_no_device_) progress_.note("nothing can run in mode gpu: " + reason);
  told_no_device_ = true;
}

void Supervisor::note_status(const std::string& case_id, record::Status status) {
  const auto [found, first] = gravest_status_.try_emplace(case_id, status);
  if (record::severity(status) > record::severity(found->second)) found->second = status;
}

/// Rounds are dropped before points: a later round runs only if it fits whole; in the first round a
/// point is started as long as any time is left.
bool Supervisor::fits(std::size_t index, int round) const {
  return round == 0 ? time_left_s() > 0 : points_[index].seconds <= time_left_s();
}

double Supervisor::elapsed_s() const {
  const double here = static_cast<double>(measure::system_clock().now_ns() - start_ns_) * 1e-9;
  return history_.elapsed_s + here - (lost_s_ - history_.lost_s);
}

Json Supervisor::time_spent() const {
  Json seconds = Json::object();
  for (const auto& [what, value] : seconds_) seconds[what] = value;
  seconds["record"] = journal_.seconds();
  return {{"elapsed_s", elapsed_s()}, {"timed_s", timed_s_}, {"seconds", seconds}};
}

}  // namespace ashlar::run
