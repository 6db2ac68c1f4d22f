#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <new>
#include <stdexcept>
#include <thread>

#include "harness/testing/toy_scale.hpp"

namespace ashlar::testing {

namespace {

using model::Method;
using model::Point;
using model::Stream;
using model::Suite;
using model::Tier;

void crash(const ScaleProblem&, ScaleAnswer&) {
  std::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would turn the signal into an exit status
  std::raise(SIGSEGV);
}

void hang(const ScaleProblem&, ScaleAnswer&) {
  while (true) std::this_thread::sleep_for(std::chrono::seconds(1));
}

void eat_memory(const ScaleProblem&, ScaleAnswer&) {
  std::vector<std::vector<char>> hoard;
  for (int i = 0; i < 4096; ++i) {
    hoard.emplace_back(std::size_t{1} << 20, 'x');
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void refuse_memory(const ScaleProblem&, ScaleAnswer&) { throw std::bad_alloc(); }

void fail_cleanly(const ScaleProblem&, ScaleAnswer&) { throw std::runtime_error("cannot, today"); }

void chatter(const ScaleProblem& problem, ScaleAnswer& answer) {
  std::puts("an implementation that prints to standard output");
  std::fflush(stdout);
  scale_loop(problem, answer);
}

/// Right the first time, wrong from the fourth execution on: only verifying the last answer finds
/// it.
class WearsOut final : public Method<ScaleProblem, ScaleAnswer> {
 public:
  void execute(const ScaleProblem& problem, ScaleAnswer& answer, Stream) override {
    scale_loop(problem, answer);
    if (++executions_ > 3) answer.y[0] += 1;
  }

 private:
  int executions_ = 0;
};

/// Right the first time and idle from then on, which leaves the right answer standing.
class Idles final : public Method<ScaleProblem, ScaleAnswer> {
 public:
  void execute(const ScaleProblem& problem, ScaleAnswer& answer, Stream) override {
    if (executions_++ == 0) scale_loop(problem, answer);
  }

 private:
  int executions_ = 0;
};

/// Right until it is in the middle of being sampled, beside three others.
void die_later(const ScaleProblem& problem, ScaleAnswer& answer) {
  using Clock = std::chrono::steady_clock;
  static const Clock::time_point first = Clock::now();
  scale_loop(problem, answer);
  if (Clock::now() - first > std::chrono::milliseconds(40)) raise(SIGSEGV);
}

/// Wrong in the first process that runs in a folder, right in all later ones.
void wrong_at_first(const ScaleProblem& problem, ScaleAnswer& answer) {
  static const bool first = [] {
    const bool seen = std::filesystem::exists("toy-was-here");
    std::ofstream("toy-was-here") << "\n";
    return !seen;
  }();
  scale_loop(problem, answer);
  if (first) answer.y[0] += 1;
}

/// Leaves a file behind, so that a test sees whether the problem was made.
ScaleProblem make_traced_scale(const Point& point, std::uint64_t seed) {
  std::ofstream("toy-problem-was-made") << "\n";
  return make_scale(point, seed);
}

}  // namespace

void declare_misbehave(Suite& suite) {
  suite.experiment<ScaleProblem, ScaleAnswer>("misbehave")
      .about("implementations that crash, hang, hoard, lie")
      .axis("length", {64})
      .problem(make_scale)
      .work(scale_work)
      .oracle("product in double", scale_in_double, scale_tolerance)
      .add(Tier::reference, "fine", scale_loop)
      .add(Tier::naive, "segfaults", crash)
      .add(Tier::naive, "hangs", hang)
      .add(Tier::naive, "eats-memory", eat_memory)
      .add(Tier::naive, "refuses-memory", refuse_memory)
      .add(Tier::naive, "throws", fail_cleanly)
      .add(Tier::naive, "wrong", factor_forgotten)
      .add(Tier::naive, "wrong-at-first", wrong_at_first)
      .add(Tier::naive, "wears-out", [] { return std::make_unique<WearsOut>(); })
      .add(Tier::naive, "idles", [] { return std::make_unique<Idles>(); })
      .add(Tier::naive, "chatters", chatter)
      .add(Tier::naive, "dies-later", die_later)
      .add(Tier::reference, "fine-too", scale_loop)
      .control("factor-forgotten", factor_forgotten);
}

void declare_foreign(Suite& suite) {
  const auto peer = [](const char* fault) {
    return std::vector<std::string>{"python3", "harness/testing/toy_bad_peer.py", fault};
  };
  suite.experiment<ScaleProblem, ScaleAnswer>("foreign")
      .about("programs that break the worker protocol")
      .axis("length", {64})
      .problem(make_scale)
      .inputs(scale_inputs)
      .work(scale_work)
      .oracle("product in double", scale_in_double, scale_tolerance)
      .external(Tier::peer, "no-answer", peer("no-answer"))
      .external(Tier::peer, "null-error", peer("null-error"))
      .external(Tier::peer, "no-json", peer("no-json"))
      .external(Tier::peer, "floods", peer("floods"))
      .external(Tier::peer, "too-short", peer("too-short"))
      .external(Tier::peer, "no-samples", peer("no-samples"))
      .external(Tier::peer, "refuses", peer("refuses"))
      .external(Tier::peer, "refuses-later", peer("refuses-later"))
      .add(Tier::reference, "fine", scale_loop)
      .control("factor-forgotten", factor_forgotten);
}

/// Mode gpu alone has it.
void declare_device(Suite& suite) {
  suite.experiment<ScaleProblem, ScaleAnswer>("device")
      .about("implementations that need a GPU, and those beside them")
      .axis("length", {64, 256})
      .keep([](const Point&, model::Mode mode) { return mode == model::Mode::gpu; })
      .problem(make_traced_scale)
      .inputs(scale_inputs)
      .work(scale_work)
      .oracle("product in double", scale_in_double, scale_tolerance)
      .add(Tier::reference, "on-host", scale_loop)
      .add(Tier::optimized, "beside-device", scale_loop, {.beside_device = true})
      .add(Tier::cuda, "on-device", scale_loop, {.device = model::Device::cuda})
      .external(Tier::peer, "python-on-device", {"python3", "harness/testing/toy_peer.py"},
                {.device = model::Device::cuda})
      .control("factor-forgotten", factor_forgotten);
}

}  // namespace ashlar::testing
