#pragma once
// A batch as loops on a CPU, from the plan that a device gets, against the reference.
#include <cstddef>
#include <cstring>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/cuda_batch_plan.hpp"
#include "impls/bcd/cuda_batch_run.hpp"
#include "impls/bcd/test_batch_rules.hpp"
#include "impls/bcd/test_batch_team.hpp"

namespace ashlar::bcd::testing {

struct HostShape {
  int blocks = 1;
  int threads = 1;
  ThreadOrder order = ThreadOrder::forward;
};

struct HostAnswer {
  std::vector<double> x;
  BatchTrace trace;
};

/// A team's memory; every byte of it is that of a NaN.
class HostMemory {
 public:
  explicit HostMemory(const kernel::TeamSizes& sizes) {
    kernel::TeamMemory measured;
    const std::int64_t bytes = kernel::carve(sizes, 0, measured);
    bytes_.assign(static_cast<std::size_t>(bytes) + 16, std::byte{0xff});
    kernel::carve(sizes, (reinterpret_cast<std::uintptr_t>(bytes_.data()) + 15) / 16 * 16, memory_);
  }
  kernel::TeamMemory& memory() { return memory_; }

 private:
  std::vector<std::byte> bytes_;
  kernel::TeamMemory memory_;
};

inline std::vector<HostAnswer> run_on_host(const BatchPlan& plan, const HostShape& shape) {
  std::vector<std::byte> outputs(plan.output_bytes(), std::byte{0xff});
  const auto runs = plan.runs(plan.inputs().data(), outputs.data());
  const std::vector<Index> order = plan.by_cost();
  std::uint32_t queue = 0;
  kernel::BatchLaunch launch;
  launch.problem = plan.problem(plan.inputs().data());
  launch.runs = runs.data();
  launch.order = order.data();
  launch.count = static_cast<std::uint32_t>(plan.count());
  launch.queue = &queue;
  launch.sizes = plan.sizes(shape.blocks);
  // One memory for all, as a team takes one run after the other.
  HostMemory memory(launch.sizes);
  HostTeam team(shape.blocks, shape.threads, shape.order);
  kernel::do_runs(team, launch, memory.memory());
  std::vector<HostAnswer> answers(plan.count());
  for (std::size_t number = 0; number < plan.count(); ++number) {
    HostAnswer& answer = answers[number];
    answer.trace = plan.trace(outputs.data() + plan.trace_offset(number));
    answer.x.resize(static_cast<std::size_t>(launch.problem.size));
    std::memcpy(answer.x.data(), outputs.data() + plan.x_offset(number),
                answer.x.size() * sizeof(double));
  }
  return answers;
}

inline void check_answer(const HostAnswer& found, const ExpectedRun& expected, double tolerance) {
  REQUIRE(found.trace.iterations() == expected.trace.iterations());
  CHECK(found.trace.block_size == expected.trace.block_size);
  CHECK(found.trace.converged == expected.trace.converged);
  CHECK(!found.trace.diverged);
  // As a whole, as rounding leaves something of a gap; f of a quadratic is 0 at the start.
  CHECK(relative_distance(found.trace.gap, expected.trace.gap) <= tolerance);
  CHECK(relative_distance(found.x, expected.x) <= tolerance);
}

inline int check_rules(const Problem& problem, const std::vector<Rule>& rules,
                       const HostShape& shape, const BatchOptions& options, double tolerance = 1e-9,
                       const Optimum& optimum = {}) {
  const BatchPlan plan(problem, rules, optimum, options);
  const auto found = run_on_host(plan, shape);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    CAPTURE(name_of(problem.loss), name_of(rules[i].partition), name_of(rules[i].selection),
            name_of(rules[i].update), rules[i].block_size, shape.blocks, shape.threads);
    check_answer(found[i], expected_run(problem, rules[i], optimum, options), tolerance);
  }
  return static_cast<int>(rules.size());
}

}  // namespace ashlar::bcd::testing
