#include "harness/run/worker.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <new>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/measure/instructions.hpp"
#include "harness/measure/memory.hpp"
#include "harness/measure/rotation.hpp"
#include "harness/measure/verify.hpp"
#include "harness/record/record.hpp"
#include "harness/run/curve.hpp"
#include "harness/run/expected_file.hpp"
#include "harness/run/plan.hpp"
#include "harness/run/requests.hpp"
#include "harness/run/tensor_file.hpp"

namespace ashlar::run {

namespace {

using model::Expected;
using model::Implementation;
using model::Json;
using model::TensorView;
using trace::Range;

std::int64_t elapsed_ns(std::int64_t since) { return measure::system_clock().now_ns() - since; }

Json numbers(const std::map<std::string, double>& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values) json[name] = record::number_to_json(value);
  return json;
}

Json curves_to_json(const std::vector<model::Curve>& curves) {
  Json json = Json::object();
  for (const model::Curve& whole : curves) {
    const model::Curve curve = thinned(whole);
    Json columns = Json::array();
    for (const auto& [name, values] : curve.columns) {
      Json column = Json::array();
      for (const double value : values) column.push_back(record::number_to_json(value));
      columns.push_back({{"name", name}, {"values", std::move(column)}});
    }
    json[curve.name] = std::move(columns);
  }
  return json;
}

Json failure(const std::string& what, bool out_of_memory = false) {
  return {{"ok", false}, {"error", what}, {"out_of_memory", out_of_memory}};
}

}  // namespace

model::Support support_of(const model::Experiment& experiment, const Implementation& implementation,
                          const model::Point& point, model::Mode mode, const void* problem) {
  if (experiment.work && !implementation.external()) {
    const double flops = experiment.work(point).flops;
    const double most =
        mode == model::Mode::quick
            ? std::min(implementation.options.most_flops, implementation.options.most_flops_quick)
            : implementation.options.most_flops;
    if (flops > most) {
      return model::Support::no(
          fmt::format("{:.3g} GFLOP is more than the {:.3g} that it is given in mode {}",
                      flops / 1e9, most / 1e9, model::name_of(mode)));
    }
  }
  if (implementation.external() || problem == nullptr) return {};
  return implementation.supports(problem);
}

int Worker::serve() {
  // Whatever an implementation prints must not break the protocol.
  const int channel = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  measure::use_returning_allocator();
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = Json::parse(line, nullptr, false);
    const std::string answer = handle(request).dump() + "\n";
    std::size_t sent = 0;
    while (sent < answer.size()) {
      const ssize_t n = write(channel, answer.data() + sent, answer.size() - sent);
      if (n <= 0) return 1;
      sent += static_cast<std::size_t>(n);
    }
  }
  close();
  return 0;
}

Json Worker::handle(const Json& request) {
  try {
    return dispatch(request);
  } catch (const std::bad_alloc&) {
    return failure("out of memory", true);
  } catch (const std::exception& error) {
    return failure(error.what());
  }
}

Json Worker::dispatch(const Json& request) {
  if (!request.is_object() || !request.contains("do"))
    return failure("a request is an object with a field 'do'");
  const std::string verb = request.at("do");
  if (verb == "hello") return hello(request);
  if (verb == "calibrate") {
    const Range range("calibrate");
    return {{"ok", true}, {"calibration", services_.calibrate(request.at("threads").get<int>())}};
  }
  if (verb == "open") return open(request);
  if (verb == "oracle") return oracle(request);
  if (verb == "verify") return verify(request);
  if (verb == "check") return check(request);
  if (verb == "sample") return sample(request);
  if (verb == "count") return count(request);
  if (verb == "profile") return profile(request);
  if (verb == "study") return study(request);
  if (verb == "close") return close();
  return failure("unknown request '" + verb + "'");
}

Json Worker::hello(const Json& request) {
  if (request.value("protocol", 0) != kProtocol) {
    return failure(fmt::format("this worker speaks protocol {}", kProtocol));
  }
  return {{"ok", true}, {"protocol", kProtocol}, {"worker", "ashlar"}};
}

const model::Experiment& Worker::experiment() const {
  if (experiment_ == nullptr) throw std::runtime_error("nothing is open");
  return *experiment_;
}

const Implementation& Worker::implementation(const Json& request) const {
  const std::string name = request.at("implementation");
  if (const Implementation* found = experiment().find(name)) return *found;
  throw std::runtime_error("no implementation '" + name + "'");
}

Json Worker::open(const Json& request) {
  close();
  const std::string suite_name = request.at("suite");
  for (const model::Suite& suite : registry_) {
    if (suite.id() == suite_name)
      experiment_ = suite.find(request.at("experiment").get<std::string>());
  }
  if (experiment_ == nullptr)
    throw std::runtime_error("no such suite or experiment: " + suite_name);
  mode_ = model::parse_mode(request.at("mode").get<std::string>());
  point_ = model::Point::from_json(request.at("point"));
  seed_ = request.at("seed").get<std::uint64_t>();
  suite_range_.emplace(experiment_->suite + "/" + experiment_->name);
  point_range_.emplace(point_.text());
  cold_bytes_ = request.value("cold_bytes", std::int64_t{0});
  if (mode_ == model::Mode::gpu && services_.no_device) {
    if (const auto reason = services_.no_device()) return open_without_device(*reason);
  }
  if (experiment_->kind == model::Kind::timed) {
    const Range range("problem");
    const std::int64_t before = measure::heap_bytes();
    problem_ = experiment_->problem(point_, seed_);
    problem_bytes_ = measure::heap_bytes() - before;
  }
  Json supports = Json::object();
  for (const Implementation& candidate : experiment_->implementations) {
    const model::Support answer =
        support_of(*experiment_, candidate, point_, mode_, problem_.get());
    supports[candidate.name] = answer.yes ? Json(nullptr) : Json(answer.reason);
  }
  if (request.contains("tensors")) {
    write_tensors(request.at("tensors").get<std::string>(), experiment_->inputs(problem_.get()));
  }
  return {{"ok", true}, {"unsupported", supports}};
}

/// Problems for a GPU, and their oracle, take a CPU seconds each: not for want of a device. What
/// runs beside a device has nothing to be compared with then.
Json Worker::open_without_device(const std::string& reason) const {
  Json supports = Json::object();
  for (const Implementation& candidate : experiment().implementations) {
    if (candidate.runs_in(mode_)) supports[candidate.name] = reason;
  }
  return {{"ok", true}, {"unsupported", supports}, {"no_device", reason}};
}

Worker::Bound& Worker::bind(const Implementation& wanted) {
  Bound& bound = bound_[wanted.name];
  bound = {};
  bound.implementation = &wanted;
  bound.timer = services_.make_timer(wanted.options);
  bound.trial = wanted.bind(problem_);
  return bound;
}

/// Binds to copies of the problem until together they are too large for the caches.
void Worker::rotate(Bound& bound) {
  const Range range("copies");
  std::vector<std::unique_ptr<model::Trial>> trials;
  trials.push_back(std::move(bound.trial));
  for (std::size_t wanted = 2; trials.size() < wanted;) {
    const std::size_t copy = trials.size() - 1;
    if (copy == problem_copies_.size())
      problem_copies_.push_back(experiment().problem(point_, seed_));
    const std::int64_t before = measure::heap_bytes();
    trials.push_back(bound.implementation->bind(problem_copies_[copy]));
    trials.back()->prepare();
    bound.timer->run_once(*trials.back());
    const std::int64_t footprint = problem_bytes_ + measure::heap_bytes() - before;
    if (copy == 0) wanted = measure::rotation_size(footprint, cold_bytes_);
  }
  bound.trial = std::make_unique<measure::Rotation>(std::move(trials));
}

const Expected& Worker::expected(const Json& request) {
  if (expected_) return *expected_;
  const Range range("oracle");
  const std::filesystem::path folder = request.value("cache", std::string());
  const std::string name = model::hex(
      model::stable_hash(case_key(experiment(), point_, experiment().oracle_name), seed_));
  const auto obtain = [&](const char* suffix, const std::function<Expected(const void*)>& compute) {
    const std::filesystem::path path = folder / (name + suffix);
    if (!folder.empty() && std::filesystem::exists(path)) return read_expected(path);
    Expected fresh = compute(problem_.get());
    if (!folder.empty()) write_expected(path, fresh);
    return fresh;
  };
  if (experiment().yardstick) yardstick_ = obtain(".yardstick", experiment().yardstick);
  expected_ = obtain(".expected", experiment().oracle);
  return *expected_;
}

Json Worker::checked(const std::vector<TensorView>& answer, const Json& request) {
  const Expected& wanted = expected(request);
  const Range range("verify");
  const measure::CheckResult result = measure::check_answer(
      experiment(), problem_.get(), point_, wanted, yardstick_ ? &*yardstick_ : nullptr, answer);
  return {{"ok", true},
          {"accepted", result.accepted},
          {"oracle", experiment().oracle_name},
          {"norms", result.norms},
          {"limit", result.limit},
          {"mismatch", result.mismatch ? Json(*result.mismatch) : Json(nullptr)}};
}

/// Before anything is verified, so that its time and memory are nobody's.
Json Worker::oracle(const Json& request) {
  expected(request);
  return {{"ok", true}};
}

/// The last timed answer, then one more execution from poisoned outputs: state that leaks between
/// executions shows in the first, an execution that leaves the old answer standing in the second.
Json Worker::verify_again(const Implementation& wanted, const Json& request) {
  Bound& bound = bound_.at(wanted.name);
  bound.trial->fetch();
  Json last = checked(bound.trial->answer(), request);
  if (!last.at("accepted").get<bool>()) return last;
  bound.trial->poison();
  bound.timer->run_once(*bound.trial);
  bound.trial->fetch();
  return checked(bound.trial->answer(), request);
}

Json Worker::verify(const Json& request) {
  const Implementation& wanted = implementation(request);
  const Range range(wanted.name);
  if (request.value("again", false)) return verify_again(wanted, request);
  expected(request);  // before the memory is looked at
  Bound& bound = bind(wanted);
  bound.trial->poison();
  const measure::PeakMemory memory;
  const std::int64_t prepare_start = measure::system_clock().now_ns();
  {
    const Range phase("prepare");
    bound.trial->prepare();
  }
  const std::int64_t prepare_ns = elapsed_ns(prepare_start);
  bound.trial->poison();  // device outputs exist only now
  const std::int64_t execute_start = measure::system_clock().now_ns();
  {
    const Range phase("first execution");
    bound.timer->run_once(*bound.trial);
  }
  const std::int64_t first_ns = elapsed_ns(execute_start);
  const auto peak = memory.peak_bytes();
  bound.trial->fetch();
  Json answer = checked(bound.trial->answer(), request);
  const model::Outcome outcome = bound.trial->outcome();
  answer["prepare_ns"] = prepare_ns;
  answer["first_ns"] = first_ns;
  answer["in_place"] = bound.trial->in_place();
  // What a device allocates is not in this process's resident memory.
  const bool on_host = wanted.options.device == model::Device::cpu;
  answer["peak_extra_bytes"] = on_host && peak ? Json(*peak) : Json(nullptr);
  answer["workspace_bytes"] =
      outcome.workspace_bytes ? Json(*outcome.workspace_bytes) : Json(nullptr);
  answer["metrics"] = numbers(outcome.metrics);
  answer["counters"] = numbers(outcome.counters);
  if (request.value("discard", false)) {
    bound_.erase(wanted.name);
  } else if (cold_bytes_ > 0 && on_host && !bound.trial->in_place()) {
    rotate(bound);
  }
  return answer;
}

Json Worker::check(const Json& request) {
  std::vector<model::OwnedTensor> tensors = read_tensors(request.at("answer").get<std::string>());
  std::vector<TensorView> answer;
  answer.reserve(tensors.size());
  for (model::OwnedTensor& tensor : tensors) answer.push_back(tensor.view());
  return checked(answer, request);
}

Json Worker::sample(const Json& request) {
  const std::string name = request.at("implementation");
  const auto found = bound_.find(name);
  if (found == bound_.end()) throw std::runtime_error("'" + name + "' was not verified");
  const Range range(name);
  const Range phase("sample");
  const auto batch = request.at("batch").get<std::int64_t>();
  Json answer = {{"ok", true},
                 {"wall_ns", Json::array()},
                 {"cpu_ns", Json::array()},
                 {"page_faults", Json::array()},
                 {"involuntary_switches", Json::array()}};
  try {
    for (int i = 0; i < request.value("n", 1); ++i) {
      const measure::Sample taken = found->second.timer->take(*found->second.trial, batch);
      answer["wall_ns"].push_back(taken.wall_ns);
      answer["cpu_ns"].push_back(taken.cpu_ns);
      answer["page_faults"].push_back(taken.page_faults);
      answer["involuntary_switches"].push_back(taken.involuntary_switches);
    }
  } catch (const measure::NoAcceptedSample& refusal) {
    answer["refused"] = refusal.what();
  }
  const measure::TimerNotes notes = found->second.timer->notes();
  if (!notes.metrics.empty()) answer["metrics"] = numbers(notes.metrics);
  if (!notes.flags.empty()) answer["flags"] = notes.flags;
  return answer;
}

/// One more execution of what was verified, its instructions counted.
Json Worker::count(const Json& request) {
  if (const auto why = measure::instructions_uncountable()) return failure(*why);
  const std::string name = request.at("implementation");
  const auto found = bound_.find(name);
  if (found == bound_.end()) throw std::runtime_error("'" + name + "' was not verified");
  Bound& bound = found->second;
  bound.trial->reset();
  measure::count_instructions([&] { bound.trial->execute(nullptr); });
  Json kernels = Json::object();
  for (const model::Suite& suite : registry_) {
    if (suite.id() == experiment().suite) kernels = suite.kernels();
  }
  return {{"ok", true}, {"kernels", kernels}};
}

Json Worker::profile(const Json& request) {
  const Implementation& wanted = implementation(request);
  Bound& bound = bind(wanted);
  // The key for the eye; the id to select it by, since tools read signs of the key as their own.
  const std::string key = case_key(experiment(), point_, wanted.name);
  const Range range(key);
  const Range selected(case_id(key));
  {
    const Range phase("prepare");
    bound.trial->prepare();
  }
  const Range phase("execute");
  bound.timer->run_once(*bound.trial);
  return {{"ok", true}};
}

Json Worker::study(const Json& request) {
  const Implementation& wanted = implementation(request);
  const auto ordinal = request.at("ordinal").get<std::uint64_t>();
  const Range range(wanted.name);
  const auto problem = [&] {
    const Range phase("problem");
    return experiment().problem(point_,
                                model::stable_hash("ordinal " + std::to_string(ordinal), seed_));
  }();
  const Range phase("execute");
  const std::int64_t start = measure::system_clock().now_ns();
  const model::Outcome outcome = wanted.study(problem.get());
  return {{"ok", true},
          {"wall_ns", elapsed_ns(start)},
          {"metrics", numbers(outcome.metrics)},
          {"counters", numbers(outcome.counters)},
          {"curves", curves_to_json(outcome.curves)}};
}

Json Worker::close() {
  bound_.clear();
  expected_.reset();
  yardstick_.reset();
  problem_.reset();
  problem_copies_.clear();
  point_range_.reset();
  suite_range_.reset();
  experiment_ = nullptr;
  return {{"ok", true}};
}

}  // namespace ashlar::run
