// The oracles: they agree with what is known otherwise, and reject what is wrong.
#include "suites/bcd/oracle.hpp"

#include <cmath>

#include <catch2/catch.hpp>

#include "impls/bcd/random_problem.hpp"
#include "suites/bcd/tasks.hpp"

using namespace ashlar;
using namespace ashlar::bcd;
using namespace ashlar::bcd::suite;

TEST_CASE("the gradient in long double is that of the reference, and of differences") {
  for (const Loss loss : {Loss::least_squares, Loss::logistic, Loss::softmax, Loss::quadratic}) {
    INFO(name_of(loss));
    const Problem problem = make_random(loss, {.rows = 15, .columns = 9, .classes = 3}, 4);
    const auto objective = make_reference_objective(problem);
    std::vector<double> x(static_cast<std::size_t>(problem.size()));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.1 * std::sin(static_cast<double>(i) + 1);
    objective->set_x(x);
    const auto g = gradient_in_long_double(problem, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(g[i] == Approx(objective->gradient()[i]).epsilon(1e-11).margin(1e-12));
      const Index at = static_cast<Index>(i);
      const std::vector<double> forward{1e-5};
      const std::vector<double> backward{-1e-5};
      const double slope =
          (objective->value_after({&at, 1}, forward) - objective->value_after({&at, 1}, backward)) /
          2e-5;
      CHECK(g[i] == Approx(slope).epsilon(1e-5).margin(1e-6));
    }
  }
}

TEST_CASE("a gap is measured, not believed") {
  Problem problem =
      make_random(Loss::least_squares, {.rows = 30, .columns = 12, .density = 0.8}, 2);
  problem.penalty = {.lambda = 0.5, .nonnegative = true};
  const Task task = make_task(problem);
  std::vector<double> x = task.optimum.x;
  const auto verdict = [&] {
    return gap_reached(
        task, {{"x", model::ElementType::f64, {static_cast<std::int64_t>(x.size())}, x.data()}});
  };
  CHECK_FALSE(verdict());
  for (double& value : x) value *= 1 + 1e-3;
  CHECK(verdict());
  const auto inputs = task_inputs(task);
  CHECK(inputs.size() == 8);
  CHECK(inputs[0].value(0) == task.optimum.value);
}

TEST_CASE("the matrix that peers get has its diagonal in place") {
  const Problem problem = make_random(Loss::quadratic, {.columns = 7, .density = 0.4}, 3);
  const Task task = make_task(problem);
  REQUIRE(task.matrix.lines() == 7);
  for (Index i = 0; i < 7; ++i) {
    const auto indices = task.matrix.indices_of(i);
    const auto values = task.matrix.values_of(i);
    CHECK(indices.size() == problem.matrix->rest.indices_of(i).size() + 1);
    for (std::size_t e = 0; e < indices.size(); ++e) {
      if (e > 0) CHECK(indices[e] > indices[e - 1]);
      if (indices[e] == i) CHECK(values[e] == problem.matrix->diagonal[i]);
    }
  }
}
