#pragma once
// Tasks to a given gap, for methods here and for peers in other programs: the problem with its
// optimum, as tensors; answers x.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/method.hpp"
#include "harness/model/oracle.hpp"
#include "harness/model/value.hpp"
#include "impls/bcd/solve.hpp"
#include "suites/bcd/numbers.hpp"

namespace ashlar::bcd::suite {

/// f(x) - f* at most 1e-8 of |f*|.
inline constexpr double kRelativeGap = 1e-8;

struct Task {
  std::shared_ptr<const Problem> problem;
  Optimum optimum;
  // As peers in other programs read them (baselines/bcd/bcd_peer.py).
  double target = kRelativeGap;
  double lambda = 0;
  double nonnegative = 0;
  SparseLines matrix;  // M with its diagonal, of a quadratic

  double gap() const;  // absolute
};

/// Finds the optimum.
Task make_task(Problem problem);

struct TaskAnswer : Numbers {
  explicit TaskAnswer(const Task& task) : Numbers(static_cast<std::size_t>(task.problem->size())) {}
};

std::vector<model::TensorView> task_inputs(const Task& task);

/// The optimum, and how far from it an answer of that gap may be.
model::Expected task_optimum(const Task& task);
model::Tolerances task_tolerance(const model::Point& point);

/// What is wrong where the gap is above the target by more than rounding.
std::optional<std::string> gap_reached(const Task& task,
                                       const std::vector<model::TensorView>& answer);

/// Does as many iterations as the gap takes; prepare() finds the number.
class CountedMethod : public model::Method<Task, TaskAnswer> {
 public:
  model::Outcome outcome() const final;

 protected:
  std::int64_t iterations_ = 0;
};

/// The optimized tier's parts from x = 0, made anew in each execution, for as many iterations as
/// the gap takes; that number is found beforehand, as peers find their tolerances. Blocks are no
/// larger than the problem, and the last may be short.
std::unique_ptr<model::Method<Task, TaskAnswer>> make_rule_method(const Rule& rule);

/// More iterations are not waited for.
inline constexpr std::int64_t kMostIterations = 20000;
std::string gap_not_reached(const Task& task);

}  // namespace ashlar::bcd::suite
