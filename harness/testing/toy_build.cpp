// A suite whose implementation is as good as the environment says, so that one executable can stand
// for two builds.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "harness/testing/toy.hpp"
#include "harness/testing/toy_scale.hpp"

namespace ashlar::testing {

namespace {

using model::Method;
using model::Outcome;
using model::Stream;
using model::Suite;
using model::Tier;

constexpr int kRepeats = 400;

/// `fault` is one of the words of toy_build_suite().
class Built final : public Method<ScaleProblem, ScaleAnswer> {
 public:
  explicit Built(std::string fault) : fault_(std::move(fault)) {}

  void execute(const ScaleProblem& problem, ScaleAnswer& answer, Stream) override {
    if (fault_ == "crash") {
      std::signal(SIGSEGV, SIG_DFL);  // a sanitizer would make an exit status of it
      std::raise(SIGSEGV);
    }
    // Not when it is verified, but when it is sampled.
    if (fault_ == "crash-later" && ++executions_ > 4) std::_Exit(3);
    while (fault_ == "hang") std::this_thread::sleep_for(std::chrono::seconds(1));
    if (fault_ == "memory") hoard_.assign(std::size_t{16} << 20, 'x');
    const int repeats = fault_ == "slow" ? kRepeats * 3 / 2 : kRepeats;
    for (int repeat = 0; repeat < repeats; ++repeat) {
      scale_loop(problem, answer);
      asm volatile("" : : "r"(answer.y.data()) : "memory");
    }
    if (fault_ == "wrong") answer.y[0] += 1;
    // Half of what the tolerance allows.
    if (fault_ == "imprecise")
      for (float& value : answer.y) value *= 1.0f + 5e-7f;
  }
  Outcome outcome() const override {
    Outcome outcome;
    outcome.workspace_bytes = fault_ == "workspace" ? 65536 : 4096;
    return outcome;
  }

 private:
  std::string fault_;
  std::vector<char> hoard_;
  int executions_ = 0;
};

}  // namespace

model::Suite toy_build_suite(const std::string& fault) {
  Suite suite("build", "A toy that is built in different ways");
  auto experiment = suite.experiment<ScaleProblem, ScaleAnswer>("scale");
  experiment.about("multiply a vector by a number")
      .axis("length", {4096})
      .problem(make_scale)
      .work(scale_work)
      .oracle("product in double", scale_in_double, scale_tolerance)
      .add(Tier::optimized, "work", [fault] { return std::make_unique<Built>(fault); },
           {.threads = 1})
      .add(Tier::reference, "steady", [] { return std::make_unique<Built>("plain"); },
           {.threads = 1})
      .add(Tier::peer, "foreign", scale_loop, {.threads = 1})
      .control("factor-forgotten", factor_forgotten);
  if (fault == "more")
    experiment.add(Tier::reference, "new", [] { return std::make_unique<Built>("plain"); },
                   {.threads = 1});
  suite.validate();
  return suite;
}

}  // namespace ashlar::testing
