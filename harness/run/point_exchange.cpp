// What is asked of workers, and what becomes of an implementation whose worker dies, hangs, hoards
// or answers nonsense.
#include <signal.h>

#include <algorithm>

#include <fmt/format.h>

#include "harness/run/point_run.hpp"
#include "harness/run/requests.hpp"

namespace ashlar::run {

using record::Status;

namespace {

Status status_of(Reply::Kind kind) {
  switch (kind) {
    case Reply::Kind::timeout:
      return Status::timeout;
    case Reply::Kind::out_of_memory:
      return Status::out_of_memory;
    case Reply::Kind::garbled:
      return Status::failed;
    default:
      return Status::crashed;
  }
}

}  // namespace

bool killed(const Reply& reply) {
  return reply.kind == Reply::Kind::exited && reply.exit.signal == SIGKILL;
}

std::map<std::string, double> numbers_from(const Json& json) {
  std::map<std::string, double> values;
  for (const auto& [name, value] : json.items()) values[name] = record::number_from_json(value);
  return values;
}

Json PointRun::open_request() const {
  Json request = run::open_request(supervisor_.plan_, planned_);
  if (!tensors_.empty()) request["tensors"] = tensors_;
  if (supervisor_.options_.cold_bytes > 0) request["cold_bytes"] = supervisor_.options_.cold_bytes;
  return request;
}

/// Opens the point in our own worker and has the oracle's answer made. A problem that cannot be
/// made fails every implementation that is not finished. No implementation has run yet, so a worker
/// that something kills here gets another try: what kills it always does so again.
bool PointRun::open_worker() {
  ++generation_;
  constexpr int kAttempts = 2;
  for (int attempt = 1; true; ++attempt) {
    const std::optional<Refused> refused = try_to_open();
    if (!refused) return true;
    worker_.reset();
    if (refused->killed && attempt < kAttempts) continue;
    fail_unfinished(refused->why);
    return false;
  }
}

std::optional<PointRun::Refused> PointRun::try_to_open() {
  if (!worker_ || !worker_->alive())
    worker_ = supervisor_.start(supervisor_.options_.worker_command);
  std::vector<std::pair<const char*, Json>> requests = {
      {"the worker did not start", hello_request()},
      {"the problem could not be made", open_request()}};
  if (planned_.experiment->kind == model::Kind::timed && !supervisor_.options_.profile) {
    requests.push_back({"the oracle gave no answer",
                        {{"do", "oracle"}, {"cache", supervisor_.options_.scratch.string()}}});
  }
  for (const auto& [failure, request] : requests) {
    const Reply reply = supervisor_.exchange(*worker_, request, setup_limits());
    if (const auto why = refusal(reply))
      return Refused{fmt::format("{}: {}", failure, *why), killed(reply)};
    if (request.at("do") != "open") continue;
    note_unsupported(reply.message.at("unsupported"));
    no_device_ = reply.message.contains("no_device");
    if (!no_device_) continue;
    supervisor_.note_no_device(reply.message.at("no_device").get<std::string>());
    break;
  }
  return std::nullopt;
}

void PointRun::fail_unfinished(const std::string& why) {
  for (Entry& entry : entries_) {
    if (entry.record.status == Status::ok && !entry.record.stop_reason)
      fail(entry, Status::failed, why);
  }
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

/// Once for each implementation: what another program says it is made of.
void PointRun::note_software(const Entry& entry, const Json& answer) {
  if (!supervisor_.told_software_.insert(who(entry)).second) return;
  const auto software =
      answer.value("software", Json::object()).get<std::map<std::string, std::string>>();
  const auto& [experiment, implementation] = who(entry);
  supervisor_.journal_.event(
      "peer",
      {{"experiment", experiment}, {"implementation", implementation}, {"software", software}});
}

bool PointRun::open_external(Entry& entry) {
  if (supervisor_.options_.cold_bytes > 0) {
    fail(entry, Status::unsupported, "another program holds one copy of its data: hot caches only");
    return false;
  }
  std::vector<std::string> command = entry.implementation->command;
  for (std::size_t i = 1; i < command.size(); ++i) {
    if (command[i].find('/') != std::string::npos)
      command[i] = supervisor_.options_.resource(command[i]);
  }
  if (const auto kept = supervisor_.device_peers_.find(entry.implementation->name);
      kept != supervisor_.device_peers_.end()) {
    entry.own_worker = std::move(kept->second);
    supervisor_.device_peers_.erase(kept);
  }
  constexpr int kAttempts = 2;
  for (int attempt = 1; true; ++attempt) {
    const bool kept = entry.own_worker && entry.own_worker->alive();
    if (!kept) entry.own_worker = supervisor_.start(command);
    Reply reply;
    std::string verb;
    for (const Json& request : {hello_request(), open_request()}) {
      verb = request.at("do");
      reply = supervisor_.exchange(*entry.own_worker, request, setup_limits());
      if (refusal(reply)) break;
    }
    const std::optional<std::string> why = refusal(reply);
    if (!why) {
      note_software(entry, reply.message);
      return true;
    }
    // One that lived through other points may fail for their sake.
    const bool again = killed(reply) || (kept && reply.kind != Reply::Kind::message);
    if (again && attempt < kAttempts) continue;
    // A worker that ends before it can even greet is missing here, not broken: no interpreter, no
    // module. One that answers says itself that it cannot.
    const bool ended_first = reply.kind == Reply::Kind::exited && !killed(reply) && verb == "hello";
    const bool missing = reply.kind == Reply::Kind::message || ended_first;
    if (!missing) entry.record.exit = reply.exit;
    fail(entry, missing ? Status::unsupported : status_of(reply.kind), *why);
    return false;
  }
}

/// Verified in the worker that lives now; verifies again after a restart.
bool PointRun::make_ready(Entry& entry) {
  const bool external = entry.implementation->external();
  guarded(entry, [&] {
    if (!worker_ && !open_worker()) return;
    if (external && !entry.own_worker && !open_external(entry)) return;
    if (entry.ready_in == (external ? 0 : generation_)) return;
    const bool restarted = !entry.samples.empty();
    const Reply reply = verify(entry, false);
    if (entry.record.status != Status::ok) return;
    take_check(entry, reply.message, false, entry.implementation->name);
    if (entry.record.status != Status::ok) return;
    entry.ready_in = external ? 0 : generation_;
    if (!restarted) return;
    // Its samples come from two processes now; the first one of the new process warms up.
    entry.record.flags.emplace_back("restarted");
    if (take_sample(entry)) entry.samples.pop_back();
  });
  return entry.record.status == Status::ok && entry.ready_in == (external ? 0 : generation_);
}

/// Has an answer made (or, again, the last timed one) and held against the oracle.
Reply PointRun::verify(Entry& entry, bool again) {
  const std::string& name = entry.implementation->name;
  Reply reply = ask(entry, {{"do", "verify"},
                            {"implementation", name},
                            {"cache", supervisor_.options_.scratch.string()},
                            {"again", again}});
  if (entry.record.status != Status::ok) return reply;
  if (!again) {
    const Json none = Json::object();
    entry.record.prepare_ns = optional_integer(reply.message, "prepare_ns");
    entry.record.peak_extra_bytes = optional_integer(reply.message, "peak_extra_bytes");
    entry.record.workspace_bytes = optional_integer(reply.message, "workspace_bytes");
    entry.record.metrics = numbers_from(reply.message.value("metrics", none));
    entry.record.counters = numbers_from(reply.message.value("counters", none));
    entry.estimate_ns = reply.message.value("first_ns", std::int64_t{0});
    entry.in_place = reply.message.value("in_place", false);
    const bool cpu = entry.implementation->options.device == model::Device::cpu;
    if (supervisor_.options_.cold_bytes > 0 && cpu) {
      if (entry.in_place) {
        fail(entry, Status::unsupported,
             "works in place: restoring its data before each execution warms the caches");
        return reply;
      }
      entry.record.flags.emplace_back("cold-cache");
    }
  }
  return entry.implementation->external() ? check_foreign(entry, reply.message.at("answer"))
                                          : reply;
}

/// Another program wrote its answer to a file; our worker, which has the oracle, looks at it.
Reply PointRun::check_foreign(Entry& entry, const Json& answer) {
  const Reply reply = supervisor_.exchange(
      *worker_,
      {{"do", "check"}, {"answer", answer}, {"cache", supervisor_.options_.scratch.string()}},
      setup_limits());
  if (const auto why = refusal(reply)) {
    fail(entry, Status::failed, "the answer could not be checked: " + *why);
    if (reply.kind != Reply::Kind::message) worker_.reset();
  }
  return reply;
}

/// Sends a request about one implementation to the worker that holds it. Afterwards its status is
/// `ok` exactly when the answer is a message that says so.
Reply PointRun::ask(Entry& entry, const Json& request) {
  const bool external = entry.implementation->external();
  WorkerProcess& worker = external ? *entry.own_worker : *worker_;
  const Reply reply = supervisor_.exchange(worker, request, limits_for(entry));
  take_fate(entry, reply);
  return reply;
}

/// What an answer, or its absence, makes of the entry.
void PointRun::take_fate(Entry& entry, const Reply& reply) {
  if (reply.kind != Reply::Kind::message) {
    lose(entry, reply);
  } else if (const auto why = refusal(reply)) {
    const bool memory = reply.message.value("out_of_memory", false);
    fail(entry, memory ? Status::out_of_memory : Status::failed, *why);
    // An error on a device can poison its whole context; nobody else shall inherit it.
    const bool external = entry.implementation->external();
    if (!external && entry.implementation->options.device == model::Device::cuda) worker_.reset();
  }
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

/// For starting, making the problem, the oracle: nothing that an implementation answers for.
Limits PointRun::setup_limits() const {
  constexpr double kLeast_s = 120;
  Limits limits;
  const double seconds = std::max(kLeast_s, supervisor_.options_.timeout_s);
  limits.deadline = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  limits.memory_bytes = supervisor_.options_.memory_bytes;
  return limits;
}

/// The worker died, hung, grew too large or spoke nonsense while it worked for this implementation.
void PointRun::lose(Entry& entry, const Reply& reply) {
  const bool nonsense = reply.kind == Reply::Kind::garbled;
  entry.record.exit = reply.exit;
  fail(entry, status_of(reply.kind), (nonsense ? "broke the protocol: " : "") + reply.reason);
  supervisor_.journal_.event("worker-lost", {{"key", entry.record.key},
                                             {"round", round_},
                                             {"status", record::name_of(entry.record.status)},
                                             {"reason", reply.reason}});
  if (reply.kind == Reply::Kind::timeout) {
    supervisor_.lost_s_ += static_cast<double>(limits_for(entry).deadline.count()) * 1e-3;
    supervisor_.timed_out_at_[who(entry)] = planned_.point.text();
  }
  if (!entry.implementation->external()) worker_.reset();
}

/// An answer without what the protocol promises: that worker is not asked again.
void PointRun::break_protocol(Entry& entry, const std::string& what) {
  fail(entry, Status::failed, "broke the protocol: " + what);
  if (entry.implementation->external()) {
    entry.own_worker.reset();
  } else {
    worker_.reset();
  }
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
