#include "harness/testing/toy_scale.hpp"

namespace ashlar::testing {

using model::Expected;
using model::Point;
using model::TensorView;
using model::Tolerances;
using model::Work;

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

std::vector<TensorView> scale_inputs(const ScaleProblem& problem) {
  return {{"x",
           model::ElementType::f32,
           {static_cast<std::int64_t>(problem.x.size())},
           const_cast<float*>(problem.x.data())},
          {"factor", model::ElementType::f32, {1}, const_cast<float*>(&problem.factor)}};
}

void factor_forgotten(const ScaleProblem& problem, ScaleAnswer& answer) { answer.y = problem.x; }

}  // namespace ashlar::testing
