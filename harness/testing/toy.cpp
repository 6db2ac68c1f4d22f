#include "harness/testing/toy.hpp"

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <thread>

namespace ashlar::testing {

namespace {

using model::Better;
using model::Device;
using model::Expected;
using model::ImplementationOptions;
using model::Method;
using model::Mode;
using model::Outcome;
using model::Point;
using model::Stream;
using model::Suite;
using model::Support;
using model::TensorView;
using model::Tier;
using model::Tolerances;
using model::Work;

/// y = factor * x.
struct ScaleProblem {
  std::vector<float> x;
  float factor = 0;
};

struct ScaleAnswer {
  std::vector<float> y;
  explicit ScaleAnswer(const ScaleProblem& problem) : y(problem.x.size()) {}
  std::vector<TensorView> tensors() {
    return {{"y", model::ElementType::f32, {static_cast<std::int64_t>(y.size())}, y.data()}};
  }
};

ScaleProblem make_scale(const Point& point, std::uint64_t seed) {
  ScaleProblem problem;
  problem.factor = 1.5f;
  problem.x.resize(static_cast<std::size_t>(point.integer("length")));
  for (float& value : problem.x) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    value = static_cast<float>(seed >> 40) / 16777216.0f - 0.5f;
  }
  return problem;
}

Work scale_work(const Point& point) {
  const double length = point.number("length");
  return {length, 8 * length, "f32"};
}

Expected scale_in_double(const ScaleProblem& problem) {
  Expected expected{{"y", {}, {}}};
  for (const float value : problem.x) {
    expected[0].values.push_back(static_cast<double>(problem.factor) * static_cast<double>(value));
  }
  return expected;
}

Tolerances scale_tolerance(const Point&) { return {{"", {.max_rel = 1e-6}}}; }

void scale_loop(const ScaleProblem& problem, ScaleAnswer& answer) {
  for (std::size_t i = 0; i < problem.x.size(); ++i) answer.y[i] = problem.factor * problem.x[i];
}

/// Four elements at a time, from a workspace that prepare() fills: a Method with state.
class ScaleUnrolled final : public Method<ScaleProblem, ScaleAnswer> {
 public:
  Support supports(const ScaleProblem& problem) const override {
    return problem.x.size() % 4 == 0 ? Support()
                                     : Support::no("the length must be a multiple of 4");
  }
  void prepare(const ScaleProblem& problem, ScaleAnswer&) override { packed_ = problem.x; }
  void execute(const ScaleProblem& problem, ScaleAnswer& answer, Stream) override {
    for (std::size_t i = 0; i < packed_.size(); i += 4) {
      for (std::size_t lane = 0; lane < 4; ++lane)
        answer.y[i + lane] = problem.factor * packed_[i + lane];
    }
    multiplications_ = static_cast<double>(packed_.size());
  }
  Outcome outcome() const override {
    Outcome outcome;
    outcome.counters["multiplications"] = multiplications_;
    outcome.workspace_bytes = static_cast<std::int64_t>(packed_.size() * sizeof(float));
    return outcome;
  }

 private:
  std::vector<float> packed_;
  double multiplications_ = 0;
};

/// Ten times the work for the same answer, so that ratios have something to show.
void scale_tenfold(const ScaleProblem& problem, ScaleAnswer& answer) {
  for (int repeat = 0; repeat < 10; ++repeat) {
    scale_loop(problem, answer);
    asm volatile("" : : "r"(answer.y.data()) : "memory");
  }
}

void factor_forgotten(const ScaleProblem& problem, ScaleAnswer& answer) { answer.y = problem.x; }

void last_not_written(const ScaleProblem& problem, ScaleAnswer& answer) {
  for (std::size_t i = 0; i + 1 < problem.x.size(); ++i)
    answer.y[i] = problem.factor * problem.x[i];
}

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

void declare_scale(Suite& suite) {
  suite.experiment<ScaleProblem, ScaleAnswer>("scale")
      .about("multiply a vector by a number")
      .axis("length", {64, 256, 1024, 4096})
      .in(Mode::quick, {64, 256, 1024})
      .axis("variant", {"plain", "again"})
      .problem(make_scale)
      .inputs([](const ScaleProblem& problem) -> std::vector<TensorView> {
        return {{"x",
                 model::ElementType::f32,
                 {static_cast<std::int64_t>(problem.x.size())},
                 const_cast<float*>(problem.x.data())},
                {"factor", model::ElementType::f32, {1}, const_cast<float*>(&problem.factor)}};
      })
      .work(scale_work)
      .oracle("product in double", scale_in_double, scale_tolerance)
      .add(Tier::naive, "tenfold", scale_tenfold, {.about = "ten times over"})
      .add(Tier::reference, "loop", scale_loop)
      .add(Tier::optimized, "unrolled", [] { return std::make_unique<ScaleUnrolled>(); })
      .external(Tier::peer, "python", {"python3", "harness/testing/toy_peer.py"},
                {.about = "plain Python"})
      .external(Tier::peer, "absent", {"no-such-program-anywhere"},
                {.about = "a peer that is not installed"})
      .control("factor-forgotten", factor_forgotten)
      .control("last-not-written", last_not_written)
      .baselines({"tenfold"})
      .figure({"time", "time", "length", {"variant"}, {}, "Scaling a vector"})
      .figure({"speedup", "speedup", "length", {"variant"}, {"tenfold"}, "Scaling a vector"});
}

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
      .add(Tier::naive, "wears-out", [] { return std::make_unique<WearsOut>(); })
      .add(Tier::naive, "chatters", chatter)
      .add(Tier::reference, "fine-too", scale_loop)
      .control("factor-forgotten", factor_forgotten);
}

/// Minimise (x - 3)^2 / 2 by gradient descent from a start that depends on the seed.
struct DescentProblem {
  double start = 0;
  double step = 0;
};

DescentProblem make_descent(const Point& point, std::uint64_t seed) {
  return {static_cast<double>(seed % 1000) / 100.0 - 20.0, point.number("step")};
}

Outcome descend(const DescentProblem& problem, double momentum) {
  Outcome outcome;
  model::Curve curve{"convergence", {{"iteration", {}}, {"gap", {}}}};
  double x = problem.start;
  double velocity = 0;
  for (int iteration = 0; iteration <= 60; ++iteration) {
    curve.columns[0].second.push_back(iteration);
    curve.columns[1].second.push_back(0.5 * (x - 3) * (x - 3));
    velocity = momentum * velocity - problem.step * (x - 3);
    x += velocity;
  }
  outcome.metrics["gap"] = curve.columns[1].second.back();
  outcome.metrics["descends"] =
      curve.columns[1].second.back() < curve.columns[1].second.front() ? 1 : 0;
  outcome.counters["gradients"] = 61;
  outcome.curves.push_back(std::move(curve));
  return outcome;
}

/// What theory says the gap is after 60 steps: an analytical model beside the measured methods.
Outcome predicted_gap(const DescentProblem& problem) {
  Outcome outcome;
  const double distance = problem.start - 3;
  outcome.metrics["gap"] = 0.5 * distance * distance * std::pow(1 - problem.step, 120);
  return outcome;
}

void declare_descent(Suite& suite) {
  suite.study<DescentProblem>("descent")
      .about("gradient descent on a parabola")
      .axis("step", {0.1, 0.2})
      .seeds(5)
      .metric("gap", Better::lower)
      .problem(make_descent)
      .add(Tier::reference, "plain",
           [](const DescentProblem& problem) { return descend(problem, 0); })
      .add(Tier::optimized, "momentum",
           [](const DescentProblem& problem) { return descend(problem, 0.3); })
      .add(Tier::reference, "theory", predicted_gap,
           {.about = "closed form", .device = Device::model})
      .figure({"convergence",
               "curve",
               "iteration",
               {"step"},
               {"convergence", "gap"},
               "Gradient descent"});
}

}  // namespace

Suite toy_suite() {
  Suite suite("toy", "A toy that proves the harness");
  declare_scale(suite);
  declare_misbehave(suite);
  declare_descent(suite);
  suite.validate();
  return suite;
}

Suite toy_with_blind_oracle() {
  Suite suite("blind", "A toy whose oracle accepts everything");
  suite.experiment<ScaleProblem, ScaleAnswer>("scale")
      .axis("length", {64})
      .problem(make_scale)
      .work(scale_work)
      .oracle("anything goes", scale_in_double,
              [](const Point&) {
                return Tolerances{{"", {}}};
              })
      .add(Tier::naive, "loop", scale_loop)
      .control("factor-forgotten", factor_forgotten);
  suite.validate();
  return suite;
}

}  // namespace ashlar::testing
