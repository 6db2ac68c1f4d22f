#include "harness/testing/toy.hpp"

#include <cmath>

#include "harness/testing/toy_scale.hpp"

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

/// Multiplies what is already in the answer: right only when reset() comes before each execution.
class ScaleInPlace final : public Method<ScaleProblem, ScaleAnswer> {
 public:
  void reset(const ScaleProblem& problem, ScaleAnswer& answer) override { answer.y = problem.x; }
  bool in_place() const override { return true; }
  void execute(const ScaleProblem& problem, ScaleAnswer& answer, Stream) override {
    for (float& value : answer.y) value *= problem.factor;
  }
};

/// Ten times the work for the same answer, so that ratios have something to show.
void scale_tenfold(const ScaleProblem& problem, ScaleAnswer& answer) {
  for (int repeat = 0; repeat < 10; ++repeat) {
    scale_loop(problem, answer);
    asm volatile("" : : "r"(answer.y.data()) : "memory");
  }
}

void last_not_written(const ScaleProblem& problem, ScaleAnswer& answer) {
  for (std::size_t i = 0; i + 1 < problem.x.size(); ++i)
    answer.y[i] = problem.factor * problem.x[i];
}

void declare_scale(Suite& suite) {
  suite.experiment<ScaleProblem, ScaleAnswer>("scale")
      .about("multiply a vector by a number")
      .axis("length", {64, 256, 1024, 4096})
      .in(Mode::quick, {64, 256, 1024})
      .axis("variant", {"plain", "again"})
      .problem(make_scale)
      .inputs(scale_inputs)
      .work(scale_work)
      .oracle("product in double", scale_in_double, scale_tolerance)
      .add(Tier::naive, "tenfold", scale_tenfold, {.about = "ten times over"})
      .add(Tier::reference, "loop", scale_loop)
      .add(Tier::optimized, "unrolled", [] { return std::make_unique<ScaleUnrolled>(); })
      .add(Tier::optimized, "in-place", [] { return std::make_unique<ScaleInPlace>(); })
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
  suite.kernels([] { return Suite::Kernels{{"toy", "none"}}; });
  declare_scale(suite);
  declare_misbehave(suite);
  declare_foreign(suite);
  declare_device(suite);
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
