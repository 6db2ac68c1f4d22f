#include "harness/run/point_run.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "harness/run/worker.hpp"

namespace ashlar::run {

namespace {

using record::Status;

constexpr std::size_t kLeastSamples = 3;  // taken whatever the budget says

std::map<std::string, double> numbers_from(const Json& json) {
  std::map<std::string, double> values;
  for (const auto& [name, value] : json.items()) values[name] = record::number_from_json(value);
  return values;
}

std::optional<std::int64_t> optional_integer(const Json& json, const char* field) {
  if (!json.contains(field) || json.at(field).is_null()) return std::nullopt;
  return json.at(field).get<std::int64_t>();
}

/// Fisher-Yates with a stable generator: the same seed gives the same order on every machine.
void shuffle(std::vector<std::size_t>& order, std::uint64_t seed) {
  for (std::size_t i = order.size(); i > 1; --i) {
    seed = model::stable_hash(std::to_string(i), seed);
    std::swap(order[i - 1], order[(seed >> 11) % i]);
  }
}

Status status_of(Reply::Kind kind) {
  switch (kind) {
    case Reply::Kind::timeout:
      return Status::timeout;
    case Reply::Kind::out_of_memory:
      return Status::out_of_memory;
    default:
      return Status::crashed;
  }
}

}  // namespace

PointRun::PointRun(Supervisor& supervisor, const PlannedPoint& planned, int round,
                   double allowance_s)
    : supervisor_(supervisor), planned_(planned), round_(round), allowance_s_(allowance_s) {
  for (const model::Implementation* implementation : planned.implementations) {
    Entry& entry = entries_.emplace_back();
    entry.implementation = implementation;
    record::CaseRecord& record = entry.record;
    record.run_id = supervisor_.options_.run_id;
    record.plan_hash = supervisor_.plan_.hash;
    record.key = key(implementation->name);
    record.case_id = case_id(record.key);
    record.suite = planned.experiment->suite;
    record.experiment = planned.experiment->name;
    record.point = planned.point;
    record.implementation = implementation->name;
    record.tier = model::name_of(implementation->tier);
    record.device = model::name_of(implementation->options.device);
    record.round = round;
    const int own_threads = implementation->options.threads;
    record.threads = own_threads > 0 ? own_threads : supervisor_.options_.threads;
    if (planned.experiment->work) record.work = planned.experiment->work(planned.point);
  }
}

std::string PointRun::key(const std::string& implementation) const {
  return case_key(*planned_.experiment, planned_.point, implementation);
}

void PointRun::run() {
  worker_ = std::move(supervisor_.device_worker_);
  if (planned_.experiment->kind == model::Kind::study) {
    run_studies();
  } else if (supervisor_.options_.profile) {
    run_profile();
  } else {
    run_timed();
  }
  for (Entry& entry : entries_) {
    if (entry.own_worker) entry.own_worker->request({{"do", "close"}}, limits_for(entry));
  }
  if (!tensors_.empty()) std::filesystem::remove(tensors_);
  if (supervisor_.plan_.mode == model::Mode::gpu && worker_ && worker_->alive()) {
    supervisor_.device_worker_ = std::move(worker_);
  }
}

void PointRun::run_timed() {
  const bool external = std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return entry.implementation->external();
  });
  if (external) tensors_ = (supervisor_.options_.scratch / "problem.safetensors").string();
  open_worker();
  if (planned_.with_controls && round_ == 0) run_controls();
  for (Entry& entry : entries_) {
    if (supervisor_.stopping()) break;
    if (entry.record.status == Status::ok) make_ready(entry);
  }
  sweep_all();
  verify_again();
  for (Entry& entry : entries_) finish(entry);
}

void PointRun::run_profile() {
  open_worker();
  for (Entry& entry : entries_) {
    if (entry.record.status == Status::ok && !entry.implementation->external()) {
      if (!worker_ && !open_worker()) continue;
      ask(entry, {{"do", "profile"}, {"implementation", entry.implementation->name}});
      entry.record.flags.emplace_back("profiled");
    }
    finish(entry);
  }
}

Json PointRun::open_request() const {
  Json request = {
      {"do", "open"},
      {"suite", planned_.experiment->suite},
      {"experiment", planned_.experiment->name},
      {"mode", model::name_of(supervisor_.plan_.mode)},
      {"point", planned_.point.to_json()},
      {"seed", point_seed(supervisor_.plan_.seed, *planned_.experiment, planned_.point)}};
  if (!tensors_.empty()) request["tensors"] = tensors_;
  return request;
}

/// Opens the point in our own worker. A problem that cannot be made fails every implementation.
bool PointRun::open_worker() {
  ++generation_;
  if (!worker_ || !worker_->alive())
    worker_ = supervisor_.start(supervisor_.options_.worker_command);
  const Limits limits = limits_for(entries_.front());
  const Reply hello = worker_->request({{"do", "hello"}, {"protocol", kProtocol}}, limits);
  const Reply reply =
      hello.kind == Reply::Kind::message ? worker_->request(open_request(), limits) : hello;
  if (reply.kind == Reply::Kind::message && reply.message.value("ok", false)) {
    note_unsupported(reply.message.at("unsupported"));
    return true;
  }
  const std::string why = reply.kind == Reply::Kind::message
                              ? reply.message.value("error", "no reason given")
                              : reply.reason;
  for (Entry& entry : entries_) {
    if (entry.record.status == Status::ok)
      fail(entry, Status::failed, "the problem could not be made: " + why);
  }
  worker_.reset();
  return false;
}

void PointRun::note_unsupported(const Json& unsupported) {
  for (Entry& entry : entries_) {
    const auto found = unsupported.find(entry.implementation->name);
    if (found == unsupported.end() || found->is_null() || entry.record.status != Status::ok)
      continue;
    entry.record.status = Status::unsupported;
    entry.record.reason = found->get<std::string>();
  }
}

bool PointRun::open_external(Entry& entry) {
  std::vector<std::string> command = entry.implementation->command;
  for (std::size_t i = 1; i < command.size(); ++i) {
    if (command[i].find('/') != std::string::npos)
      command[i] = supervisor_.options_.resource(command[i]);
  }
  entry.own_worker = supervisor_.start(command);
  const Limits limits = limits_for(entry);
  for (const Json& request : {Json{{"do", "hello"}, {"protocol", kProtocol}}, open_request()}) {
    const Reply reply = entry.own_worker->request(request, limits);
    if (reply.kind != Reply::Kind::message) {
      // A worker that cannot even greet is missing here, not broken: no interpreter, no module.
      fail(entry, request.at("do") == "hello" ? Status::unsupported : status_of(reply.kind),
           reply.reason);
      return false;
    }
    if (!reply.message.value("ok", false)) {
      fail(entry, Status::unsupported, reply.message.value("error", "refused without a reason"));
      return false;
    }
  }
  return true;
}

/// Verified in the worker that lives now; verifies again after a restart.
bool PointRun::make_ready(Entry& entry) {
  const bool external = entry.implementation->external();
  if (!worker_ && !open_worker()) return false;
  if (external && !entry.own_worker && !open_external(entry)) return false;
  if (entry.ready_in == (external ? 0 : generation_)) return true;
  const Reply reply = verify(entry, false);
  if (entry.record.status != Status::ok) return false;
  take_check(entry, reply.message, false, entry.implementation->name);
  if (entry.record.status != Status::ok) return false;
  entry.ready_in = external ? 0 : generation_;
  return true;
}

/// Has an answer made (or, again, the last timed one) and held against the oracle.
Reply PointRun::verify(Entry& entry, bool again) {
  const std::string& name = entry.implementation->name;
  const std::string cache = supervisor_.options_.scratch.string();
  Reply reply =
      ask(entry, {{"do", "verify"}, {"implementation", name}, {"cache", cache}, {"again", again}});
  if (entry.record.status != Status::ok) return reply;
  if (!again) {
    entry.record.prepare_ns = optional_integer(reply.message, "prepare_ns");
    entry.record.peak_extra_bytes = optional_integer(reply.message, "peak_extra_bytes");
    entry.record.workspace_bytes = optional_integer(reply.message, "workspace_bytes");
    entry.record.metrics = numbers_from(reply.message.value("metrics", Json::object()));
    entry.record.counters = numbers_from(reply.message.value("counters", Json::object()));
    entry.estimate_ns = reply.message.value("first_ns", std::int64_t{0});
  }
  if (entry.implementation->external()) {
    // The other program wrote its answer to a file; our worker, which has the oracle, looks at it.
    const Json check = {{"do", "check"}, {"answer", reply.message.at("answer")}, {"cache", cache}};
    reply = worker_->request(check, limits_for(entry));
    if (reply.kind != Reply::Kind::message) {
      lose(entry, reply);
    } else if (!reply.message.value("ok", false)) {
      fail(entry, Status::failed, reply.message.value("error", "the answer could not be checked"));
    }
  }
  return reply;
}

void PointRun::take_check(Entry& entry, const Json& answer, bool control, const std::string& name) {
  record::CheckRecord check;
  check.run_id = entry.record.run_id;
  check.key = key(name);
  check.case_id = case_id(check.key);
  check.suite = entry.record.suite;
  check.experiment = entry.record.experiment;
  check.point = entry.record.point;
  check.implementation = name;
  check.round = round_;
  check.control = control;
  check.oracle = answer.at("oracle");
  check.accepted = answer.at("accepted");
  check.norms = answer.at("norms");
  check.limit = answer.at("limit");
  if (!answer.at("mismatch").is_null()) check.mismatch = answer.at("mismatch").get<std::string>();
  if (!control && !check.accepted)
    fail(entry, Status::wrong, check.mismatch.value_or("rejected by the oracle"));
  if (control || !entry.checked || !check.accepted) supervisor_.writer_.append(check);
  if (!control) entry.checked = true;
}

void PointRun::run_controls() {
  for (const model::Implementation& control : planned_.experiment->controls) {
    if (!worker_ && !open_worker()) return;
    Entry scratch;
    scratch.implementation = &control;
    scratch.record = entries_.front().record;
    scratch.record.status = Status::ok;
    const Reply reply = worker_->request({{"do", "verify"},
                                          {"implementation", control.name},
                                          {"cache", supervisor_.options_.scratch.string()},
                                          {"discard", true}},
                                         limits_for(scratch));
    const bool answered = reply.kind == Reply::Kind::message && reply.message.value("ok", false);
    if (answered) take_check(scratch, reply.message, true, control.name);
    if (!answered || reply.message.at("accepted").get<bool>()) {
      ++supervisor_.summary_.controls_accepted;
      supervisor_.progress_.note(
          answered
              ? fmt::format("harness error: the oracle of {}/{} accepts the negative control '{}'",
                            planned_.experiment->suite, planned_.experiment->name, control.name)
              : fmt::format("harness error: the negative control '{}' gave no answer",
                            control.name));
    }
    if (reply.kind != Reply::Kind::message) worker_.reset();
  }
}

/// One sample; false when the implementation is lost.
bool PointRun::take_sample(Entry& entry) {
  const Json request = {{"do", "sample"},
                        {"implementation", entry.implementation->name},
                        {"n", 1},
                        {"batch", entry.record.batch}};
  const Reply reply = ask(entry, request);
  if (entry.record.status != Status::ok) return false;
  const auto first = [&](const char* field) {
    return reply.message.at(field).at(0).get<std::int64_t>();
  };
  entry.samples.push_back(
      {first("wall_ns"), first("cpu_ns"), first("page_faults"), first("involuntary_switches")});
  entry.spent_ns += entry.samples.back().wall_ns * entry.record.batch;
  return true;
}

/// Every sweep visits each implementation once, in an order shuffled from the seed, so that
/// neighbours in time form ratios. An implementation that has enough leaves; the first sweep warms
/// up and sizes batches.
void PointRun::sweep_all() {
  const std::uint64_t seed =
      model::stable_hash("sweeps " + std::to_string(round_),
                         point_seed(supervisor_.plan_.seed, *planned_.experiment, planned_.point));
  std::size_t active = 0;
  for (Entry& entry : entries_) {
    entry.active = entry.record.status == Status::ok && entry.checked;
    active += entry.active ? 1 : 0;
  }
  const auto share_ns = static_cast<std::int64_t>(
      allowance_s_ * 1e9 / static_cast<double>(std::max<std::size_t>(active, 1)));
  measure::StopRule rule;
  if (supervisor_.plan_.mode == model::Mode::quick) rule.least_time_ns = 20'000'000;
  for (int sweep = 0; active > 0; ++sweep) {
    std::vector<std::size_t> order(entries_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    shuffle(order, model::stable_hash(std::to_string(sweep), seed));
    active = 0;
    for (const std::size_t index : order) {
      Entry& entry = entries_[index];
      if (!entry.active) continue;
      entry.active = !supervisor_.stopping() && make_ready(entry) && take_sample(entry);
      if (supervisor_.stopping() && !entry.record.stop_reason)
        entry.record.stop_reason = "interrupted";
      if (!entry.active) continue;
      if (sweep == 0) {
        entry.estimate_ns = entry.samples.front().wall_ns;
        entry.record.batch = measure::batch_size(entry.estimate_ns);
        entry.record.warmups = 2;  // the verified execution and this one
        entry.samples.clear();
      } else {
        std::vector<std::int64_t> wall;
        for (const measure::Sample& sample : entry.samples) wall.push_back(sample.wall_ns);
        entry.record.stop_reason = measure::stop_reason(rule, wall, entry.record.batch);
        if (!entry.record.stop_reason && wall.size() >= kLeastSamples &&
            entry.spent_ns >= share_ns) {
          entry.record.stop_reason = "budget";
        }
        entry.active = !entry.record.stop_reason;
      }
      active += entry.active ? 1 : 0;
    }
  }
}

/// The last timed answer must be as right as the first: state that leaks between executions shows
/// here.
void PointRun::verify_again() {
  for (Entry& entry : entries_) {
    const bool external = entry.implementation->external();
    const bool here = external ? entry.own_worker && entry.own_worker->alive() && worker_
                               : worker_ && entry.ready_in == generation_;
    if (supervisor_.stopping() || entry.record.status != Status::ok || entry.samples.empty() ||
        !here)
      continue;
    const Reply reply = verify(entry, true);
    if (entry.record.status == Status::ok)
      take_check(entry, reply.message, false, entry.implementation->name);
  }
}

void PointRun::finish(Entry& entry) {
  record::CaseRecord& record = entry.record;
  if (record.status == Status::unsupported && round_ > 0) return;  // said once
  const bool untouched =
      record.status == Status::ok && entry.samples.empty() && record.flags.empty();
  if (untouched && supervisor_.stopping()) return;  // interrupted before it was measured
  for (const measure::Sample& sample : entry.samples) {
    record.samples_ns.push_back(sample.wall_ns);
    record.cpu_ns.push_back(sample.cpu_ns);
  }
  for (const std::string& flag : measure::flags_of(entry.samples)) record.flags.push_back(flag);
  supervisor_.writer_.append(record);
  supervisor_.last_status_[record.case_id] = record.status;
}

void PointRun::run_studies() {
  open_worker();
  for (Entry& entry : entries_) {
    for (int ordinal = 0; ordinal < planned_.experiment->seeds && !supervisor_.stopping();
         ++ordinal) {
      entry.record.status = Status::ok;
      entry.record.reason.reset();
      study_once(entry, static_cast<std::uint64_t>(ordinal));
    }
  }
}

void PointRun::study_once(Entry& entry, std::uint64_t ordinal) {
  record::StudyRecord study;
  if (worker_ || open_worker()) {
    const Reply reply = ask(
        entry,
        {{"do", "study"}, {"implementation", entry.implementation->name}, {"ordinal", ordinal}});
    if (entry.record.status == Status::ok) {
      study.metrics = numbers_from(reply.message.at("metrics"));
      study.counters = numbers_from(reply.message.at("counters"));
      study.wall_ns = reply.message.at("wall_ns").get<std::int64_t>();
      for (const auto& [name, columns] : reply.message.at("curves").items()) {
        for (const Json& column : columns) {
          std::vector<double> values;
          for (const Json& value : column.at("values"))
            values.push_back(record::number_from_json(value));
          study.curves[name].emplace_back(column.at("name").get<std::string>(), std::move(values));
        }
      }
    }
  }
  const record::CaseRecord& shared = entry.record;
  study.run_id = shared.run_id;
  study.plan_hash = shared.plan_hash;
  study.case_id = shared.case_id;
  study.key = shared.key;
  study.suite = shared.suite;
  study.experiment = shared.experiment;
  study.point = shared.point;
  study.implementation = shared.implementation;
  study.tier = shared.tier;
  study.device = shared.device;
  study.seed = ordinal;
  study.status = shared.status;
  study.reason = shared.reason;
  study.exit = shared.exit;
  supervisor_.writer_.append(study);
  supervisor_.last_status_[fmt::format("{} {}", shared.case_id, ordinal)] = shared.status;
}

/// Sends a request about one implementation to the worker that holds it. Afterwards its status is
/// `ok` exactly when the answer is a message that says so.
Reply PointRun::ask(Entry& entry, const Json& request) {
  WorkerProcess& worker = entry.implementation->external() ? *entry.own_worker : *worker_;
  Reply reply = worker.request(request, limits_for(entry));
  if (reply.kind != Reply::Kind::message) {
    lose(entry, reply);
  } else if (!reply.message.value("ok", false)) {
    const bool memory = reply.message.value("out_of_memory", false);
    fail(entry, memory ? Status::out_of_memory : Status::failed,
         reply.message.value("error", "no reason given"));
  }
  return reply;
}

Limits PointRun::limits_for(const Entry& entry) const {
  Limits limits;
  const RunOptions& options = supervisor_.options_;
  const double expected_s = static_cast<double>(entry.estimate_ns * entry.record.batch) * 1e-9;
  const double seconds =
      options.timeout_s > 0 ? options.timeout_s : std::max(30.0, 10 * expected_s);
  limits.deadline = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  limits.memory_bytes = options.memory_bytes;
  return limits;
}

/// The worker died, hung or grew too large while it worked for this implementation.
void PointRun::lose(Entry& entry, const Reply& reply) {
  entry.record.exit = reply.exit;
  fail(entry, status_of(reply.kind), reply.reason);
  if (!entry.implementation->external()) worker_.reset();
}

void PointRun::fail(Entry& entry, Status status, const std::string& reason) {
  entry.record.status = status;
  entry.record.reason = reason;
  entry.active = false;
  if (status != Status::unsupported) {
    supervisor_.progress_.note(
        fmt::format("{}: {}: {}", record::name_of(status), entry.record.key, reason));
  }
}

}  // namespace ashlar::run
