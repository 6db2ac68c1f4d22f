// Experiment "batch": a hundred iterations of each of many runs of the figures' grid, which share
// one data set. On a device all of them are one launch.
#include <cmath>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "impls/bcd/cuda_batch.hpp"
#include "impls/bcd/optimized.hpp"
#include "impls/core/parallel.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/numbers.hpp"
#include "suites/bcd/rules.hpp"

namespace ashlar::bcd::suite {

namespace {

constexpr std::int64_t kBatchIterations = 100;
constexpr std::size_t kLines = kBatchIterations + 1;  // of a run: gaps, the start's first
constexpr std::size_t kMostHostRuns = 64;             // more take a CPU many seconds
constexpr std::size_t kSampledRuns = 2;               // that the reference does as well, in seconds

struct BatchProblem {
  std::shared_ptr<const DataSet> data;
  std::vector<Rule> rules;  // of the runs
};

/// Figures 8, 11, 9 and 10, but for LA with blocks drawn by L: with it the grid's size would be a
/// multiple of the stride.
std::vector<NamedRule> grid_rules() {
  std::vector<NamedRule> rules =
      rules_by_blocks({"random", "cyclic", "lipschitz", "gs", "gsl"}, Update::lipschitz_block);
  const auto add = [&](std::vector<NamedRule> more, Partition fixed) {
    for (NamedRule& one : more) {
      if (one.rule.partition != Partition::variable) one.rule.partition = fixed;
      if (fixed != Partition::sort && one.rule.partition == Partition::variable) continue;
      rules.push_back(std::move(one));
    }
  };
  add(rules_by_blocks({"gs", "gsl", "gsd", "gsq"}, Update::matrix), Partition::sort);
  add(rules_by_blocks({"gs", "gsl", "random", "cyclic"}, Update::line_search), Partition::order);
  for (const Partition partition : {Partition::order, Partition::average})
    add(rules_by_blocks({"gs", "gsd", "gsl"}, Update::lipschitz_block), partition);
  return rules;
}

/// The grid's rules at three block sizes, in strides, so that a few runs are of all kinds; seed
/// after seed.
std::vector<Rule> batch_rules(std::int64_t runs) {
  constexpr Index kBlocks[] = {5, 50, 100};
  constexpr std::int64_t kStride = 29;  // has no factor in common with the grid's size
  std::vector<Rule> grid;
  for (const NamedRule& one : grid_rules()) {
    for (const Index block : kBlocks) {
      grid.push_back(one.rule);
      grid.back().block_size = block;
    }
  }
  const auto size = static_cast<std::int64_t>(grid.size());
  std::vector<Rule> rules;
  for (std::int64_t run = 0; run < runs; ++run) {
    rules.push_back(grid[static_cast<std::size_t>(run * kStride % size)]);
    rules.back().seed = static_cast<std::uint64_t>(1 + run / size);
  }
  return rules;
}

BatchProblem make_batch_problem(const Point& point, std::uint64_t seed) {
  return {data_set(point.word("data"), seed), batch_rules(point.integer("runs"))};
}

/// Logarithms, so that a limit on their difference is one on the relative difference of gaps.
struct Gaps : Numbers {
  explicit Gaps(const BatchProblem& problem) : Numbers(problem.rules.size() * kLines) {}
  void put(std::size_t run, const std::vector<double>& gap) {
    for (std::size_t line = 0; line < kLines; ++line) {
      x[run * kLines + line] = line < gap.size() ? std::log(gap[line]) : std::nan("");
    }
  }
};

SolveOptions all_iterations() { return {.iterations = kBatchIterations, .tolerance = 0}; }

/// Runs side by side, each on one thread. What a rule knows of fixed blocks is kept from one
/// execution to the next, as on a device.
class HostBatch final : public Method<BatchProblem, Gaps> {
 public:
  /// Not by operations: those of C take a fifth of the time of those of A and B.
  Support supports(const BatchProblem& problem) const override {
    if (problem.rules.size() <= kMostHostRuns) return {};
    return Support::no(fmt::format("more than {} runs take a CPU many seconds", kMostHostRuns));
  }
  void prepare(const BatchProblem& problem, Gaps&) override {
    parts_.clear();
    for (const Rule& rule : problem.rules) {
      parts_.push_back(make_optimized_parts(problem.data->problem, rule,
                                            {.constants = problem.data->constants}));
    }
  }
  bool in_place() const override { return true; }
  void reset(const BatchProblem& problem, Gaps&) override {
    const std::vector<double> zero(static_cast<std::size_t>(problem.data->problem.size()));
    for (std::size_t run = 0; run < parts_.size(); ++run) {
      const Rule& rule = problem.rules[run];
      Parts& parts = parts_[run];
      parts.objective->set_x(zero);
      if (draws(rule) || rule.selection == Selection::cyclic)
        parts.selection = make_selection(rule, *parts.blocks, *parts.objective);
      if (rule.update == Update::line_search) parts.update = make_update(rule, *parts.objective);
    }
  }
  void execute(const BatchProblem& problem, Gaps& answer, Stream) override {
    core::parallel_for_dynamic(
        static_cast<std::int64_t>(parts_.size()), [&](std::int64_t run, int) {
          Parts& parts = parts_[static_cast<std::size_t>(run)];
          answer.put(static_cast<std::size_t>(run),
                     solve(parts, problem.data->optimum, all_iterations()).gap);
        });
  }

 private:
  std::vector<Parts> parts_;
};

class DeviceBatch final : public Method<BatchProblem, Gaps> {
 public:
  Support supports(const BatchProblem& problem) const override {
    for (const Rule& rule : problem.rules) {
      if (auto why = cuda_batch_unsupported(problem.data->problem, rule))
        return Support::no(*std::move(why));
    }
    return {};
  }
  void prepare(const BatchProblem& problem, Gaps&) override {
    batch_ =
        make_cuda_batch(problem.data->problem, problem.rules, problem.data->optimum,
                        {.iterations = kBatchIterations, .constants = problem.data->constants});
  }
  void execute(const BatchProblem&, Gaps&, Stream stream) override { batch_->launch(stream); }
  void poison() override { batch_->poison(); }
  void fetch(Gaps& answer) override {
    for (std::size_t run = 0; run * kLines < answer.x.size(); ++run)
      answer.put(run, batch_->trace(run).gap);
  }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.counters["teams"] = batch_->teams();
    outcome.counters["blocks-of-team"] = batch_->blocks_of_team();
    return outcome;
  }

 private:
  std::unique_ptr<CudaBatch> batch_;
};

std::vector<std::size_t> sampled_runs(const BatchProblem& problem) {
  std::vector<std::size_t> runs;
  for (std::size_t sample = 0; sample < kSampledRuns; ++sample)
    runs.push_back(sample * problem.rules.size() / kSampledRuns);
  return runs;
}

std::vector<double> reference_gaps(const BatchProblem& problem, const Rule& rule) {
  Parts parts = make_parts(problem.data->problem, rule);
  return solve(parts, problem.data->optimum, all_iterations()).gap;
}

Expected reference_batch(const BatchProblem& problem) {
  Gaps gaps(problem);
  model::ExpectedTensor expected{"x", {}, {}};
  for (const std::size_t run : sampled_runs(problem)) {
    gaps.put(run, reference_gaps(problem, problem.rules[run]));
    for (std::size_t at = run * kLines; at < (run + 1) * kLines; ++at) {
      expected.indices.push_back(static_cast<std::int64_t>(at));
      expected.values.push_back(gaps.x[at]);
    }
  }
  return {expected};
}

/// Tiers that round differently are some 1e-14 apart after a hundred iterations (reference and
/// optimized, on B and with every rule of the grid on C), and part ways only where two scores tie
/// to rounding, as those of A, B and C do not.
Tolerances batch_tolerance(const Point&) { return {{"x", {.max_abs = 1e-6}}}; }

void last_iteration_forgotten(const BatchProblem& problem, Gaps& answer) {
  for (const std::size_t run : sampled_runs(problem)) {
    std::vector<double> gap = reference_gaps(problem, problem.rules[run]);
    gap.back() = gap[gap.size() - 2];
    answer.put(run, gap);
  }
}

void other_selections(const BatchProblem& problem, Gaps& answer) {
  for (const std::size_t run : sampled_runs(problem)) {
    Rule rule = problem.rules[run];
    rule.selection = rule.selection == Selection::cyclic ? Selection::gs : Selection::cyclic;
    answer.put(run, reference_gaps(problem, rule));
  }
}

/// Of gradients alone: a whole one per iteration for rules that look at it, else the block's. An
/// entry of C serves its classes.
Work batch_work(const Point& point) {
  const bool classes = point.word("data") == "C";
  const double entries = classes ? 69000 : 691366;
  const double coordinates = classes ? 50000 : 10000;
  double gradients = 0;
  for (const Rule& rule : batch_rules(point.integer("runs"))) {
    const bool looks = !draws(rule) && rule.selection != Selection::cyclic;
    gradients += looks ? 1 : rule.block_size / coordinates;
  }
  const double read = kBatchIterations * gradients * entries;
  return {2 * read * (classes ? 50 : 1), 12 * read, "f32"};
}

}  // namespace

void declare_batch(model::Suite& suite) {
  suite.experiment<BatchProblem, Gaps>("batch")
      .about("A hundred iterations of each of many runs of the figures' rules on one data set")
      .axis("data", {"A", "B", "C"})
      .in(Mode::quick, {})
      .in(Mode::gpu, {"B", "C"})
      .axis("runs", {8, 64})
      .in(Mode::quick, {})
      .in(Mode::gpu, {8, 64, 256})
      .problem(make_batch_problem)
      .work(batch_work)
      .oracle("the reference's gaps of some runs", reference_batch, batch_tolerance)
      .add(Tier::optimized, "optimized", [] { return std::make_unique<HostBatch>(); },
           {.about = "a run per thread", .beside_device = true})
      .add(Tier::cuda, "cuda-batch", [] { return std::make_unique<DeviceBatch>(); },
           {.about = "a team of thread blocks per run, one launch", .device = Device::cuda})
      .control("last-iteration-forgotten", last_iteration_forgotten)
      .control("other-selections", other_selections)
      .baselines({"optimized"})
      .figure({"time", "time", "runs", {"data"}, {}, "Batches of a hundred iterations"});
}

}  // namespace ashlar::bcd::suite
