#pragma once
// Ten iterations of one rule from x = 0, by every tier: what "iteration" and "large" have in
// common.
#include <memory>
#include <optional>
#include <string>

#include "harness/model/method.hpp"
#include "harness/model/oracle.hpp"
#include "harness/model/value.hpp"
#include "impls/bcd/rule.hpp"
#include "suites/bcd/numbers.hpp"
#include "suites/bcd/problem.hpp"

namespace ashlar::bcd::suite {

inline constexpr int kIterations = 10;

struct IterationProblem {
  RuleProblem at;
  Rule rule;
};

struct Iterate : Numbers {
  explicit Iterate(const IterationProblem& problem)
      : Numbers(static_cast<std::size_t>(problem.at.data->problem.size())) {}
};

using IterationMethod = model::Method<IterationProblem, Iterate>;
using MakeParts = Parts (*)(const IterationProblem&);
using WhyNot = std::optional<std::string> (*)(const Problem&);  // null: everything is supported

Parts reference_parts(const IterationProblem& problem);
Parts optimized_parts(const IterationProblem& problem);

/// Constants and what a rule knows of its blocks beforehand are prepared.
std::unique_ptr<IterationMethod> make_iterations(MakeParts make, WhyNot why_not = nullptr);
/// All ten in one launch, by the whole device.
std::unique_ptr<IterationMethod> make_device_iterations();

model::Expected reference_iterate(const IterationProblem& problem);
/// Iterates of equal rules differ by rounding alone until two scores all but tie.
model::Tolerances iterate_tolerance(const model::Point& point);
// Controls.
void stops_early(const IterationProblem& problem, Iterate& answer);
void another_selection(const IterationProblem& problem, Iterate& answer);

}  // namespace ashlar::bcd::suite
