#pragma once
// y = factor * x: the problem that the toy suite's timed experiments share.
#include <memory>
#include <vector>

#include "harness/model/suite.hpp"

namespace ashlar::testing {

struct ScaleProblem {
  std::vector<float> x;
  float factor = 0;
};

struct ScaleAnswer {
  std::vector<float> y;
  explicit ScaleAnswer(const ScaleProblem& problem) : y(problem.x.size()) {}
  std::vector<model::TensorView> tensors() {
    return {{"y", model::ElementType::f32, {static_cast<std::int64_t>(y.size())}, y.data()}};
  }
};

ScaleProblem make_scale(const model::Point& point, std::uint64_t seed);
std::vector<model::TensorView> scale_inputs(const ScaleProblem& problem);
model::Work scale_work(const model::Point& point);
model::Expected scale_in_double(const ScaleProblem& problem);
model::Tolerances scale_tolerance(const model::Point& point);
void scale_loop(const ScaleProblem& problem, ScaleAnswer& answer);
/// A negative control.
void factor_forgotten(const ScaleProblem& problem, ScaleAnswer& answer);

/// Implementations that crash, hang, hoard, lie, in this program and in others.
void declare_misbehave(model::Suite& suite);
void declare_foreign(model::Suite& suite);
void declare_device(model::Suite& suite);

}  // namespace ashlar::testing
