#include "impls/bcd/cuda_batch_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <unordered_map>

#include "impls/bcd/cuda_batch_run.hpp"
#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/gram.hpp"
#include "impls/bcd/optimized.hpp"
#include "impls/bcd/selection.hpp"

namespace ashlar::bcd {
namespace {

/// 2 MiB of a team's memory, and as much again for eigenvectors.
constexpr Index kMostMatrix = 512;

/// For a factor, or for eigenvectors where there is none.
bool needs_second_matrix(Update update) {
  return kernel::solves_block(update) || update == Update::newton || update == Update::two_metric ||
         update == Update::projected_newton;
}

/// Whether the rule looks at matrices of blocks on the device.
bool looks_at_matrices(const Problem& problem, const Rule& rule) {
  if (needs_second_matrix(rule.update)) return true;
  if (rule.update == Update::line_search) return problem.loss == Loss::quadratic;
  return rule.partition == Partition::variable;
}

Index coordinates_of(const Problem& problem, const Rule& rule) {
  return rule.selection == Selection::general ? cube_root(problem.size()) : rule.block_size;
}

/// The rule's part that is about forests or colours of a graph; empty where it has none.
std::string graph_part(const Rule& rule) {
  if (rule.partition == Partition::red_black || rule.partition == Partition::trees)
    return fmt::format("partition '{}'", name_of(rule.partition));
  if (rule.selection == Selection::greedy_tree || rule.selection == Selection::random_tree)
    return fmt::format("selection '{}'", name_of(rule.selection));
  if (rule.update == Update::message_passing)
    return fmt::format("update '{}'", name_of(rule.update));
  return "";
}

/// Of softmax, with one more number per row.
std::int64_t scores_of(const Problem& problem) {
  if (problem.loss != Loss::softmax) return 0;
  return problem.features->rows * (std::int64_t{problem.classes} + 1);
}

/// Of A'A in H.
double bound_factor(Loss loss) {
  if (loss == Loss::logistic) return 0.25;
  return loss == Loss::softmax ? 0.5 : 1;
}

std::size_t padded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

template <class T>
const T* placed(const std::byte* base, std::size_t offset) {
  return offset == BatchBytes::kNone ? nullptr : reinterpret_cast<const T*>(base + offset);
}

}  // namespace

std::optional<std::string> batch_rule_unsupported(const Problem& problem, const Rule& rule) {
  if (const std::string part = graph_part(rule); !part.empty()) {
    return part +
           " has no form in a batch on a GPU; cuda_forest.hpp has forests, lattice_cuda.hpp "
           "lattices";
  }
  const bool quadratic = problem.loss == Loss::least_squares || problem.loss == Loss::quadratic;
  if (rule.selection == Selection::maximum_improvement && !quadratic) {
    return fmt::format(
        "selection '{}' has a form in a batch on a GPU for quadratics and least "
        "squares only",
        name_of(rule.selection));
  }
  // Loops over them step by the threads of a grid.
  if (scores_of(problem) > std::numeric_limits<Index>::max() / 2) {
    return fmt::format("{} rows x {} classes are too many for a batch on a GPU",
                       problem.features->rows, problem.classes);
  }
  if (looks_at_matrices(problem, rule) && coordinates_of(problem, rule) > kMostMatrix) {
    return fmt::format("matrices of {} coordinates are too large for a batch on a GPU; at most {}",
                       coordinates_of(problem, rule), kMostMatrix);
  }
  return std::nullopt;
}

BatchPlan::BatchPlan(const Problem& problem, std::span<const Rule> rules, const Optimum& optimum,
                     const BatchOptions& options)
    : problem_(problem), iterations_(options.iterations) {
  if (rules.empty()) throw std::invalid_argument("batch on a GPU: no rules");
  if (options.iterations < 0 || options.refresh_every < 1) {
    throw std::invalid_argument(
        fmt::format("batch on a GPU: iterations = {} and refresh_every = {}; at least 0 and 1",
                    options.iterations, options.refresh_every));
  }
  bool row_sums = false;
  for (const Rule& rule : rules) {
    validate(rule, problem);
    if (const auto why = batch_rule_unsupported(problem, rule)) {
      throw std::invalid_argument("batch on a GPU: " + *why);
    }
    row_sums =
        row_sums || (rule.partition == Partition::variable && rule.selection == Selection::gsl);
  }
  const auto objective = make_optimized_objective(problem, {.constants = options.constants});
  add_problem(optimum, row_sums, *objective);
  for (const Rule& rule : rules) add_run(rule, options, *objective);
}

BatchPlan::LineOffsets BatchPlan::add_lines(const SparseLines& lines) {
  return {inputs_.add(lines.starts), inputs_.add(lines.indices), inputs_.add(lines.values)};
}

void BatchPlan::add_slices(const SparseLines& lines) {
  const auto length = [&](Index line) {
    return static_cast<Index>(lines.starts[line + 1] - lines.starts[line]);
  };
  std::vector<Index> order(static_cast<std::size_t>(lines.lines()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](Index one, Index other) { return length(one) > length(other); });
  std::vector<Index> lengths;
  for (const Index line : order) lengths.push_back(length(line));
  const int shift = shared_.sliced.shift;
  const std::int64_t width = std::int64_t{1} << shift;
  std::vector<std::int64_t> starts;
  std::int64_t used = 0;
  for (std::size_t place = 0; place < order.size(); place += static_cast<std::size_t>(width)) {
    starts.push_back(used);
    used += width * lengths[place];
  }
  std::vector<Index> indices(static_cast<std::size_t>(used));
  std::vector<double> values(static_cast<std::size_t>(used));
  for (std::size_t place = 0; place < order.size(); ++place) {
    const auto from = lines.starts[order[place]];
    const std::int64_t to = starts[place >> shift] + static_cast<std::int64_t>(place) % width;
    for (std::int64_t e = 0; e < lengths[place]; ++e) {
      indices[to + e * width] = lines.indices[from + e];
      values[to + e * width] = lines.values[from + e];
    }
  }
  sliced_ = {inputs_.add(starts), inputs_.add(indices), inputs_.add(values)};
  sliced_lines_ = inputs_.add(order);
  sliced_lengths_ = inputs_.add(lengths);
}

void BatchPlan::add_problem(const Optimum& optimum, bool row_sums, Objective& objective) {
  const bool linear = problem_.loss != Loss::quadratic;
  shared_.loss = problem_.loss;
  shared_.size = problem_.size();
  shared_.rows = linear ? problem_.features->rows : 0;
  shared_.bound = bound_factor(problem_.loss);
  if (problem_.loss == Loss::softmax) {
    shared_.classes = problem_.classes;
    shared_.sliced.shift = 0;
  }
  (problem_.penalty.nonnegative ? shared_.slope : shared_.lambda) = problem_.penalty.lambda;
  shared_.optimum_value = optimum.value;
  const SparseLines& lines = linear ? problem_.features->by_column : problem_.matrix->rest;
  columns_ = add_lines(lines);
  add_slices(lines);
  if (linear) by_row_ = add_lines(problem_.features->by_row);
  if (!linear) diagonal_ = inputs_.add(problem_.matrix->diagonal);
  targets_ = inputs_.add(linear ? problem_.targets : problem_.linear);
  lipschitz_ = inputs_.add(objective.lipschitz());
  if (row_sums) row_sums_ = inputs_.add(objective.row_sums());
  sizes_.size = shared_.size;
  sizes_.rows = shared_.rows;
  sizes_.classes = shared_.classes;
  // As gap() of the objectives: where the Hessian depends on x, f(x) - f* is all that is known.
  if (optimum.x.empty() || problem_.loss == Loss::logistic || problem_.loss == Loss::softmax) {
    return;
  }
  optimum_x_ = inputs_.add(optimum.x);
  optimum_gradient_ = inputs_.add(optimum.gradient);
  if (!linear) return;
  std::vector<double> scores(static_cast<std::size_t>(shared_.rows));
  multiply(problem_.features->by_row, optimum.x, scores);
  optimum_scores_ = inputs_.add(scores);
}

const BatchPlan::Fixed& BatchPlan::fixed(const Rule& rule, Objective& objective) {
  const auto [found, made] =
      fixed_.try_emplace(FixedKey{rule.partition, rule.block_size, rule.scan, rule.ties});
  Fixed& fixed = found->second;
  if (made) {
    fixed.blocks = make_blocks(rule, objective);
    std::vector<std::int64_t> starts{0};
    std::vector<Index> members;
    for (const std::vector<Index>& block : fixed.blocks) {
      members.insert(members.end(), block.begin(), block.end());
      starts.push_back(static_cast<std::int64_t>(members.size()));
    }
    fixed.starts = inputs_.add(starts);
    fixed.members = inputs_.add(members);
  }
  const bool by_constants = rule.selection == Selection::gsl && rule.update != Update::line_search;
  if (fixed.constants == BatchBytes::kNone &&
      (by_constants || kernel::needs_block_constant(rule.update))) {
    fixed.constants = inputs_.add(block_lipschitz(objective, fixed.blocks));
  }
  if (fixed.roots == BatchBytes::kNone && kernel::uses_quadratic_norm(rule.selection)) {
    add_roots(fixed, objective);
  }
  return fixed;
}

/// As BlockRoots of selection_fixed.cpp.
void BatchPlan::add_roots(Fixed& fixed, Objective& objective) {
  std::vector<double> roots;
  std::vector<std::int64_t> starts;
  std::vector<Index> block_of;
  std::vector<double> matrix;
  for (std::size_t place = 0; place < fixed.blocks.size(); ++place) {
    const std::vector<Index>& block = fixed.blocks[place];
    dense_bound_block(objective, block, matrix);
    invert_root(matrix, static_cast<Index>(block.size()), kRootRidge);
    starts.push_back(static_cast<std::int64_t>(roots.size()));
    roots.insert(roots.end(), matrix.begin(), matrix.end());
    block_of.insert(block_of.end(), block.size(), static_cast<Index>(place));
  }
  fixed.roots = inputs_.add(roots);
  fixed.root_starts = inputs_.add(starts);
  fixed.block_of = inputs_.add(block_of);
}

/// The blocks that the reference's selection draws.
void BatchPlan::add_schedule(const Rule& rule, RunPlan& plan, Objective& objective) {
  static const Blocks kNoBlocks;
  const Blocks& blocks = plan.fixed ? plan.fixed->blocks : kNoBlocks;
  const auto selection = make_selection(rule, blocks, objective);
  std::unordered_map<const Index*, Index> places;
  for (std::size_t place = 0; place < blocks.size(); ++place) {
    places[blocks[place].data()] = static_cast<Index>(place);
  }
  std::vector<std::int64_t> starts{0};
  std::vector<Index> schedule;
  for (std::int64_t iteration = 0; iteration < iterations_; ++iteration) {
    const Block block = selection->select(objective, objective.lipschitz());
    if (plan.fixed) {
      schedule.push_back(places.at(block.data()));
    } else {
      schedule.insert(schedule.end(), block.begin(), block.end());
    }
    starts.push_back(static_cast<std::int64_t>(schedule.size()));
  }
  plan.schedule_starts = inputs_.add(starts);
  plan.schedule = inputs_.add(schedule);
}

void BatchPlan::add_run(const Rule& rule, const BatchOptions& options, Objective& objective) {
  RunPlan plan;
  const bool variable = rule.partition == Partition::variable;
  const bool looks = kernel::looks_at_gradient(rule.selection);
  plan.run.selection = rule.selection;
  plan.run.update = rule.update;
  plan.run.variable = variable;
  plan.run.squares = rule.norm == Norm::l2;
  plan.run.block_size = coordinates_of(problem_, rule);
  plan.run.iterations = options.iterations;
  plan.run.least_iterations = options.least_iterations;
  plan.run.tolerance = options.tolerance;
  plan.run.refresh_every = options.refresh_every;
  if (!variable) {
    plan.fixed = &fixed(rule, objective);
    plan.run.blocks = static_cast<Index>(plan.fixed->blocks.size());
  }
  if (!looks) add_schedule(rule, plan, objective);
  const bool matrices = looks_at_matrices(problem_, rule);
  sizes_.most_block = std::max(sizes_.most_block, plan.run.block_size);
  if (matrices) sizes_.most_matrix = std::max(sizes_.most_matrix, plan.run.block_size);
  sizes_.estimates = sizes_.estimates || rule.update == Update::line_search;
  sizes_.inverses = sizes_.inverses || needs_second_matrix(rule.update);
  sizes_.searches =
      sizes_.searches || rule.update == Update::newton || rule.update == Update::two_metric;
  sizes_.active_sets = sizes_.active_sets || rule.update == Update::projected_newton;
  if (variable && rule.selection == Selection::gsq) {
    plan.run.threshold_step = 1 / objective.bound_lambda_max();
    sizes_.thresholds = true;
  }
  // Entries of A that an iteration reads, roughly.
  const auto k = static_cast<double>(plan.run.block_size);
  const SparseLines& lines =
      shared_.rows > 0 ? problem_.features->by_column : problem_.matrix->rest;
  const double of_column = static_cast<double>(lines.entries()) / lines.lines();
  plan.cost = (looks ? of_column * shared_.size : 0) + (matrices ? k * k * of_column : 0) +
              k * of_column + static_cast<double>(shared_.rows) * shared_.classes;
  runs_.push_back(plan);
}

kernel::TeamSizes BatchPlan::sizes(int blocks) const {
  kernel::TeamSizes sizes = sizes_;
  sizes.blocks = blocks;
  return sizes;
}

kernel::BatchProblem BatchPlan::problem(const std::byte* inputs) const {
  const auto lines = [&](const LineOffsets& offsets) {
    return kernel::BatchLines{placed<std::int64_t>(inputs, offsets.starts),
                              placed<Index>(inputs, offsets.indices),
                              placed<double>(inputs, offsets.values)};
  };
  kernel::BatchProblem problem = shared_;
  problem.columns = lines(columns_);
  problem.by_row = lines(by_row_);
  problem.sliced = {shared_.sliced.shift,
                    placed<std::int64_t>(inputs, sliced_.starts),
                    placed<Index>(inputs, sliced_lines_),
                    placed<Index>(inputs, sliced_lengths_),
                    placed<Index>(inputs, sliced_.indices),
                    placed<double>(inputs, sliced_.values)};
  problem.targets = placed<double>(inputs, targets_);
  problem.diagonal = placed<double>(inputs, diagonal_);
  problem.lipschitz = placed<double>(inputs, lipschitz_);
  problem.row_sums = placed<double>(inputs, row_sums_);
  problem.optimum_x = placed<double>(inputs, optimum_x_);
  problem.optimum_gradient = placed<double>(inputs, optimum_gradient_);
  problem.optimum_scores = placed<double>(inputs, optimum_scores_);
  return problem;
}

std::vector<kernel::BatchRun> BatchPlan::runs(const std::byte* inputs, std::byte* outputs) const {
  std::vector<kernel::BatchRun> runs;
  for (std::size_t number = 0; number < runs_.size(); ++number) {
    const RunPlan& plan = runs_[number];
    kernel::BatchRun run = plan.run;
    if (plan.fixed) {
      run.block_starts = placed<std::int64_t>(inputs, plan.fixed->starts);
      run.members = placed<Index>(inputs, plan.fixed->members);
      run.constants = placed<double>(inputs, plan.fixed->constants);
      run.block_of = placed<Index>(inputs, plan.fixed->block_of);
      run.root_starts = placed<std::int64_t>(inputs, plan.fixed->root_starts);
      run.roots = placed<double>(inputs, plan.fixed->roots);
    }
    run.schedule_starts = placed<std::int64_t>(inputs, plan.schedule_starts);
    run.schedule = placed<Index>(inputs, plan.schedule);
    run.x = reinterpret_cast<double*>(outputs + x_offset(number));
    std::byte* const trace = outputs + trace_offset(number);
    const auto lines = static_cast<std::size_t>(iterations_) + 1;
    run.end = reinterpret_cast<kernel::BatchEnd*>(trace);
    run.gap = reinterpret_cast<double*>(trace + padded(sizeof(kernel::BatchEnd)));
    run.block_sizes = reinterpret_cast<Index*>(run.gap + lines);
    runs.push_back(run);
  }
  return runs;
}

std::vector<Index> BatchPlan::by_cost() const {
  std::vector<Index> order(runs_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](Index one, Index other) { return runs_[one].cost > runs_[other].cost; });
  return order;
}

std::size_t BatchPlan::trace_bytes() const {
  const auto lines = static_cast<std::size_t>(iterations_) + 1;
  return padded(padded(sizeof(kernel::BatchEnd)) + lines * (sizeof(double) + sizeof(Index)));
}
std::size_t BatchPlan::x_offset(std::size_t run) const {
  return run * padded(static_cast<std::size_t>(shared_.size) * sizeof(double));
}
std::size_t BatchPlan::trace_offset(std::size_t run) const {
  return x_offset(runs_.size()) + run * trace_bytes();
}
std::size_t BatchPlan::output_bytes() const { return trace_offset(runs_.size()); }

BatchTrace BatchPlan::trace(const std::byte* outputs) const {
  kernel::BatchEnd end;
  std::memcpy(&end, outputs, sizeof(end));
  const auto all = static_cast<std::size_t>(iterations_) + 1;
  const auto lines = static_cast<std::size_t>(end.iterations) + 1;
  const std::byte* const gaps = outputs + padded(sizeof(kernel::BatchEnd));
  BatchTrace trace;
  trace.gap.resize(lines);
  trace.block_size.resize(lines);
  std::memcpy(trace.gap.data(), gaps, lines * sizeof(double));
  std::memcpy(trace.block_size.data(), gaps + all * sizeof(double), lines * sizeof(Index));
  trace.converged = end.converged != 0;
  trace.diverged = end.diverged != 0;
  return trace;
}

}  // namespace ashlar::bcd
