#include "harness/run/point_run.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/trace/recorder.hpp"

namespace ashlar::run {

using record::Status;

PointRun::PointRun(Supervisor& supervisor, const PlannedPoint& planned, int round,
                   double allowance_s, PointTimes& times)
    : supervisor_(supervisor),
      planned_(planned),
      round_(round),
      allowance_s_(allowance_s),
      times_(times) {
  for (const model::Implementation* implementation : planned.implementations) {
    Entry& entry = entries_.emplace_back();
    entry.implementation = implementation;
    record::CaseRecord& record = entry.record;
    record.run_id = supervisor_.options_.run_id;
    record.plan_hash = supervisor_.plan_.hash;
    record.key = key(implementation->name);
    record.case_id = id(record.key);
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

/// Hot and cold times are different cases, so that nothing pairs them.
std::string PointRun::id(const std::string& key) const {
  return case_id(supervisor_.options_.cold_bytes > 0 ? key + " cold" : key);
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
    if (!entry.own_worker) continue;
    supervisor_.exchange(*entry.own_worker, {{"do", "close"}}, limits_for(entry));
    if (keeps_process(entry))
      supervisor_.device_peers_[entry.implementation->name] = std::move(entry.own_worker);
    supervisor_.end(entry.own_worker);
  }
  if (!tensors_.empty()) std::filesystem::remove(tensors_);
  if (supervisor_.plan_.mode == model::Mode::gpu && worker_ && worker_->alive()) {
    supervisor_.device_worker_ = std::move(worker_);
  }
  supervisor_.end(worker_);
}

/// Whether another program's process is good for the next point: what it imports takes seconds, and
/// a context on the device as well.
bool PointRun::keeps_process(const Entry& entry) const {
  const bool sound =
      entry.record.status == Status::ok || entry.record.status == Status::unsupported;
  return sound && supervisor_.plan_.mode == model::Mode::gpu && entry.own_worker->alive() &&
         entry.implementation->options.device == model::Device::cuda;
}

void PointRun::drop(const std::string& why, bool record) {
  for (Entry& entry : entries_) drop_entry(entry, why, record);
}

void PointRun::drop_entry(Entry& entry, const std::string& why, bool record) {
  entry.record.status = Status::dropped;
  entry.record.reason = why;
  if (planned_.experiment->kind == model::Kind::study) {
    const int seeds = planned_.experiment->seeds_of(planned_.point, entry.implementation->name);
    for (int seed = 0; seed < seeds; ++seed) {
      const auto ordinal = static_cast<std::uint64_t>(seed);
      if (record) write_study(entry, ordinal, {});
      supervisor_.note_status(study_id(entry.record.case_id, ordinal), Status::dropped);
    }
  } else {
    if (record) supervisor_.journal_.append(entry.record);
    supervisor_.note_status(entry.record.case_id, Status::dropped);
  }
}

/// An implementation of an experiment, wherever its deadline is remembered.
std::pair<std::string, std::string> PointRun::who(const Entry& entry) const {
  return {planned_.experiment->suite + "/" + planned_.experiment->name, entry.implementation->name};
}

void PointRun::run_timed() {
  skip_timed_out();
  const bool external = std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return entry.implementation->external();
  });
  if (external) tensors_ = (supervisor_.options_.scratch / "problem.safetensors").string();
  open_worker();
  if (planned_.with_controls && round_ == 0 && !no_device_) run_controls();
  for (Entry& entry : entries_) {
    if (supervisor_.stopping()) break;
    if (entry.record.status == Status::ok) make_ready(entry);
  }
  sweep_all();
  verify_all_again();
  for (Entry& entry : entries_) finish(entry);
}

/// One hang costs one deadline, not one at every point.
void PointRun::skip_timed_out() {
  for (Entry& entry : entries_) {
    const auto found = supervisor_.timed_out_at_.find(who(entry));
    if (found == supervisor_.timed_out_at_.end()) continue;
    entry.record.status = Status::dropped;
    entry.record.reason = "ran into its deadline at " + found->second;
  }
}

void PointRun::run_profile() {
  open_worker();
  for (Entry& entry : entries_) {
    if (entry.record.status == Status::ok) profile_once(entry);
    finish(entry);
  }
}

void PointRun::profile_once(Entry& entry) {
  if (entry.implementation->external()) {
    entry.record.status = Status::unsupported;
    entry.record.reason = "ranges are recorded inside this program only";
    return;
  }
  if (!worker_ && !open_worker()) return;
  ask(entry, {{"do", "profile"}, {"implementation", entry.implementation->name}});
  entry.record.flags.emplace_back("profiled");
}

void PointRun::take_check(Entry& entry, const Json& answer, bool control, const std::string& name) {
  record::CheckRecord check;
  check.run_id = entry.record.run_id;
  check.key = key(name);
  check.case_id = id(check.key);
  check.suite = entry.record.suite;
  check.experiment = entry.record.experiment;
  check.point = entry.record.point;
  check.implementation = name;
  check.round = round_;
  check.control = control;
  check.oracle = answer.at("oracle").get<std::string>();
  check.accepted = answer.at("accepted");
  check.norms = answer.at("norms");
  check.limit = answer.at("limit");
  if (!answer.at("mismatch").is_null()) check.mismatch = answer.at("mismatch").get<std::string>();
  if (!control && !check.accepted)
    fail(entry, Status::wrong, check.mismatch.value_or("rejected by the oracle"));
  if (control || !entry.checked || !check.accepted)
    supervisor_.journal_.append(check, Journal::Sync::with_next);
  if (!control) entry.checked = true;
}

void PointRun::run_controls() {
  for (const model::Implementation& control : planned_.experiment->controls) {
    for (const bool last_try : {false, true}) {
      if (!worker_ && !open_worker()) return;
      if (run_control(control, last_try)) break;
    }
  }
}

bool PointRun::run_control(const model::Implementation& control, bool last_try) {
  Entry scratch;
  scratch.implementation = &control;
  scratch.record = entries_.front().record;
  scratch.record.status = Status::ok;
  const Reply reply = supervisor_.exchange(*worker_,
                                           {{"do", "verify"},
                                            {"implementation", control.name},
                                            {"cache", supervisor_.options_.scratch.string()},
                                            {"discard", true}},
                                           limits_for(scratch));
  if (reply.kind != Reply::Kind::message) worker_.reset();
  if (killed(reply) && !last_try) return false;
  const bool answered = reply.kind == Reply::Kind::message && reply.message.value("ok", false);
  if (answered) take_check(scratch, reply.message, true, control.name);
  if (!answered || reply.message.at("accepted").get<bool>()) {
    ++supervisor_.summary_.controls_accepted;
    supervisor_.progress_.note(
        answered
            ? fmt::format("harness error: the oracle of {}/{} accepts the negative control '{}'",
                          planned_.experiment->suite, planned_.experiment->name, control.name)
            : fmt::format("harness error: the negative control '{}' gave no answer", control.name));
  }
  return true;
}

void PointRun::finish(Entry& entry) {
  record::CaseRecord& record = entry.record;
  // Said once; in a later round only if it is news.
  const auto& known = supervisor_.gravest_status_;
  const auto before = known.find(record.case_id);
  const bool idle = record.status == Status::unsupported || record.status == Status::dropped;
  if (idle && before != known.end()) return;
  if (record.status == Status::ok && entry.samples.empty() && record.flags.empty()) {
    // Interrupted before it was measured.
    if (round_ == 0) drop_entry(entry, "interrupted", true);
    return;
  }
  for (const measure::Sample& sample : entry.samples) {
    record.samples_ns.push_back(sample.wall_ns);
    record.cpu_ns.push_back(sample.cpu_ns);
  }
  for (const std::string& flag : measure::flags_of(entry.samples)) record.flags.push_back(flag);
  if (trace::recording()) record.flags.emplace_back("traced");
  supervisor_.journal_.append(record, Journal::Sync::with_next);
  if (record.status == Status::ok && !record.samples_ns.empty())
    times_[entry.implementation->name][round_].assign(record.samples_ns.begin(),
                                                      record.samples_ns.end());
  supervisor_.note_status(record.case_id, record.status);
}

}  // namespace ashlar::run
