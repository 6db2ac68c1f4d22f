#pragma once
// Holding an answer against an oracle.
#include <string>
#include <vector>

#include "harness/model/suite.hpp"

namespace ashlar::measure {

struct CheckResult {
  bool accepted = false;
  model::Json norms = model::Json::object();
  model::Json limit = model::Json::object();
  std::optional<std::string> mismatch;  // what is wrong, with the first elements that differ
};

/// Compares every tensor that the oracle names. No element of an answer may be NaN (outputs are
/// filled with NaN before the execution, so an element nobody wrote is found), sampled or not.
/// `yardstick` may be null. Throws std::logic_error when the oracle itself expects NaN or names
/// elements outside the tensor.
CheckResult compare(const model::Expected& expected, const std::vector<model::TensorView>& answer,
                    const model::Tolerances& tolerances, const model::Expected* yardstick);

/// compare(), then the experiment's invariants.
CheckResult check_answer(const model::Experiment& experiment, const void* problem,
                         const model::Point& point, const model::Expected& expected,
                         const model::Expected* yardstick,
                         const std::vector<model::TensorView>& answer);

/// Error norms of one tensor against expected elements.
model::Norms norms_of(const model::ExpectedTensor& expected, const model::TensorView& answer);

}  // namespace ashlar::measure
