#include "suites/bcd/tasks.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "impls/bcd/optimized.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::bcd::suite {

namespace {

using model::ElementType;
using model::Method;
using model::Outcome;
using model::Stream;
using model::Support;
using model::TensorView;

SparseLines with_diagonal(const SymmetricMatrix& matrix) {
  SparseLines whole;
  whole.starts.push_back(0);
  for (Index i = 0; i < matrix.size(); ++i) {
    bool placed = false;
    const auto place = [&] {
      whole.indices.push_back(i);
      whole.values.push_back(matrix.diagonal[i]);
      placed = true;
    };
    const auto indices = matrix.rest.indices_of(i);
    const auto values = matrix.rest.values_of(i);
    for (std::size_t e = 0; e < indices.size(); ++e) {
      if (!placed && indices[e] > i) place();
      whole.indices.push_back(indices[e]);
      whole.values.push_back(values[e]);
    }
    if (!placed) place();
    whole.starts.push_back(static_cast<std::int64_t>(whole.indices.size()));
  }
  return whole;
}

template <class T>
TensorView view_of(const char* name, ElementType type, const std::vector<T>& values) {
  return {name, type, {static_cast<std::int64_t>(values.size())}, const_cast<T*>(values.data())};
}
TensorView number(const char* name, const double& value) {
  return {name, ElementType::f64, {1}, const_cast<double*>(&value)};
}

class RuleMethod final : public CountedMethod {
 public:
  explicit RuleMethod(const Rule& rule) : rule_(rule) {}

  void prepare(const Task& task, TaskAnswer&) override {
    Parts parts = make(task);
    const Trace trace =
        solve(parts, task.optimum,
              {.iterations = kMostIterations, .tolerance = task.gap(), .least_iterations = 0});
    if (!trace.converged) throw std::runtime_error(gap_not_reached(task));
    iterations_ = trace.iterations();
  }
  void execute(const Task& task, TaskAnswer& answer, Stream) override {
    Parts parts = make(task);
    iterate(parts, iterations_);
    const auto x = parts.objective->x();
    std::copy(x.begin(), x.end(), answer.x.begin());
  }

 private:
  Parts make(const Task& task) const {
    Rule rule = rule_;
    rule.block_size = std::min(rule.block_size, task.problem->size());
    rule.allow_short_block = true;
    return make_optimized_parts(*task.problem, rule, {.threads = core::thread_count()});
  }

  Rule rule_;
};

}  // namespace

Outcome CountedMethod::outcome() const {
  Outcome outcome;
  outcome.counters["iterations"] = static_cast<double>(iterations_);
  return outcome;
}

double Task::gap() const { return target * std::abs(optimum.value); }

Task make_task(Problem problem) {
  Task task;
  task.problem = std::make_shared<const Problem>(std::move(problem));
  task.optimum = find_optimum(*task.problem);
  task.lambda = task.problem->penalty.lambda;
  task.nonnegative = task.problem->penalty.nonnegative ? 1 : 0;
  if (task.problem->matrix) task.matrix = with_diagonal(*task.problem->matrix);
  return task;
}

std::vector<TensorView> task_inputs(const Task& task) {
  std::vector<TensorView> inputs{number("optimum", task.optimum.value),
                                 number("target", task.target)};
  if (task.problem->matrix) {
    inputs.push_back(view_of("matrix.starts", ElementType::i64, task.matrix.starts));
    inputs.push_back(view_of("matrix.indices", ElementType::i32, task.matrix.indices));
    inputs.push_back(view_of("matrix.values", ElementType::f64, task.matrix.values));
    inputs.push_back(view_of("linear", ElementType::f64, task.problem->linear));
    return inputs;
  }
  const SparseLines& columns = task.problem->features->by_column;
  inputs.push_back(view_of("features.starts", ElementType::i64, columns.starts));
  inputs.push_back(view_of("features.indices", ElementType::i32, columns.indices));
  inputs.push_back(view_of("features.values", ElementType::f64, columns.values));
  inputs.push_back(view_of("targets", ElementType::f64, task.problem->targets));
  inputs.push_back(number("lambda", task.lambda));
  inputs.push_back(number("nonnegative", task.nonnegative));
  return inputs;
}

model::Expected task_optimum(const Task& task) { return {{"x", {}, task.optimum.x}}; }

/// Weak: the gap is what is asked for, and the invariant looks at it.
model::Tolerances task_tolerance(const model::Point&) { return {{"x", {.relative_l2 = 1e-2}}}; }

std::optional<std::string> gap_reached(const Task& task, const std::vector<TensorView>& answer) {
  const auto* values = static_cast<const double*>(answer.front().data);
  const auto objective = make_reference_objective(*task.problem);
  objective->set_x({values, static_cast<std::size_t>(task.problem->size())});
  const double gap = objective->gap(task.optimum);
  // Peers measure theirs as a difference of values.
  if (gap <= task.gap() * (1 + 1e-3) + 1e-13 * std::abs(task.optimum.value)) return std::nullopt;
  return fmt::format("the gap is {:.3g}, above {:.3g}", gap, task.gap());
}

std::string gap_not_reached(const Task& task) {
  return fmt::format("did not reach a relative gap of {:.0e} in {} iterations", task.target,
                     kMostIterations);
}

std::unique_ptr<Method<Task, TaskAnswer>> make_rule_method(const Rule& rule) {
  return std::make_unique<RuleMethod>(rule);
}

}  // namespace ashlar::bcd::suite
