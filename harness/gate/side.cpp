#include "harness/gate/side.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/run/requests.hpp"

namespace ashlar::gate {

namespace {

using run::Reply;

constexpr double kSetup_s = 120;     // starting, making the problem, the oracle
constexpr double kExecution_s = 30;  // the least that an execution is given

/// The least seen over all processes.
void keep_least(std::optional<std::int64_t>& least, std::optional<std::int64_t> seen) {
  if (seen) least = least ? std::min(*least, *seen) : *seen;
}

}  // namespace

WorkerSide::WorkerSide(SideOptions options) : options_(std::move(options)) {}

void WorkerSide::start() {
  stop();
  process_ = std::make_unique<run::WorkerProcess>(options_.command, options_.environment,
                                                  options_.scratch);
  Fate fate;
  const auto greeting = ask(run::hello_request(), kSetup_s, fate);
  if (greeting && greeting->value("protocol", 0) == run::kProtocol) return;
  throw run::UsageError(fmt::format("--{} '{}': is no ashlar that speaks worker protocol {}{}{}",
                                    options_.name, options_.command.front(), run::kProtocol,
                                    fate.reason.empty() ? "" : ": ", fate.reason));
}

void WorkerSide::stop() {
  process_.reset();
  point_ = nullptr;
  verified_.clear();
}

std::optional<Json> WorkerSide::ask(const Json& request, double least_s, Fate& fate) {
  run::Limits limits;
  double seconds = std::max(least_s, 10e-9 * static_cast<double>(expected_ns_));
  // The user's word is on executions; a problem may take longer to make.
  if (options_.timeout_s > 0) seconds = std::max(options_.timeout_s, least_s - kExecution_s);
  limits.deadline = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds));
  limits.memory_bytes = options_.memory_bytes;
  const Reply reply = process_->request(request, limits);
  const auto why = run::refusal(reply);
  if (!why) return reply.message;
  fate = {Fate::Kind::broken, *why};
  if (reply.kind != Reply::Kind::message) stop();
  return std::nullopt;
}

Fate WorkerSide::open(const run::PlannedPoint& planned, const run::Plan& plan) {
  point_ = nullptr;
  verified_.clear();
  Fate fate;
  const auto opened = ask(run::open_request(plan, planned), kSetup_s, fate);
  if (!opened) {
    // What this build never had is no fault of it.
    if (fate.reason.starts_with("no such suite or experiment")) fate.kind = Fate::Kind::absent;
    return fate;
  }
  unsupported_ = opened->at("unsupported");
  if (!ask({{"do", "oracle"}, {"cache", options_.scratch.string()}}, kSetup_s, fate)) return fate;
  point_ = &planned;
  return {};
}

template <class Exchange>
Fate WorkerSide::guarded(const Exchange& exchange) {
  try {
    return exchange();
  } catch (const Json::exception& error) {
    stop();
    return {Fate::Kind::broken, std::string("broke the protocol: ") + error.what()};
  }
}

Fate WorkerSide::make_ready(const run::PlannedPoint& planned, const run::Plan& plan,
                            const std::string& implementation, Evidence& evidence) {
  return guarded([&] { return ready(planned, plan, implementation, evidence); });
}

Fate WorkerSide::verify_again(const std::string& implementation) {
  return guarded([&] { return verify(implementation, true, nullptr); });
}

Fate WorkerSide::ready(const run::PlannedPoint& planned, const run::Plan& plan,
                       const std::string& implementation, Evidence& evidence) {
  expected_ns_ = 0;
  if (!process_) start();
  if (point_ != &planned) {
    if (Fate fate = open(planned, plan); fate.kind != Fate::Kind::fine) return fate;
  }
  const auto known = unsupported_.find(implementation);
  if (known == unsupported_.end()) return {Fate::Kind::absent, "no such implementation"};
  if (!known->is_null()) return {Fate::Kind::unsupported, known->get<std::string>()};
  if (verified_.contains(implementation)) return {};
  return verify(implementation, false, &evidence);
}

Fate WorkerSide::verify(const std::string& implementation, bool again, Evidence* evidence) {
  Fate fate;
  const auto answer = ask({{"do", "verify"},
                           {"implementation", implementation},
                           {"cache", options_.scratch.string()},
                           {"again", again}},
                          kExecution_s, fate);
  if (!answer) return fate;
  if (!answer->at("accepted").get<bool>()) {
    const Json& mismatch = answer->at("mismatch");
    return {Fate::Kind::wrong,
            mismatch.is_string() ? mismatch.get<std::string>() : "rejected by the oracle"};
  }
  if (evidence == nullptr) return {};
  verified_.insert(implementation);
  evidence->in_place = answer->value("in_place", false);
  evidence->first_ns = answer->value("first_ns", std::int64_t{0});
  evidence->norms = answer->at("norms");
  evidence->limit = answer->at("limit");
  keep_least(evidence->peak_extra_bytes, run::optional_integer(*answer, "peak_extra_bytes"));
  keep_least(evidence->workspace_bytes, run::optional_integer(*answer, "workspace_bytes"));
  return {};
}

Taken WorkerSide::sample(const std::string& implementation, std::int64_t batch) {
  if (!process_) throw Lost("its worker is gone");
  Taken taken;
  const Fate fate = guarded([&] {
    Fate refusal;
    const auto answer = ask(run::sample_request(implementation, batch), kExecution_s, refusal);
    if (!answer) return refusal;
    const auto only = [&](const char* field) {
      return answer->at(field).at(0).get<std::int64_t>();
    };
    taken = {{static_cast<double>(only("wall_ns")), static_cast<double>(only("cpu_ns"))},
             only("involuntary_switches") > 0};
    return Fate();
  });
  if (fate.kind != Fate::Kind::fine) throw Lost(fate.reason);
  return taken;
}

}  // namespace ashlar::gate
