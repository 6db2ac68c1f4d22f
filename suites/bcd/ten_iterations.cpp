#include "suites/bcd/ten_iterations.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "impls/bcd/cuda_batch.hpp"
#include "impls/bcd/optimized.hpp"
#include "impls/core/parallel.hpp"
#include "suites/bcd/rules.hpp"

namespace ashlar::bcd::suite {

namespace {

using model::Stream;
using model::Support;

/// From where the parts stand.
void iterate_into(Parts& parts, std::int64_t iterations, Iterate& answer) {
  iterate(parts, iterations);
  const auto x = parts.objective->x();
  std::copy(x.begin(), x.end(), answer.x.begin());
}

class Iterations final : public IterationMethod {
 public:
  Iterations(MakeParts make, WhyNot why_not) : make_(make), why_not_(why_not) {}

  Support supports(const IterationProblem& problem) const override {
    return why_not_ == nullptr ? Support() : Support::from(why_not_(problem.at.data->problem));
  }
  void prepare(const IterationProblem& problem, Iterate&) override { parts_ = make_(problem); }
  bool in_place() const override { return true; }
  /// Cyclic and random rules go on where they stood, so that they start anew, too.
  void reset(const IterationProblem& problem, Iterate&) override {
    if (draws(problem.rule) || problem.rule.selection == Selection::cyclic) {
      parts_.selection = make_selection(problem.rule, *parts_.blocks, *parts_.objective);
    }
    const std::vector<double> zero(static_cast<std::size_t>(parts_.objective->size()));
    parts_.objective->set_x(zero);
  }
  void execute(const IterationProblem&, Iterate& answer, Stream) override {
    iterate_into(parts_, kIterations, answer);
  }

 private:
  MakeParts make_;
  WhyNot why_not_;
  Parts parts_;
};

class DeviceIterations final : public IterationMethod {
 public:
  Support supports(const IterationProblem& problem) const override {
    return Support::from(cuda_batch_unsupported(problem.at.data->problem, problem.rule));
  }
  void prepare(const IterationProblem& problem, Iterate&) override {
    batch_ = make_cuda_batch(problem.at.data->problem, {&problem.rule, 1}, problem.at.data->optimum,
                             {.iterations = kIterations, .constants = problem.at.data->constants});
  }
  void execute(const IterationProblem&, Iterate&, Stream stream) override {
    batch_->launch(stream);
  }
  void poison() override { batch_->poison(); }
  void fetch(Iterate& answer) override { batch_->x(0, answer.x); }

 private:
  std::unique_ptr<CudaBatch> batch_;
};

}  // namespace

Parts reference_parts(const IterationProblem& problem) {
  return make_parts(problem.at.data->problem, problem.rule);
}
Parts optimized_parts(const IterationProblem& problem) {
  return make_optimized_parts(
      problem.at.data->problem, problem.rule,
      {.threads = core::thread_count(), .constants = problem.at.data->constants});
}

std::unique_ptr<IterationMethod> make_iterations(MakeParts make, WhyNot why_not) {
  return std::make_unique<Iterations>(make, why_not);
}

std::unique_ptr<IterationMethod> make_device_iterations() {
  return std::make_unique<DeviceIterations>();
}

model::Expected reference_iterate(const IterationProblem& problem) {
  Parts parts = reference_parts(problem);
  iterate(parts, kIterations);
  const auto x = parts.objective->x();
  return {{"x", {}, {x.begin(), x.end()}}};
}

model::Tolerances iterate_tolerance(const model::Point&) { return {{"x", {.relative_l2 = 1e-9}}}; }

void stops_early(const IterationProblem& problem, Iterate& answer) {
  Parts parts = reference_parts(problem);
  iterate_into(parts, kIterations - 1, answer);
}

void another_selection(const IterationProblem& problem, Iterate& answer) {
  IterationProblem other = problem;
  other.rule.selection =
      problem.rule.selection == Selection::cyclic ? Selection::gs : Selection::cyclic;
  Parts parts = reference_parts(other);
  iterate_into(parts, kIterations, answer);
}

}  // namespace ashlar::bcd::suite
